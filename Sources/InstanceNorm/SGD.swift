import Operations
import Tensors

/// Gradient descent, with momentum if wanted, and Nesterov's.
///
///     velocity = momentum velocity + grad
///     data    -= learnRate velocity                      or, with `nesterov`,
///     data    -= learnRate (grad + momentum velocity)
///
/// As PyTorch's `SGD`. Source: Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and
/// momentum in deep learning", 2013.
public final class SGD: Optimizer {
  public let momentum: Double
  public let nesterov: Bool

  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` unless 0 <= momentum < 1, and more than 0 with
  ///   `nesterov`.
  public init(learnRate: Double = 1e-3, momentum: Double = 0, nesterov: Bool = false) throws {
    try Self.check(
      "momentum", momentum, nesterov ? "more than 0 and less than 1 with nesterov" : "0 or more, less than 1"
    ) {
      $0 >= 0 && $0 < 1 && ($0 > 0 || !nesterov)
    }
    self.momentum = momentum
    self.nesterov = nesterov
    try super.init(learnRate: learnRate)
  }

  public override var stateTensorCount: Int { momentum > 0 ? 1 : 0 }

  public override func step(_ variable: Variable, state: inout [Tensor], number: Int) throws {
    try check(variable, state)
    guard momentum > 0 else {
      try variable.data.combine(-learnRate, variable.grad)
      return
    }
    try state[0].combine(1, variable.grad, beta: momentum)
    if nesterov {
      try variable.data.combine(-learnRate, variable.grad)
      try variable.data.combine(-learnRate * momentum, state[0])
    } else {
      try variable.data.combine(-learnRate, state[0])
    }
  }
}
