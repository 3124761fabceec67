import Tensors

/// A function that a layer applies to each value of its result.
public enum Activation: Hashable, Sendable {
  case none
  /// max(n, 0). NaN stays NaN, and the slope at 0 is 0.
  case relu
  /// n above 0, `slope` n below and at 0; with a slope of 0 it is ReLU.
  case leakyReLU(slope: Double = 0.01)

  /// The same with the slope that the kernels have, where these are for a type: so that a layer and an activation after
  /// it give the same together and apart.
  package func rounded(for dtype: DType) -> Activation {
    if case .leakyReLU(let slope) = self, dtype != .float64 { return .leakyReLU(slope: Double(Float(slope))) }
    return self
  }

  /// What n below 0 is multiplied by.
  package var negativeSlope: Double {
    switch self {
    case .none: 1
    case .relu: 0
    case .leakyReLU(let slope): slope
    }
  }

  // The two formulas as every kernel has them, with a comparison that NaN fails, and so stays.

  /// The function's value.
  package func callAsFunction(_ n: Double) -> Double {
    // -0 becomes 0 with ReLU: so what is rounded before comes to the same as what is rounded after.
    n <= 0 ? Self.leak(n, negativeSlope) : n
  }

  /// dy times the function's slope at n.
  package func gradient(_ dy: Double, at n: Double) -> Double {
    n > 0 ? dy : Self.leak(dy, negativeSlope)
  }

  /// Not a product where the slope is 0, which would keep NaN.
  private static func leak(_ value: Double, _ slope: Double) -> Double { slope == 0 ? 0 : value * slope }
}

/// Where in a layer the residual is added.
public enum ResidualPlace: String, CaseIterable, Hashable, Sendable {
  /// y = activation(n + residual).
  case beforeActivation
  /// y = activation(n) + residual.
  case afterActivation
}
