// Instance normalisation in plain Swift on blocks of float64, in two passes over each band of planes: the first merges
// moments, the second, while the planes are still in cache, normalises. Backward likewise: sums, then dx.
//
// It is the path of float64, of planes too extreme for float32 arithmetic and of processors without kernels, and what
// the kernels are tested against.

/// Forward.
struct PlainNorm {
  let call: NormCall

  init(_ call: NormCall) {
    self.call = call
  }

  /// How many float64 values of scratch a band needs.
  static func scratch(width: Int = bandWidth) -> Int { 2 * width * blockPitch }

  /// Normalises the planes of a band.
  ///
  /// - Parameters:
  ///   - block: room for ``scratch(width:)`` values.
  ///   - target: where y goes, if not to the call's output.
  func run(_ band: Band, block: UnsafeMutablePointer<Double>, into target: Run? = nil) {
    let planes = call.planes
    let source = Run(call.input, planes.dtype, band, stride: planes.stride)
    let target = target ?? Run(call.output, planes.dtype, band, stride: planes.stride)
    let residual = call.residual.map { Run($0, planes.dtype, band, stride: planes.stride) }
    let added = block + band.width * blockPitch
    withStandardizations(of: source, planes.size, epsilon: call.epsilon, block: block) { standardizations in
      for start in stride(from: 0, to: planes.size, by: blockLength) {
        let count = min(blockLength, planes.size - start)
        source.load(start, count, into: block)
        residual?.load(start, count, into: added)
        for run in 0..<band.width {
          let values = block + run * blockPitch
          normalize(
            values, count, standardizations[run], scale: call.scale[band.firstMap + run],
            bias: call.bias[band.firstMap + run])
          finish(values, count, residual: residual == nil ? nil : added + run * blockPitch)
        }
        target.store(start, count, from: block)
      }
      for run in 0..<band.width {
        call.mean?[band.firstPlane + run] = standardizations[run].mean
        call.invStd?[band.firstPlane + run] = standardizations[run].invStd
      }
    }
  }

  private func finish(_ values: UnsafeMutablePointer<Double>, _ count: Int, residual: UnsafePointer<Double>?) {
    if let residual, call.place == .beforeActivation {
      for i in 0..<count { values[i] += residual[i] }
    }
    switch call.activation {
    case .none: break
    case .relu: for i in 0..<count { values[i] = values[i] < 0 ? 0 : values[i] }
    case .leakyReLU(let slope): for i in 0..<count { values[i] = values[i] < 0 ? values[i] * slope : values[i] }
    }
    if let residual, call.place == .afterActivation {
      for i in 0..<count { values[i] += residual[i] }
    }
  }
}

/// Backward.
struct PlainNormGradient {
  let call: NormGradientCall

  init(_ call: NormGradientCall) {
    self.call = call
  }

  static func scratch(width: Int = bandWidth) -> Int { 3 * width * blockPitch }

  /// The sums of the planes of a band and, if asked for, dx and dn.
  ///
  /// - Parameters:
  ///   - block: room for ``scratch(width:)`` values.
  ///   - target: where dx goes, if not to the call's own.
  ///   - residualTarget: where dn goes, likewise.
  func run(
    _ band: Band, block dyBlock: UnsafeMutablePointer<Double>, into target: Run? = nil,
    residualInto residualTarget: Run? = nil
  ) {
    let planes = call.planes
    let dy = Run(call.gradient, planes.dtype, band, stride: planes.stride)
    let x = Run(call.input, planes.dtype, band, stride: planes.stride)
    let residual = call.readsResidual ? call.residual.map { Run($0, planes.dtype, band, stride: planes.stride) } : nil
    let xBlock = dyBlock + band.width * blockPitch
    let residualBlock = xBlock + band.width * blockPitch

    /// Reads a block of dy as dn, and of x as xhat.
    func load(_ start: Int, _ count: Int) {
      dy.load(start, count, into: dyBlock)
      x.load(start, count, into: xBlock)
      residual?.load(start, count, into: residualBlock)
      for run in 0..<band.width {
        let (plane, map) = (band.firstPlane + run, band.firstMap + run)
        let xhat = xBlock + run * blockPitch
        normalize(
          xhat, count, Standardization(mean: call.mean[plane], invStd: call.invStd[plane]), scale: 1, bias: 0)
        if call.activation == .none { continue }
        let (dn, added) = (dyBlock + run * blockPitch, residualBlock + run * blockPitch)
        let (scale, bias, slope) = (call.scale[map], call.bias[map], call.activation.negativeSlope)
        for i in 0..<count {
          let n = xhat[i] * scale + bias + (residual == nil ? 0 : added[i])
          // Not a product for ReLU, which would keep NaN.
          if !(n > 0) { dn[i] = slope == 0 ? 0 : dn[i] * slope }
        }
      }
    }

    let depth = reductionDepth(planes.size)
    withUnsafeTemporaryAllocation(of: GradientSums.self, capacity: depth * band.width) { levels in
      guard let pieces = levels.baseAddress else { return }
      pieces.initialize(repeating: GradientSums(), count: levels.count)
      reduce(0, planes.size, width: band.width, into: pieces) { start, count, results in
        load(start, count)
        for run in 0..<band.width {
          results[run] = GradientSums(gradient: dyBlock + run * blockPitch, xhat: xBlock + run * blockPitch, count)
        }
      }
      for run in 0..<band.width {
        call.sums[band.firstPlane + run] = pieces[run].gradient
        call.sums[planes.count + band.firstPlane + run] = pieces[run].product
      }
    }

    guard let inputGradient = call.inputGradient else { return }
    let dx = target ?? Run(inputGradient, planes.dtype, band, stride: planes.stride)
    let dn = residualTarget ?? call.residualGradient.map { Run($0, planes.dtype, band, stride: planes.stride) }
    let size = Double(planes.size)
    for start in stride(from: 0, to: planes.size, by: blockLength) {
      let count = min(blockLength, planes.size - start)
      load(start, count)
      for run in 0..<band.width {
        let plane = band.firstPlane + run
        let gain = call.scale[band.firstMap + run] * call.invStd[plane]
        let meanOfGradient = call.sums[plane] / size
        let meanOfProduct = call.sums[planes.count + plane] / size
        let (values, xhat) = (dyBlock + run * blockPitch, xBlock + run * blockPitch)
        for i in 0..<count { xhat[i] = gain * (values[i] - meanOfGradient - xhat[i] * meanOfProduct) }
      }
      dn?.store(start, count, from: dyBlock)
      dx.store(start, count, from: xBlock)
    }
  }
}

/// The two sums over a plane that its gradient needs.
private struct GradientSums: Mergeable {
  /// Of dn.
  var gradient = 0.0
  /// Of dn xhat.
  var product = 0.0

  init() {}

  init(gradient dn: UnsafePointer<Double>, xhat: UnsafePointer<Double>, _ count: Int) {
    var gradients = Lanes.zero
    var products = Lanes.zero
    forEachVectorPair(dn, xhat, count) { dn, xhat in
      gradients += dn
      products += dn * xhat
    }
    gradient = laneTotal(gradients)
    product = laneTotal(products)
  }

  mutating func merge(_ other: GradientSums) {
    gradient += other.gradient
    product += other.product
  }
}

/// `values = scale xhat + bias`, in place.
@inline(__always)
private func normalize(
  _ values: UnsafeMutablePointer<Double>, _ count: Int, _ standardization: Standardization, scale: Double, bias: Double
) {
  let (shift, gain) = (standardization.shift, standardization.gain)
  if standardization.prescale != 1 {
    for i in 0..<count { values[i] *= standardization.prescale }
  }
  for i in 0..<count { values[i] = (values[i] - shift) * gain * scale + bias }
}

/// Calls `body` with the standardizations of the planes of a band, from their moments.
private func withStandardizations(
  of source: Run, _ planeSize: Int, epsilon: Double, block: UnsafeMutablePointer<Double>,
  _ body: (UnsafeMutablePointer<Standardization>) -> Void
) {
  let width = source.width
  withUnsafeTemporaryAllocation(of: Moments.self, capacity: reductionDepth(planeSize) * width) { levels in
    withUnsafeTemporaryAllocation(of: Standardization.self, capacity: width) { buffer in
      guard let moments = levels.baseAddress, let standardizations = buffer.baseAddress else { return }
      moments.initialize(repeating: Moments(), count: levels.count)
      planeMoments(of: source, planeSize, block: block, into: moments)
      for run in 0..<width {
        standardizations[run] = Standardization(moments[run], epsilon: epsilon, prescale: 1)
      }
      if source.dtype == .float64 {
        for run in 0..<width where Standardization.leftRange(moments[run], epsilon: epsilon) {
          // Rare: one plane at a time, by the same walk with the values brought into range.
          let magnitude = largestMagnitude(in: source, run, planeSize, block: block)
          let prescale = Standardization.prescale(magnitude: magnitude)
          withUnsafeTemporaryAllocation(of: Moments.self, capacity: levels.count) { again in
            guard let again = again.baseAddress else { return }
            again.initialize(repeating: Moments(), count: levels.count)
            planeMoments(of: source, planeSize, prescale: prescale, block: block, into: again)
            standardizations[run] = Standardization(again[run], epsilon: epsilon, prescale: prescale)
          }
        }
      }
      body(standardizations)
    }
  }
}

/// The moments of each plane of a band, its values times `prescale`.
private func planeMoments(
  of source: Run, _ planeSize: Int, prescale: Double = 1, block: UnsafeMutablePointer<Double>,
  into moments: UnsafeMutablePointer<Moments>
) {
  reduce(0, planeSize, width: source.width, into: moments) { start, count, results in
    source.load(start, count, into: block)
    for run in 0..<source.width {
      let values = block + run * blockPitch
      if prescale != 1 {
        for i in 0..<count { values[i] *= prescale }
      }
      results[run] = Moments(of: UnsafeBufferPointer(start: values, count: count))
    }
  }
}

private func largestMagnitude(
  in source: Run, _ run: Int, _ planeSize: Int, block: UnsafeMutablePointer<Double>
) -> Double {
  var largest = 0.0
  for start in stride(from: 0, to: planeSize, by: blockLength) {
    let count = min(blockLength, planeSize - start)
    source.load(start, count, into: block)
    let values = block + run * blockPitch
    for i in 0..<count {
      // With such a value the plane is NaN, whatever it is scaled by.
      guard values[i].isFinite else { return values[i].magnitude }
      largest = max(largest, values[i].magnitude)
    }
  }
  return largest
}
