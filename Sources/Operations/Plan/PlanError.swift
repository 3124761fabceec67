import Tensors

/// What can be wrong with a plan, except for what it is given: that is a `TensorError` or `DeviceError`.
public enum PlanError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The body of a plan did what a plan cannot do again when it runs.
  case notForPlans(String)
  /// A gradient was asked for through a plan, which keeps nothing to take one from.
  case noGradient
  /// An operation gave something else than when the plan was made.
  case otherForm(operation: String, expected: TensorForm, got: TensorForm)

  public var description: String {
    switch self {
    case .notForPlans(let what): "a plan: expected operations on its inputs, got \(what)"
    case .noGradient: "a plan has no gradient; call what it was made of"
    case .otherForm(let operation, let expected, let got):
      "\(operation) in a plan: expected a result of \(expected), as when the plan was made, got \(got)"
    }
  }
}

extension TensorForm: CustomStringConvertible {
  /// As in `(1, 3, 256, 256) float32 nchw`.
  public var description: String { "\(shape) \(dtype) \(layout)" }
}
