/// The order in which a tensor's values lie in memory.
///
/// A tensor's shape and subscripts always read (N, C, spatial...), as PyTorch's do for its channels-last format; the
/// layout only says which of them varies fastest in memory. The names are those for pictures and stand for the
/// same thing in one and three dimensions.
public enum Layout: String, CaseIterable, Hashable, Sendable, CustomStringConvertible {
  /// Each map's plane is contiguous. What NumPy and PyTorch do unless told otherwise.
  case nchw
  /// The maps of one place are contiguous ("channels last"). For ranks 3, 4 and 5.
  case nhwc

  public var description: String { rawValue }

  /// Whether a tensor of this rank can lie this way.
  package func allows(rank: Int) -> Bool {
    self == .nchw || (3...5).contains(rank)
  }

  /// The extents in the order in which they lie in memory, slowest first.
  package func memoryOrder<T>(_ dimensions: [T]) -> [T] {
    switch self {
    case .nchw: dimensions
    case .nhwc: [dimensions[0]] + dimensions[2...] + [dimensions[1]]
    }
  }

  /// The inverse of ``memoryOrder(_:)``: what lies in memory as (N, spatial..., C) read as (N, C, spatial...).
  package func logicalOrder<T>(_ dimensions: [T]) -> [T] {
    switch self {
    case .nchw: dimensions
    case .nhwc: [dimensions[0], dimensions[dimensions.count - 1]] + dimensions[1..<(dimensions.count - 1)]
    }
  }

  /// For each extent of a shape, how far apart in memory neighbours along it are, in values.
  package func strides(of shape: Shape) -> [Int] {
    var step = 1
    let inMemory = memoryOrder(shape.dimensions).reversed().map { extent in
      defer { step &*= Swift.max(extent, 1) }
      return step
    }
    return logicalOrder(inMemory.reversed())
  }
}
