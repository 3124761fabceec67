/// What can be wrong with a tensor, or with what is asked of it.
public enum TensorError: Error, Equatable, Sendable {
  /// The shape cannot be a tensor's.
  case invalidShape(Shape, reason: String)
  /// The values given do not fill the shape.
  case valueCount(expected: Int, got: Int, shape: Shape)
  /// Two shapes that have to agree do not.
  case shapeMismatch(operation: String, expected: Shape, got: Shape)
  /// The type of the values is not the one that is needed.
  case dtypeMismatch(operation: String, expected: DType, got: DType)
  /// The layout is not the one that is needed, and values are not moved unasked.
  case layoutMismatch(operation: String, expected: Layout, got: Layout)
  /// The layout does not exist for this rank.
  case layout(Layout, shape: Shape)
  /// The subscript lies outside the tensor.
  case index([Int], shape: Shape)
  /// A number is outside its range.
  case argument(name: String, expected: String, got: String)
  /// The values of a plan that is being traced are neither read nor changed, except by operations: what would be done
  /// with them now would not be done when the plan runs.
  case traced(shape: Shape)
  /// The system has no memory of this size to give.
  case outOfMemory(byteCount: Int)
}

extension TensorError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidShape(let shape, let reason):
      "shape \(shape) is not valid: \(reason)"
    case .valueCount(let expected, let got, let shape):
      "shape \(shape) holds \(expected) values, got \(got)"
    case .shapeMismatch(let operation, let expected, let got):
      "\(operation): expected shape \(expected), got \(got)"
    case .dtypeMismatch(let operation, let expected, let got):
      "\(operation): expected dtype \(expected), got \(got)"
    case .layoutMismatch(let operation, let expected, let got):
      "\(operation): expected layout \(expected), got \(got); to(.\(expected)) converts it"
    case .layout(let layout, let shape):
      "layout \(layout) is for ranks 3, 4 and 5, got rank \(shape.rank): shape \(shape)"
    case .index(let index, let shape):
      "index [\(index.map(String.init).joined(separator: ", "))] is outside shape \(shape)"
    case .argument(let name, let expected, let got):
      "\(name): expected \(expected), got \(got)"
    case .traced(let shape):
      "tracing a plan: expected operations alone, got a read or a write of values of shape \(shape)"
    case .outOfMemory(let byteCount):
      "out of memory: \(byteCount) bytes could not be allocated"
    }
  }
}
