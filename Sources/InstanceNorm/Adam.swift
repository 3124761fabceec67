import Operations
import Tensors

/// Adam: steps scaled by running averages of the gradient and its square.
///
///     m = beta1 m + (1 - beta1) grad            v = beta2 v + (1 - beta2) grad^2
///     data -= learnRate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.
public final class Adam: Optimizer {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double

  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` unless 0 <= beta < 1 for both, and epsilon > 0.
  public init(learnRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) throws {
    for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
      try Self.check(name, beta, "0 or more, less than 1") { $0 >= 0 && $0 < 1 }
    }
    try Self.check("epsilon", epsilon, "a finite number, more than 0") { $0 > 0 && $0.isFinite }
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    try super.init(learnRate: learnRate)
  }

  public override var stateTensorCount: Int { 2 }

  public override func step(_ variable: Variable, state: inout [Tensor], number: Int) throws {
    try check(variable, state)
    guard number > 0 else { throw OptimizerError.argument(name: "number", expected: "1 or more", got: "\(number)") }
    let gradient = try variable.data.agreeing(variable.grad, "Adam's step")
    // Taken out while they change: a second reference would make every step a copy.
    var (first, second) = (state[0], state[1])
    state = []
    defer { state = [first, second] }
    try AdamStep(learnRate: learnRate, beta1: beta1, beta2: beta2, epsilon: epsilon, number: number)(
      gradient: gradient, parameter: &variable.data, firstMoment: &first, secondMoment: &second)
  }
}
