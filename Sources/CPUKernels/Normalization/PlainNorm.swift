import Calls
import Tensors

// Normalisation in plain Swift on blocks of float64, in two passes over each band of planes: the first merges moments,
// the second, while the planes are still in cache, normalises. Backward likewise (PlainNormGradient): sums, then dx.
//
// It is the path of float64, of planes too extreme for float32 arithmetic, of parameters by element and of processors
// without kernels, and what the kernels are tested against.

struct PlainNorm {
  let call: NormCall

  init(_ call: NormCall) {
    var call = call
    call.activation = call.activation.rounded(for: call.planes.dtype)
    self.call = call
  }

  /// How many float64 values of scratch a band of planes of some size needs: blocks of x and of the residual, and room
  /// to merge moments in, twice.
  static func scratch(width: Int = bandWidth, size: Int) -> Int {
    width * (2 * blockPitch + 2 * reductionDepth(size) * MemoryLayout<Moments>.stride / 8)
  }

  /// Where in a block's scratch moments are merged.
  static func levels(of block: UnsafeMutablePointer<Double>, width: Int) -> UnsafeMutablePointer<Moments> {
    UnsafeMutableRawPointer(block + 2 * width * blockPitch).assumingMemoryBound(to: Moments.self)
  }

  /// Normalises the planes of a band, each by its own moments.
  ///
  /// - Parameters:
  ///   - block: room for ``scratch(width:size:)`` values.
  ///   - target: where y goes, if not to the call's output.
  func run(_ band: Band, block: UnsafeMutablePointer<Double>, into target: Run? = nil) {
    let source = Run(call.input, call.planes.dtype, band, stride: call.planes.stride)
    withStandardizations(of: source, call.planes.size, epsilon: call.epsilon, block: block) { standardizations in
      write(band, standardizations, block: block, into: target)
      for run in 0..<band.width {
        call.mean?[band.firstPlane + run] = standardizations[run].mean
        call.invStd?[band.firstPlane + run] = standardizations[run].invStd
      }
    }
  }

  /// Takes the moments of the planes of a band, of their values times `prescale`.
  func moments(
    of band: Band, prescale: Double = 1, block: UnsafeMutablePointer<Double>,
    into moments: UnsafeMutablePointer<Moments>
  ) {
    let source = Run(call.input, call.planes.dtype, band, stride: call.planes.stride)
    let pieces = Self.levels(of: block, width: band.width)
    pieces.initialize(repeating: Moments(), count: reductionDepth(call.planes.size) * band.width)
    planeMoments(of: source, call.planes.size, prescale: prescale, block: block, into: pieces)
    moments.update(from: pieces, count: band.width)
  }

  /// The largest magnitude in a plane; what is not finite, if there is such.
  func largestMagnitude(in band: Band, block: UnsafeMutablePointer<Double>) -> Double {
    let source = Run(call.input, call.planes.dtype, band, stride: call.planes.stride)
    return CPUKernels.largestMagnitude(in: source, 0, call.planes.size, block: block)
  }

  /// Normalises the planes of a band by the statistics that the call has. Parameters as
  /// ``run(_:block:into:)``.
  func normalize(_ band: Band, block: UnsafeMutablePointer<Double>, into target: Run? = nil) {
    guard let mean = call.mean, let invStd = call.invStd else { return }
    withUnsafeTemporaryAllocation(of: Standardization.self, capacity: bandWidth) { standardizations in
      guard let base = standardizations.baseAddress else { return }
      for run in 0..<band.width {
        let plane = band.firstPlane + run
        (base + run).initialize(to: Standardization(mean: mean[plane], invStd: invStd[plane]))
      }
      write(band, base, block: block, into: target)
    }
  }

  private func write(
    _ band: Band, _ standardizations: UnsafeMutablePointer<Standardization>, block: UnsafeMutablePointer<Double>,
    into target: Run?
  ) {
    let planes = call.planes
    guard let target = target ?? call.output.map({ Run($0, planes.dtype, band, stride: planes.stride) }) else { return }
    let source = Run(call.input, planes.dtype, band, stride: planes.stride)
    let residual = call.residual.map { Run($0, planes.dtype, band, stride: planes.stride) }
    let added = block + band.width * blockPitch
    for start in stride(from: 0, to: planes.size, by: blockLength) {
      let count = min(blockLength, planes.size - start)
      source.load(start, count, into: block)
      residual?.load(start, count, into: added)
      for run in 0..<band.width {
        let (values, plane, map) = (block + run * blockPitch, band.firstPlane + run, band.firstMap + run)
        standardize(
          values, count, standardizations[run], scale: call.scale.value(plane, map: map),
          bias: call.bias.value(plane, map: map))
        if call.scale.isByElement || call.bias.isByElement {
          let element = call.scale.firstElement(plane, start, planes)
          if call.scale.isByElement {
            for i in 0..<count { values[i] *= call.scale[element + i] }
          }
          if call.bias.isByElement {
            for i in 0..<count { values[i] += call.bias[element + i] }
          }
        }
        finish(values, count, residual: residual == nil ? nil : added + run * blockPitch)
      }
      target.store(start, count, from: block)
    }
  }

  /// Activation and residual. Of float32 values each step is rounded, so that together they give the bits that they
  /// give apart.
  private func finish(_ values: UnsafeMutablePointer<Double>, _ count: Int, residual: UnsafePointer<Double>?) {
    func round() {
      guard call.planes.dtype == .float32 else { return }
      for i in 0..<count { values[i] = Double(Float(values[i])) }
    }
    if let residual, call.place == .beforeActivation {
      round()
      for i in 0..<count { values[i] += residual[i] }
    }
    if call.activation != .none {
      round()
      for i in 0..<count { values[i] = call.activation(values[i]) }
    }
    if let residual, call.place == .afterActivation {
      round()
      for i in 0..<count { values[i] += residual[i] }
    }
  }
}

/// `values = scale xhat + bias`, in place.
@inline(__always)
func standardize(
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
  let moments = PlainNorm.levels(of: block, width: width)
  let levelCount = reductionDepth(planeSize) * width
  moments.initialize(repeating: Moments(), count: levelCount)
  withUnsafeTemporaryAllocation(of: Standardization.self, capacity: bandWidth) { buffer in
    guard let standardizations = buffer.baseAddress else { return }
    planeMoments(of: source, planeSize, block: block, into: moments)
    for run in 0..<width {
      (standardizations + run).initialize(to: Standardization(moments[run], epsilon: epsilon, prescale: 1))
    }
    if source.dtype == .float64 {
      for run in 0..<width where Standardization.leftRange(moments[run], epsilon: epsilon) {
        // Rare: one plane at a time, by the same walk with the values brought into range.
        let magnitude = largestMagnitude(in: source, run, planeSize, block: block)
        let prescale = Standardization.prescale(magnitude: magnitude)
        let again = moments + levelCount
        again.initialize(repeating: Moments(), count: levelCount)
        planeMoments(of: source, planeSize, prescale: prescale, block: block, into: again)
        standardizations[run] = Standardization(again[run], epsilon: epsilon, prescale: prescale)
      }
    }
    body(standardizations)
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

// MARK: - Planes that share

extension PlainNorm: NormPasses {
  /// Normalises each plane by its own moments.
  func runAlone(threads: Int) throws(TensorError) {
    let scratch = Self.scratch(size: call.planes.size)
    try Part.all(of: call.planes).forEachBand(call.planes, scratch: scratch, threads: threads) {
      run($0, block: $1)
    }
  }

  func takeMoments(of part: Part, into moments: UnsafeMutablePointer<Moments>, threads: Int) throws(TensorError) {
    try part.forEachBand(call.planes, scratch: Self.scratch(size: call.planes.size), threads: threads) {
      self.moments(of: $0, block: $1, into: moments + $0.firstPlane)
    }
  }

  func normalize(_ part: Part, threads: Int) throws(TensorError) {
    try part.forEachBand(call.planes, scratch: Self.scratch(size: call.planes.size), threads: threads) {
      normalize($0, block: $1)
    }
  }
}
