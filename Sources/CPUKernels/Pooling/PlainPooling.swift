import Calls
import Tensors

/// A row of windows at a time, in plain Swift for each type, of windows that do not overlap where values come back.
struct PlainPooling {
  private let call: PoolingCall
  private let geometry: PoolingGeometry

  init?(_ call: PoolingCall) {
    guard call.direction == .gather || call.geometry.isApart else { return nil }
    self.call = call
    geometry = call.geometry
  }

  func run(threads: Int) {
    func run<S: Scalar>(_: S.Type) {
      let (picture, pooled) = (pointer(call.picture, S.self), pointer(call.pooled, S.self))
      let chooser = call.chooser.assumingMemoryBound(to: S.self)
      // Columns inside maps or maps inside columns, as they lie in memory.
      let (outer, inner) = call.pooled.strides[1] == 1 ? (3, 1) : (1, 3)
      let extents = geometry.pooledShape
      let items = geometry.images * geometry.rows
      let values = geometry.images * geometry.maps * geometry.height * geometry.width
      let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
      if call.direction == .scatter { clear(picture, threads: threads) }
      ThreadedWork.run(items: items, values: values, shares: shares) { _, items in
        for item in items {
          var window: Axes = [item / geometry.rows, 0, item % geometry.rows, 0]
          for place in 0..<extents[outer] {
            window[outer] = place
            for place in 0..<extents[inner] {
              window[inner] = place
              let chosen = chosen(window, chooser)
              let own = call.pooled.strides.offset(of: window)
              if call.direction == .gather { pooled[own] = picture[chosen] } else { picture[chosen] = pooled[own] }
            }
          }
        }
      }
    }
    switch call.picture.dtype {
    case .float16: run(Float16.self)
    case .bfloat16: run(BFloat16.self)
    case .float32: run(Float.self)
    case .float64: run(Double.self)
    }
  }

  private func pointer<S>(_ view: View, _: S.Type) -> UnsafeMutablePointer<S> {
    view.address.assumingMemoryBound(to: S.self)
  }

  /// All that no window chooses gets 0.
  private func clear<S: Scalar>(_ values: UnsafeMutablePointer<S>, threads: Int) {
    let count = geometry.images * geometry.maps * geometry.height * geometry.width
    let shares = ThreadedWork.shareCount(items: count, values: count, threads: threads)
    ThreadedWork.run(items: count, values: count, shares: shares) { _, items in
      (values + items.lowerBound).update(repeating: S(0), count: items.count)
    }
  }

  /// How many values a window's greatest is from the first.
  @inline(__always)
  private func chosen<S: Scalar>(_ window: Axes, _ chooser: UnsafeMutablePointer<S>) -> Int {
    let strides = call.picture.strides
    let (row, column) = (
      window[2] * geometry.strideRows - geometry.top, window[3] * geometry.strideColumns - geometry.left
    )
    let base = window[0] * strides[0] + window[1] * strides[1]
    let (rows, columns) = (
      max(row, 0)..<min(row + geometry.windowHeight, geometry.height),
      max(column, 0)..<min(column + geometry.windowWidth, geometry.width)
    )
    var found = base + rows.lowerBound * strides[2] + columns.lowerBound * strides[3]
    var greatest = chooser[found].double
    for row in rows {
      for column in columns {
        let offset = base + row * strides[2] + column * strides[3]
        let value = chooser[offset].double
        if value > greatest || value != value {
          greatest = value
          found = offset
        }
      }
    }
    return found
  }
}
