import Tensors

/// A parameter of a module: its values, and the gradient of the loss by them.
///
/// It is a class, so that a module and the optimizer that trains it hold the same one. Values are read by any number of
/// tasks at once; only one may change them, and none reads meanwhile.
public final class Variable: @unchecked Sendable {
  /// What the module calls it: `scale`.
  public let name: String

  /// Where gradients by it end.
  package let leaf = Leaf(.variable)
  private var values: Tensor

  /// The values. Whoever assigns keeps shape and dtype; the module checks at its next call.
  public var data: Tensor {
    get { values }
    set {
      values = newValue
      values.origin = leaf
    }
    _modify {
      yield &values
      values.origin = leaf
    }
  }

  /// The gradient, of the same shape and dtype, as a module's backward pass leaves it; nil before there was one.
  public var grad: Tensor?

  /// Whether gradients reach it, in training. A frozen variable is a constant to losses and optimizers, whatever mode its
  /// module is in.
  public var isTrained = true

  /// Whether its module is in training mode.
  package var isInTraining = true

  /// Whether gradients reach it now.
  package var isReached: Bool { isTrained && isInTraining }

  public init(name: String, data: Tensor) {
    self.name = name
    values = data
    values.origin = leaf
    leaf.stand(for: self)
  }

  deinit {
    leaf.stand(for: nil)
  }
}
