import Operations
import Tensors

/// Adam: steps scaled by running averages of the gradient and its square.
///
///     g = grad + weightDecay data
///     m = beta1 m + (1 - beta1) g               v = beta2 v + (1 - beta2) g^2
///     data -= learnRate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1. The decay is PyTorch's; for
/// one that the averages do not scale there is ``AdamW``.
public class Adam: Optimizer {
  public final let beta1: Double
  public final let beta2: Double
  public final let epsilon: Double
  public final let weightDecay: Double
  /// Whether the data decays by itself, and not by way of the gradient.
  private final let isDecoupled: Bool

  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` unless 0 <= beta < 1 for both, epsilon > 0 and
  ///   weightDecay >= 0.
  public convenience init(
    learnRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0
  ) throws {
    try self.init(learnRate, beta1, beta2, epsilon, weightDecay, isDecoupled: false)
  }

  init(
    _ learnRate: Double, _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ weightDecay: Double, isDecoupled: Bool
  ) throws {
    for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
      try Self.check(name, beta, "0 or more, less than 1") { $0 >= 0 && $0 < 1 }
    }
    try Self.check("epsilon", epsilon, "a finite number, more than 0") { $0 > 0 && $0.isFinite }
    try Self.check("weightDecay", weightDecay, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecoupled = isDecoupled
    try super.init(learnRate: learnRate)
  }

  public override final var stateTensorCount: Int { 2 }

  public override final func step(_ variable: Variable, state: inout [Tensor], number: Int) throws {
    var gradient = try gradient(of: variable, beside: state)
    guard number > 0 else { throw OptimizerError.argument(name: "number", expected: "1 or more", got: "\(number)") }
    let rate = scheduledLearnRate
    gradient = try variable.data.agreeing(gradient, "Adam's step")
    if weightDecay > 0 {
      if isDecoupled {
        try variable.data.scale(by: 1 - rate * weightDecay)
      } else {
        try gradient.combine(weightDecay, variable.data)
      }
    }
    // Taken out while they change: a second reference would make every step a copy.
    var (first, second) = (state[0], state[1])
    state = []
    defer { state = [first, second] }
    try AdamStep(learnRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, number: number)(
      gradient: gradient, parameter: &variable.data, firstMoment: &first, secondMoment: &second)
  }
}

/// ``Adam`` with a decay of its own, which the averages do not scale: before each step,
///
///     data -= learnRate weightDecay data
///
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, as PyTorch has it.
public final class AdamW: Adam {
  /// - Throws: as ``Adam`` does.
  public convenience init(
    learnRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01
  ) throws {
    try self.init(learnRate, beta1, beta2, epsilon, weightDecay, isDecoupled: true)
  }
}
