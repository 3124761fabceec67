import Calls
import Tensors

/// A normalisation written in plain operations, which have gradients of every order.
///
/// It takes several passes over memory where ``Normalize`` takes one, in the type of the parameters: what gradients of
/// gradients are made of, and nothing else.
struct NormalizationFormula {
  private let call: Normalize
  /// What it computes in.
  let dtype: DType
  /// x with its planes in the sets that share their moments, and the axes that a set has.
  private let shape: Shape
  private let grouped: Shape
  private let axes: [Int]
  /// (x - mean) invStd, of x's shape, maps first.
  let xhat: Tensor
  /// Of the grouped shape but for extents of 1.
  private let invStd: Tensor

  init(_ call: Normalize) throws {
    self.call = call
    let input = call.input
    dtype = input.dtype.parameterDType
    shape = input.shape
    let rank = shape.rank
    let places = Array(2..<rank)
    switch call.attributes.sharing {
    case .instance, nil: (grouped, axes) = (shape, places)
    case .layer: (grouped, axes) = (shape, [1] + places)
    case .batch: (grouped, axes) = (shape, [0] + places)
    case .group(let groups):
      grouped = Shape([shape[0], groups, shape[1] / groups] + shape.dropFirst(2))
      axes = Array(2...rank)
    }
    let x = try input.to(dtype).to(.nchw).reshaped(to: grouped)
    if call.attributes.sharing == nil, let statistics = call.statistics {
      let planes = Shape(shape.prefix(2) + places.map { _ in 1 })
      invStd = try statistics.invStd.to(dtype).reshaped(to: planes)
      xhat = try (x - statistics.mean.to(dtype).reshaped(to: planes)) * invStd
    } else {
      let deviation = try x - x.mean(over: axes, keepingAxes: true)
      let variance = try deviation.square().mean(over: axes, keepingAxes: true)
      invStd = try 1 / (variance + call.attributes.epsilon).squareRoot()
      xhat = try (deviation * invStd).reshaped(to: shape)
    }
  }

  /// n before a residual and the activation, of x's form.
  private func n() throws -> Tensor {
    var n = xhat
    if let scale = call.scale { n = try n * scale }
    if let bias = call.bias { n = try n + bias }
    return try n.to(call.input.dtype).to(call.input.layout)
  }

  /// dn: a gradient by y times the activation's slope, which is a constant but for jumps.
  func masked(_ gradient: Tensor) throws -> Tensor {
    if call.attributes.activation == .none { return gradient }
    var n = try n()
    if let residual = call.residual, call.attributes.place == .beforeActivation { n = try n + residual }
    return try Binary(.gate(slope: call.attributes.activation.negativeSlope), gradient, n.stopGradient()).result()
  }

  /// dx, of x's form.
  func inputGradient(_ gradient: Tensor) throws -> Tensor {
    var scaled = try masked(gradient).to(dtype).to(.nchw)
    if let scale = call.scale { scaled = try scaled * scale }
    scaled = try scaled.reshaped(to: grouped)
    var dx = scaled
    if call.attributes.sharing != nil {
      let normal = try xhat.reshaped(to: grouped)
      let product = try (scaled * normal).mean(over: axes, keepingAxes: true)
      dx = try scaled - scaled.mean(over: axes, keepingAxes: true) - normal * product
    }
    return try (invStd * dx).reshaped(to: shape).to(call.input.dtype).to(call.input.layout)
  }

  /// Terms of x's shape summed to a scale's or bias'.
  func sum(_ terms: Tensor, like parameter: Tensor) throws -> Tensor {
    switch parameter.shape.rank {
    case 1: try terms.sum(over: [0] + Array(2..<terms.shape.rank))
    case 2: try terms.sum(over: Array(2..<terms.shape.rank))
    default: try terms.to(.nchw).sum(over: [0])
    }
  }
}
