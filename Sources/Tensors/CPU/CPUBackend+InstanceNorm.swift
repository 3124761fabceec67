// Instance normalisation in two passes over each band of planes: the first merges moments, the second, while the
// planes are still in cache, normalises. Backward likewise: sums, then dx.

extension CPUBackend {
  public func instanceNorm(
    _ input: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Double,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    let bands = Bands(input)
    let shares = Parallel.shareCount(items: bands.count, values: input.count, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: bandWidth * blockPitch)
    let address = scratch.address
    let means = mean.storage.address.assumingMemoryBound(to: Double.self)
    let invStds = invStd.storage.address.assumingMemoryBound(to: Double.self)
    let parameters = Parameters(scale: scale, bias: bias)
    let (x, y) = (input, output)

    Parallel.run(items: bands.count, shares: shares) { share, items in
      let block = address.doubles(share: share)
      for index in items {
        let band = bands[index]
        let source = Run(x, band, stride: bands.stride)
        let target = Run(y, band, stride: bands.stride)
        withStandardizations(of: source, bands.planeSize, epsilon: epsilon, block: block) { standardizations in
          for start in stride(from: 0, to: bands.planeSize, by: blockLength) {
            let count = min(blockLength, bands.planeSize - start)
            source.load(start, count, into: block)
            for run in 0..<band.width {
              normalize(
                block + run * blockPitch, count, standardizations[run],
                scale: parameters.scale(band.firstMap + run), bias: parameters.bias(band.firstMap + run))
            }
            target.store(start, count, from: block)
          }
          for run in 0..<band.width {
            means[band.firstPlane + run] = standardizations[run].mean
            invStds[band.firstPlane + run] = standardizations[run].invStd
          }
        }
      }
    }
  }

  public func instanceNormSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, sums: inout Tensor
  ) throws {
    try backward(gradient, input: input, mean: mean, invStd: invStd, scale: nil, sums: sums, inputGradient: nil)
  }

  public func instanceNormGradient(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?,
    sums: inout Tensor, into inputGradient: inout Tensor
  ) throws {
    try backward(
      gradient, input: input, mean: mean, invStd: invStd, scale: scale, sums: sums, inputGradient: inputGradient)
  }

  /// Writes to the memory of `sums` and `inputGradient`, which the callers hold alone.
  private func backward(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?,
    sums: Tensor, inputGradient: Tensor?
  ) throws {
    let bands = Bands(input)
    let shares = Parallel.shareCount(items: bands.count, values: input.count, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: 2 * bandWidth * blockPitch)
    let address = scratch.address
    let means = mean.storage.address.assumingMemoryBound(to: Double.self)
    let invStds = invStd.storage.address.assumingMemoryBound(to: Double.self)
    let sumsOfGradient = sums.storage.address.assumingMemoryBound(to: Double.self)
    let sumsOfProduct = sumsOfGradient + mean.count
    let parameters = Parameters(scale: scale, bias: nil)

    Parallel.run(items: bands.count, shares: shares) { share, items in
      let dyBlock = address.doubles(share: share)
      let xBlock = dyBlock + bandWidth * blockPitch
      for index in items {
        let band = bands[index]
        let dy = Run(gradient, band, stride: bands.stride)
        let x = Run(input, band, stride: bands.stride)

        /// Reads a block of dy, and of x as xhat.
        func load(_ start: Int, _ count: Int) {
          dy.load(start, count, into: dyBlock)
          x.load(start, count, into: xBlock)
          for run in 0..<band.width {
            let plane = band.firstPlane + run
            normalize(
              xBlock + run * blockPitch, count, Standardization(mean: means[plane], invStd: invStds[plane]),
              scale: 1, bias: 0)
          }
        }

        let depth = reductionDepth(bands.planeSize)
        withUnsafeTemporaryAllocation(of: GradientSums.self, capacity: depth * band.width) { levels in
          guard let pieces = levels.baseAddress else { return }
          pieces.initialize(repeating: GradientSums(), count: levels.count)
          reduce(0, bands.planeSize, width: band.width, into: pieces) { start, count, results in
            load(start, count)
            for run in 0..<band.width {
              results[run] = GradientSums(
                gradient: dyBlock + run * blockPitch, xhat: xBlock + run * blockPitch, count)
            }
          }
          for run in 0..<band.width {
            sumsOfGradient[band.firstPlane + run] = pieces[run].gradient
            sumsOfProduct[band.firstPlane + run] = pieces[run].product
          }
        }

        guard let inputGradient else { continue }
        let dx = Run(inputGradient, band, stride: bands.stride)
        let size = Double(bands.planeSize)
        for start in stride(from: 0, to: bands.planeSize, by: blockLength) {
          let count = min(blockLength, bands.planeSize - start)
          load(start, count)
          for run in 0..<band.width {
            let plane = band.firstPlane + run
            let gain = parameters.scale(band.firstMap + run) * invStds[plane]
            let meanOfGradient = sumsOfGradient[plane] / size
            let meanOfProduct = sumsOfProduct[plane] / size
            let (values, xhat) = (dyBlock + run * blockPitch, xBlock + run * blockPitch)
            for i in 0..<count {
              values[i] = gain * (values[i] - meanOfGradient - xhat[i] * meanOfProduct)
            }
          }
          dx.store(start, count, from: dyBlock)
        }
      }
    }
  }

  public func accumulate(
    _ alpha: Double, _ sums: Tensor, row: Int, _ beta: Double, _ target: inout Tensor
  ) throws {
    let (images, maps) = (sums.shape[1], sums.shape[2])
    let values = UnsafePointer(sums.storage.address.assumingMemoryBound(to: Double.self)) + row * images * maps
    let destination = Run(flat: target)
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * blockPitch)
    let block = scratch.address.doubles(share: 0)
    let old = block + blockPitch
    for start in stride(from: 0, to: maps, by: blockLength) {
      let count = min(blockLength, maps - start)
      for i in 0..<count {
        var total = 0.0
        for image in 0..<images { total += values[image * maps + start + i] }
        block[i] = alpha * total
      }
      if beta != 0 {
        destination.load(start, count, into: old)
        for i in 0..<count { block[i] += beta * old[i] }
      }
      destination.store(start, count, from: block)
    }
  }
}

/// Scale and bias by map, 1 and 0 where there are none.
private struct Parameters {
  private let scales: Run?
  private let biases: Run?

  init(scale: Tensor?, bias: Tensor?) {
    scales = scale.map { Run(flat: $0) }
    biases = bias.map { Run(flat: $0) }
  }

  func scale(_ map: Int) -> Double { Self.value(scales, map) ?? 1 }
  func bias(_ map: Int) -> Double { Self.value(biases, map) ?? 0 }

  private static func value(_ run: Run?, _ map: Int) -> Double? {
    guard let run else { return nil }
    var value = 0.0
    run.load(map, 1, into: &value)
    return value
  }
}

/// The two sums over a plane that its gradient needs.
private struct GradientSums: Mergeable {
  /// Of dy.
  var gradient = 0.0
  /// Of dy xhat.
  var product = 0.0

  init() {}

  init(gradient dy: UnsafePointer<Double>, xhat: UnsafePointer<Double>, _ count: Int) {
    var gradients = Lanes.zero
    var products = Lanes.zero
    forEachVectorPair(dy, xhat, count) { dy, xhat in
      gradients += dy
      products += dy * xhat
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
