import Operations
import Tensors

/// Gradient descent, with momentum if wanted, and Nesterov's.
///
///     g        = grad + weightDecay data
///     velocity = momentum velocity + g
///     data    -= learnRate velocity                      or, with `nesterov`,
///     data    -= learnRate (g + momentum velocity)
///
/// As PyTorch's `SGD`. Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and
/// momentum in deep learning", 2013.
public final class SGD: Optimizer {
  public let momentum: Double
  public let nesterov: Bool
  public let weightDecay: Double

  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` unless 0 <= momentum < 1, and more than 0 with
  ///   `nesterov`, and `weightDecay` is 0 or more.
  public init(
    learnRate: Double = 1e-3, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0
  ) throws {
    try Self.check(
      "momentum", momentum, nesterov ? "more than 0 and less than 1 with nesterov" : "0 or more, less than 1"
    ) {
      $0 >= 0 && $0 < 1 && ($0 > 0 || !nesterov)
    }
    try Self.check("weightDecay", weightDecay, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
    try super.init(learnRate: learnRate)
  }

  public override var stateTensorCount: Int { momentum > 0 ? 1 : 0 }

  public override func step(_ variable: Variable, state: inout [Tensor], number: Int) throws {
    let gradient = try gradient(of: variable, beside: state)
    let rate = scheduledLearnRate
    // What is left of the data by a step along its own decay.
    let kept = 1 - rate * weightDecay
    guard momentum > 0 else {
      try variable.data.combine(-rate, gradient, beta: kept)
      return
    }
    try state[0].combine(1, gradient, beta: momentum)
    if weightDecay > 0 { try state[0].combine(weightDecay, variable.data) }
    if nesterov {
      try variable.data.combine(-rate, gradient, beta: kept)
      try variable.data.combine(-rate * momentum, state[0])
    } else {
      try variable.data.combine(-rate, state[0])
    }
  }
}
