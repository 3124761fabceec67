import InstanceNorm

/// How far the library's contract allows a device to be off:
///
///     |y - ref|  <= 1e-6 (|scale| max(1, |xhat|) + |bias| + |residual|)
///     |dx - ref| <= 4e-6 |scale| max|dy| invStd max(1, |xhat|)
///
/// where |scale| max|dy| is the largest among the planes that share. Half-width types may be off by one in the last
/// place on top of that. In float64 the factors are 1e-8 as large, and what rounding the mean costs is added.
struct Allowance {
  private let reference: Outcome
  private let dtype: DType
  private let x: [Double]
  private let residual: [Double]
  private let maps: Int
  private let planeSize: Int
  private let sharing: MomentSharing
  /// The largest |scale| and |bias| of each map.
  private let scale: [Double]
  private let bias: [Double]
  /// The largest magnitude of dy in each plane.
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

  /// The largest magnitude for each map of a variable (C), (S, C) or (C, H, W).
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
      // Infinity is right where even the true value is beyond the type.
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
    // The gradients of parameters are sums: how many terms each has, times the largest that one can be.
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

  /// The set to which a plane belongs; planes of one set share their moments.
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

  /// How far rounding may move a value: by one in the last place of a half-width type, and by the smallest number.
  private func lastPlace(_ value: Double) -> Double {
    switch dtype {
    case .float16: max(value.binade.magnitude * 0x1p-10, 0x1p-24)
    case .bfloat16: max(value.binade.magnitude * 0x1p-7, 0x1p-133)
    case .float32: 0x1p-149
    case .float64: 0x1p-1074
    }
  }
}
