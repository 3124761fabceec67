import Calls
import Tensors

/// Values in memory, one at a time: what the references are written with.
package struct Values {
  let address: UnsafeMutableRawPointer
  let dtype: DType

  package init(_ address: UnsafeMutableRawPointer, _ dtype: DType) {
    self.address = address
    self.dtype = dtype
  }

  package subscript(index: Int) -> Double {
    get {
      switch dtype {
      case .float16: address.assumingMemoryBound(to: Float16.self)[index].double
      case .bfloat16: address.assumingMemoryBound(to: BFloat16.self)[index].double
      case .float32: address.assumingMemoryBound(to: Float.self)[index].double
      case .float64: address.assumingMemoryBound(to: Double.self)[index]
      }
    }
    nonmutating set {
      switch dtype {
      case .float16: address.assumingMemoryBound(to: Float16.self)[index] = Float16(newValue)
      case .bfloat16: address.assumingMemoryBound(to: BFloat16.self)[index] = BFloat16(newValue)
      case .float32: address.assumingMemoryBound(to: Float.self)[index] = Float(newValue)
      case .float64: address.assumingMemoryBound(to: Double.self)[index] = newValue
      }
    }
  }
}

extension View {
  subscript(place: Axes) -> Double {
    get { Values(address, dtype)[strides.offset(of: place)] }
    nonmutating set { Values(address, dtype)[strides.offset(of: place)] = newValue }
  }
}

extension Axes {
  /// Of strides: how many values a place is from the first.
  func offset(of place: Axes) -> Int {
    var result = 0
    for axis in place.indices { result += place[axis] * self[axis] }
    return result
  }

  /// Of extents: calls `body` with every place, the last axis fastest.
  func forEachPlace(_ body: (Axes) -> Void) {
    guard !contains(0) else { return }
    var place = Axes(repeating: 0, count: count)
    while true {
      body(place)
      var axis = count - 1
      while axis >= 0 {
        place[axis] += 1
        if place[axis] < self[axis] { break }
        place[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}
