import Calls
import Tensors

/// Normalisation by statistics that a step before has taken.
struct NormalizeByStatistics: WritingOperation {
  var normalize: Normalize
  /// (N, C), float64.
  var mean: Tensor
  var invStd: Tensor

  var runsInPlace: Bool { true }

  func form() throws -> TensorForm { try normalize.form() }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try normalize.forEachOperand(body)
    try body(&mean)
    try body(&invStd)
  }

  mutating func run(into result: inout Tensor) throws {
    let attributes = normalize.attributes
    defer { withExtendedLifetime((self, result)) {} }
    try NormCall(
      planes: Planes(normalize.input), input: normalize.input.storage.address, output: result.storage.address,
      scale: ParameterValues(normalize.scale, absent: 1), bias: ParameterValues(normalize.bias, absent: 0),
      epsilon: attributes.epsilon, activation: attributes.activation,
      residual: normalize.residual?.storage.address, place: attributes.place, sharing: nil, mean: mean.doubles,
      invStd: invStd.doubles
    ).run(on: result.storage.backend)
  }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    throw PlanError.noGradient
  }
}
