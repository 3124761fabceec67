import InstanceNorm

/// A layer on some data: run on a device, and on the CPU in float64 as the reference.
struct Trial {
  let name: String
  /// (N, C, H, W), float64; rounded to the type that is tried.
  let x: Tensor
  /// Seeds of what else is drawn.
  var seed: UInt64 = 1
  var layer: (_ maps: Int) throws -> Normalization = { try InstanceNorm2D(numOfMaps: $0) }
  /// What a layer needs before its call: a style. It is to be brought to the device.
  var prepare: (_ norm: Normalization, _ device: Device) throws -> Void = { _, _ in }
  /// Shaped as x.
  var residual: Tensor?
  /// Of which scales and biases are drawn.
  var parameters = (scaleMean: 0.0, deviation: 2.0)
  var types = DType.allCases
  var layouts = Layout.allCases

  /// Runs it in every type that the device computes in, and every layout.
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
  fileprivate func gradient(_ dtype: DType) throws -> Tensor {
    try .randomNormal(x.shape, seed: seed + 77, dtype: .float64).to(dtype)
  }

  fileprivate func made(_ dtype: DType, on device: Device) throws -> Normalization {
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

  func outcome(_ dtype: DType, computingIn wide: DType, _ layout: Layout, on device: Device) throws -> Outcome {
    func placed(_ tensor: Tensor) throws -> Tensor { try tensor.to(dtype).to(wide).to(layout).to(device) }
    return try Outcome(
      of: made(wide, on: device), placed(x), residual: residual.map(placed), gradient: placed(gradient(dtype)))
  }
}

/// What a layer made of some data, row by row.
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
    residualGrad = try values(norm.residualGrad)
    (scaleGrad, biasGrad) = (try values(norm.scale?.grad), try values(norm.bias?.grad))
  }
}

/// What the library's contract allows a device to differ by:
///
///     |y - ref|  <= 1e-6 (|scale| max(1, |xhat|) + |bias| + |residual|)
///     |dx - ref| <= 4e-6 |scale| max|dy| invStd max(1, |xhat|)
///
/// |scale| max|dy| being the largest among planes that share. Half-width types may be off by one in the last place
/// besides. float64 is allowed 1e-8 of it, and what rounding a mean costs there.
private struct Allowance {
  private let reference: Outcome
  private let dtype: DType
  private let x: [Double]
  private let residual: [Double]
  private let maps: Int
  private let planeSize: Int
  private let sharing: MomentSharing
  /// |scale| and |bias| of each map, at most.
  private let scale: [Double]
  private let bias: [Double]
  /// Of dy, the largest magnitude in each plane.
  private let gradient: [Double]

  init(for trial: Trial, _ dtype: DType, _ reference: Outcome) throws {
    self.reference = reference
    self.dtype = dtype
    x = try trial.x.to(dtype).array(of: Double.self)
    residual = try trial.residual?.to(dtype).array(of: Double.self) ?? []
    maps = trial.x.shape[1]
    planeSize = trial.x.shape[2] * trial.x.shape[3]
    let norm = try trial.made(.float64, on: .cpu)
    sharing = norm.sharing
    if let style = (norm as? AdaptiveInstanceNorm2D)?.style {
      let summaries = try style.planeSummaries()
      scale = summaries.map { ($0.moments.variance + norm.epsilon).squareRoot() }
      bias = summaries.map { abs($0.moments.mean) }
    } else {
      scale = try Self.largest(norm.scale, maps: maps) ?? Array(repeating: 1, count: maps)
      bias = try Self.largest(norm.bias, maps: maps) ?? Array(repeating: 0, count: maps)
    }
    let dy = try trial.gradient(dtype).array(of: Double.self)
    gradient = stride(from: 0, to: dy.count, by: planeSize).map { [planeSize] start in
      dy[start..<start + planeSize].reduce(0) { max($0, abs($1)) }
    }
  }

  /// Of a variable (C), (S, C) or (C, H, W), the largest magnitude for each map.
  private static func largest(_ variable: Variable?, maps: Int) throws -> [Double]? {
    guard let data = variable?.data else { return nil }
    let inner = data.shape.rank == 3 ? data.count / maps : 1
    return try data.array(of: Double.self).enumerated().reduce(into: Array(repeating: 0, count: maps)) {
      let map = $1.offset / inner % maps
      $0[map] = max($0[map], abs($1.element))
    }
  }

  /// The largest of a device's errors, as a fraction of what is allowed.
  func fraction(of found: Outcome) -> Double {
    let unit = dtype == .float64 ? 1e-14 : 1e-6
    var worst = 0.0
    func note(_ value: Double, _ expected: Double, _ allowed: Double) {
      // Where even the true value is beyond the type, infinity is right.
      if value == expected || value == rounded(expected) { return }
      let error = abs(value - expected) / allowed
      worst = error <= worst ? worst : error.isNaN ? .infinity : error
    }
    guard
      [found.y.count, found.dx.count, found.mean.count, found.scaleGrad.count, found.residualGrad.count]
        == [
          reference.y.count, reference.dx.count, reference.mean.count, reference.scaleGrad.count,
          reference.residualGrad.count,
        ]
    else { return .infinity }

    let sharedGradients = gradient.indices.reduce(into: [Int: Double]()) {
      $0[set(of: $1)] = max($0[set(of: $1)] ?? 0, scale[$1 % maps] * gradient[$1])
    }
    for plane in gradient.indices {
      let (mean, invStd, map) = (reference.mean[plane], reference.invStd[plane], plane % maps)
      // In float64 the mean's own last place counts.
      let extra = dtype == .float64 ? 1 + abs(mean) * invStd : 1
      note(found.mean[plane], mean, unit * extra / invStd + 4 * mean.ulp)
      note(found.invStd[plane], invStd, unit * extra * invStd)
      let dyScale = sharedGradients[set(of: plane)] ?? 0
      for index in plane * planeSize..<(plane + 1) * planeSize {
        let reach = max(1, abs(x[index] - mean) * invStd) * extra
        note(
          found.y[index], reference.y[index],
          unit * (scale[map] * reach + bias[map] + (residual.isEmpty ? 0 : abs(residual[index])))
            + lastPlace(reference.y[index]))
        note(
          found.dx[index], reference.dx[index], 4 * unit * dyScale * invStd * reach + lastPlace(reference.dx[index]))
        if !residual.isEmpty {
          note(found.residualGrad[index], reference.residualGrad[index], lastPlace(reference.residualGrad[index]))
        }
      }
    }
    // Sums of so many terms, none of them larger.
    let most = Double(gradient.count / maps * planeSize) * (gradient.max() ?? 0)
    let extra =
      dtype == .float64 ? 1 + zip(reference.mean, reference.invStd).reduce(0) { max($0, abs($1.0) * $1.1) } : 1
    for (values, expected) in [
      (found.scaleGrad, reference.scaleGrad), (found.biasGrad, reference.biasGrad),
    ] {
      for (value, expected) in zip(values, expected) { note(value, expected, 4 * unit * most * extra) }
    }
    return worst
  }

  /// Which planes share.
  private func set(of plane: Int) -> Int {
    switch sharing {
    case .instance: plane
    case .layer: plane / maps
    case .group(let groups): plane / (maps / groups)
    case .batch: plane % maps
    }
  }

  private func rounded(_ value: Double) -> Double {
    func rounded<S: Scalar>(_ type: S.Type) -> Double { S(value).double }
    return rounded(dtype.scalarType)
  }

  /// What rounding may move a value by: one in the last place of a half-width type, and the smallest number.
  private func lastPlace(_ value: Double) -> Double {
    switch dtype {
    case .float16: max(value.binade.magnitude * 0x1p-10, 0x1p-24)
    case .bfloat16: max(value.binade.magnitude * 0x1p-7, 0x1p-133)
    case .float32: 0x1p-149
    case .float64: 0x1p-1074
    }
  }
}
