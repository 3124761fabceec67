import Tensors

/// A number for each of up to eight axes, outermost first: extents, or strides.
///
/// It takes no memory of its own, so that a record can be made for every call.
package struct Axes: Hashable, Sendable {
  package static let limit = 8

  private var values = SIMD8<Int>.zero
  package private(set) var count: Int

  /// - Parameter values: no more than ``limit``; callers have joined axes where they had more.
  package init(_ values: some Collection<Int>) {
    count = values.count
    precondition(count <= Self.limit, "a record has at most \(Self.limit) axes")
    for (index, value) in values.enumerated() { self.values[index] = value }
  }

  package init(repeating value: Int, count: Int) {
    precondition(count <= Self.limit, "a record has at most \(Self.limit) axes")
    self.count = count
    for index in 0..<count { values[index] = value }
  }

  package mutating func append(_ value: Int) {
    precondition(count < Self.limit, "a record has at most \(Self.limit) axes")
    values[count] = value
    count += 1
  }

  /// Of extents: how many values there are.
  package var product: Int { reduce(1, *) }

  /// Of extents: the strides of values that lie together, row by row.
  package var contiguousStrides: Axes {
    var result = Axes(repeating: 1, count: count)
    var step = 1
    for index in indices.reversed() {
      result[index] = step
      step *= Swift.max(self[index], 1)
    }
    return result
  }
}

extension Axes: RandomAccessCollection, MutableCollection, ExpressibleByArrayLiteral {
  package init(arrayLiteral elements: Int...) { self.init(elements) }

  package var startIndex: Int { 0 }
  package var endIndex: Int { count }
  package subscript(index: Int) -> Int {
    get { values[index] }
    set { values[index] = newValue }
  }
}

/// Values in memory, of whatever device.
package struct View {
  package var address: UnsafeMutableRawPointer
  package var dtype: DType
  /// How many values neighbours along each axis of the record's extents are apart; 0 where they are the same value.
  package var strides: Axes

  package init(_ address: UnsafeMutableRawPointer, _ dtype: DType, strides: Axes) {
    self.address = address
    self.dtype = dtype
    self.strides = strides
  }
}
