import Tensors

/// A parameter of a module: its values, and the gradient of the loss by them.
///
/// It is a class, so that a module and the optimizer that trains it hold the same one.
public final class Variable {
  /// What the module calls it: `scale`.
  public let name: String
  /// The values. Whoever assigns keeps shape and dtype; the module checks at its next call.
  public var data: Tensor {
    didSet { version &+= 1 }
  }
  /// Another one after every change of ``data``.
  private(set) var version = 0
  /// The gradient, of the same shape and dtype; zeros at first.
  public var grad: Tensor

  /// - Throws: `TensorError.outOfMemory(byteCount:)` for the gradient.
  public init(name: String, data: Tensor) throws {
    self.name = name
    self.data = data
    grad = try Tensor(uninitializedLike: data)
    try grad.fill(with: 0)
  }
}
