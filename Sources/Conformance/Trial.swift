import InstanceNorm

/// A layer and its data, to be run on a device and, as the reference, on the CPU in float64.
struct Trial {
  let name: String
  /// (N, C, H, W), float64; rounded to each type that is tried.
  let x: Tensor
  /// Seeds all other numbers that are drawn.
  var seed: UInt64 = 1
  var layer: (_ maps: Int) throws -> Normalization = { try InstanceNorm2D(numOfMaps: $0) }
  /// Gives a layer, once it is on the device, what it needs before its call: a style.
  var prepare: (_ norm: Normalization, _ device: Device) throws -> Void = { _, _ in }
  /// Of the shape of `x`.
  var residual: Tensor?
  /// The normal distribution from which scales are drawn; that of biases has mean 0 and the same deviation.
  var parameters = (scaleMean: 0.0, deviation: 2.0)
  var types = DType.allCases
  var layouts = Layout.allCases

  /// Runs the layer in every type that the device computes in, and in every layout.
  func run(on device: Device, _ tally: inout Tally) {
    for dtype in types where device.supportedTypes.contains(dtype) {
      do {
        let reference = try outcome(dtype, computingIn: .float64, .nchw, on: .cpu)
        for layout in layouts {
          tally.check("\(name), \(dtype), \(layout)") {
            let found = try outcome(dtype, computingIn: dtype, layout, on: device)
            return try Allowance(for: self, dtype, reference).fraction(of: found)
          }
        }
      } catch {
        tally.check("\(name), \(dtype), the reference") { throw error }
      }
    }
  }

  /// The gradient that goes backward.
  func gradient(_ dtype: DType) throws -> Tensor {
    try .randomNormal(x.shape, seed: seed + 77, dtype: .float64).to(dtype)
  }

  /// The layer with its parameters, computing in a type.
  func made(_ dtype: DType, on device: Device) throws -> Normalization {
    let norm = try layer(x.shape[1])
    try norm.calcMode(dtype)
    for (index, name) in ["scale", "bias"].enumerated() {
      guard let variable = norm.vars[name] else { continue }
      variable.data = try .randomNormal(
        variable.data.shape, mean: index == 0 ? parameters.scaleMean : 0, deviation: parameters.deviation,
        seed: seed + UInt64(index)
      ).to(dtype.parameterDType)
    }
    try norm.to(device)
    try prepare(norm, device)
    return norm
  }

  /// What the layer makes of the data when that is rounded to one type and computed with in another.
  func outcome(_ dtype: DType, computingIn calcType: DType, _ layout: Layout, on device: Device) throws -> Outcome {
    func placed(_ tensor: Tensor) throws -> Tensor { try tensor.to(dtype).placed(calcType, layout, device) }
    return try Outcome(
      of: made(calcType, on: device), placed(x), residual: residual.map(placed), gradient: placed(gradient(dtype)))
  }
}

/// What a layer made of its data, row by row.
struct Outcome: Equatable {
  let y: [Double]
  let mean: [Double]
  let invStd: [Double]
  let dx: [Double]
  let residualGrad: [Double]
  let scaleGrad: [Double]
  let biasGrad: [Double]

  init(of norm: Normalization, _ x: Tensor, residual: Tensor?, gradient: Tensor) throws {
    func values(_ tensor: Tensor?) throws -> [Double] { try tensor?.array(of: Double.self) ?? [] }
    y = try values(residual.map { try norm(x, residual: $0) } ?? norm(x))
    (mean, invStd) = (try values(norm.saveMean), try values(norm.saveInvVar))
    dx = try values(norm.backward(gradient))
    residualGrad = try values(norm.grads.dropFirst().first ?? nil)
    (scaleGrad, biasGrad) = (try values(norm.scale?.grad), try values(norm.bias?.grad))
  }
}
