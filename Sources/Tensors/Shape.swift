/// The extents of a tensor, outermost first: (N, C, H, W) for a batch of pictures in any ``Layout``.
///
/// A shape may be written as an array literal, and is a collection of its extents; as with an array, a subscript beyond
/// its end ends the program. It is only checked where a tensor is made of it, so that a
/// shape that is wrong can be carried in an error.
public struct Shape: Hashable, Sendable {
  public var dimensions: [Int]

  public init(_ dimensions: some Sequence<Int>) {
    self.dimensions = Array(dimensions)
  }

  @inlinable public var rank: Int { dimensions.count }

  /// The largest rank of a tensor, NumPy's.
  public static let maximumRank = 64

  /// The number of values of a tensor of this shape; 1 for rank 0.
  ///
  /// - Throws: ``TensorError/invalidShape(_:reason:)`` when an extent is negative, the rank is above
  ///   ``maximumRank`` or the product does not fit `Int`.
  public func elementCount() throws -> Int {
    guard rank <= Self.maximumRank else {
      throw TensorError.invalidShape(
        Shape(prefix(4)), reason: "these are the first of \(rank) extents, \(Self.maximumRank) are the most")
    }
    if let negative = dimensions.first(where: { $0 < 0 }) {
      throw TensorError.invalidShape(self, reason: "an extent is negative (\(negative))")
    }
    // A zero anywhere makes the tensor empty, however large the rest of the product.
    if dimensions.contains(0) { return 0 }
    return try dimensions.reduce(1) { product, extent in
      let (result, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow { throw TensorError.invalidShape(self, reason: "the number of values overflows") }
      return result
    }
  }

  /// The bytes that a tensor of this shape takes.
  ///
  /// - Throws: ``TensorError/invalidShape(_:reason:)`` as ``elementCount()`` does.
  public func byteCount(of dtype: DType) throws -> Int {
    let (bytes, overflow) = try elementCount().multipliedReportingOverflow(by: dtype.byteCount)
    if overflow { throw TensorError.invalidShape(self, reason: "the number of bytes overflows") }
    return bytes
  }
}

extension Shape: RandomAccessCollection {
  @inlinable public var startIndex: Int { dimensions.startIndex }
  @inlinable public var endIndex: Int { dimensions.endIndex }
  @inlinable public subscript(position: Int) -> Int { dimensions[position] }
}

extension Shape: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: Int...) {
    self.init(elements)
  }
}

extension Shape: CustomStringConvertible {
  /// As Python writes a tuple: `(5, 3, 4, 4)`, `(7,)`, `()`.
  public var description: String {
    rank == 1 ? "(\(dimensions[0]),)" : "(" + dimensions.map(String.init).joined(separator: ", ") + ")"
  }
}
