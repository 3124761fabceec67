import CPUKernels
import Calls
import Tensors

/// A convolution with what a plan found around it: see `FusedConvolutionCall`.
struct FusedConvolution: WritingOperation {
  /// What is convolved, before it is normalised, activated and padded.
  var input: Tensor
  var weights: Tensor
  var bias: Tensor?
  /// After padding: `top` and `left` are 0.
  var geometry: ConvolutionGeometry
  /// For each row and column that is convolved, the input's; -1 for zeros.
  var rows: [Int32]
  var columns: [Int32]
  var normalization: NormalizeByStatistics?
  var activation = Activation.none
  var resultActivation = Activation.none
  var statistics: Statistics?
  let isExact: Bool
  /// nil for weights that are other ones in each run.
  let packed: ConvolutionWeights?

  /// Of the result, which it leaves.
  struct Statistics {
    var mean: Tensor
    var invStd: Tensor
    var epsilon: Double
  }

  func form() -> TensorForm { TensorForm(geometry.outputShape, input.dtype, input.layout) }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&input)
    try body(&weights)
    if bias != nil { try body(&bias!) }
    if normalization != nil {
      if normalization!.normalize.scale != nil { try body(&normalization!.normalize.scale!) }
      if normalization!.normalize.bias != nil { try body(&normalization!.normalize.bias!) }
      try body(&normalization!.mean)
      try body(&normalization!.invStd)
    }
    if statistics != nil {
      try body(&statistics!.mean)
      try body(&statistics!.invStd)
    }
  }

  mutating func run(into result: inout Tensor) throws {
    guard let cpu = result.storage.backend as? CPUBackend, result.count > 0 else { return }
    defer { withExtendedLifetime((self, result)) {} }
    func operand(_ tensor: Tensor) -> ConvolutionCall.Operand {
      .init(tensor.storage.address, tensor.dtype, tensor.layout)
    }
    try cpu.run(
      FusedConvolutionCall(
        geometry: geometry,
        picture: .init(operand(input), height: input.shape[2], width: input.shape[3]), rows: rows, columns: columns,
        normalization: normalization.map {
          .init(
            mean: $0.mean.doubles, invStd: $0.invStd.doubles, scale: ParameterValues($0.normalize.scale, absent: 1),
            bias: ParameterValues($0.normalize.bias, absent: 0), epsilon: $0.normalize.attributes.epsilon)
        }, activation: activation, weights: operand(weights), bias: bias?.storage.address, result: operand(result),
        resultActivation: resultActivation,
        statistics: statistics.map { .init(mean: $0.mean.doubles, invStd: $0.invStd.doubles, epsilon: $0.epsilon) },
        isExact: isExact), packed)
  }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    throw PlanError.noGradient
  }
}
