import Tensors

/// The gradient of an expression by a tensor that it is computed from, of that tensor's form; zeros where it does not
/// depend on it.
///
///     let slopes = try gradients(of: critic(mixed).sum(), by: mixed)
///     let penalty = try (slopes.norm(over: [1, 2, 3]) - 1).square().mean()
///
/// Within a ``valueAndGradients(of:_:)`` the gradient is recorded, and has gradients too.
///
/// - Parameters:
///   - value: an expression of one value. It is computed here, so that nothing has to be said before about `tensor`,
///     which is known again by its memory: a copy of it is the same tensor.
///   - tensor: what the gradient is by.
/// - Throws: ``GradientError/severalValues(shape:)``; what the expression throws.
public func gradients(of value: @autoclosure () throws -> Tensor, by tensor: Tensor) throws -> Tensor {
  try gradients(of: value(), by: [tensor])[0]
}

/// The gradients by several tensors, in their order.
public func gradients(of value: @autoclosure () throws -> Tensor, by tensors: [Tensor]) throws -> [Tensor] {
  let (value, nodes) = try Recording.record { recording in
    let nodes = tensors.map { recording.watch($0) }
    return (try value(), nodes)
  }
  let gradients = try goBack(from: [(value, seed(for: value))], to: nodes)
  return try zip(gradients, tensors).map { try $0 ?? Tensor(zerosLike: $1) }
}

/// The value of an expression, and its gradients by variables.
///
///     let (loss, gradients) = try valueAndGradients(of: [scale, bias]) {
///       try meanSquaredError(scale.data * x + bias.data, target)
///     }
///     gradients[scale]
///
/// - Parameters:
///   - variables: those that the gradients are by. A frozen one (``Variable/isTrained``) counts as a constant.
///   - body: gives a tensor of one value.
/// - Throws: ``GradientError/severalValues(shape:)``; what the body throws.
public func valueAndGradients(
  of variables: [Variable], _ body: () throws -> Tensor
) throws -> (value: Tensor, gradients: Gradients) {
  let trained = variables.filter(\.isReached)
  let leaves = trained.map(\.leaf)
  let value = try Recording.record(watching: leaves) { _ in try body() }
  let found = try goBack(from: [(value, seed(for: value))], to: leaves)
  var gradients = Gradients()
  for (variable, gradient) in zip(trained, found) { gradients[variable] = gradient }
  // An outer recording may go on through both.
  return (Recording.current == nil ? value.withoutOrigin : value, gradients)
}

private func seed(for value: Tensor) throws -> Tensor {
  guard value.count == 1 else { throw GradientError.severalValues(shape: value.shape) }
  return try Tensor(repeating: 1, shape: value.shape, dtype: value.dtype, layout: value.layout, on: value.device)
}

extension Tensor {
  /// A tensor like another, of zeros.
  public init(zerosLike other: Tensor) throws {
    try self.init(
      repeating: 0, shape: other.shape, dtype: other.dtype, layout: other.layout, on: other.device)
  }
}

/// Gradients by variables.
public struct Gradients: Sendable {
  private var tensors: [ObjectIdentifier: Tensor] = [:]

  public init() {}

  /// The gradient by a variable; nil where the value does not depend on it, or it was not asked for.
  public subscript(variable: Variable) -> Tensor? {
    get { tensors[ObjectIdentifier(variable)] }
    set { tensors[ObjectIdentifier(variable)] = newValue }
  }
}

/// What can be wrong with what a gradient is asked of.
public enum GradientError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Only one value has a gradient; take a sum or a mean of several.
  case severalValues(shape: Shape)

  public var description: String {
    switch self {
    case .severalValues(let shape):
      "gradients: expected a tensor of one value, got shape \(shape); take its sum() or mean()"
    }
  }
}
