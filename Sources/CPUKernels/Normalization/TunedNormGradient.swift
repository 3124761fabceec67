import CNormKernels
import Calls
import Tensors

extension FloatAffine {
  /// What decides the forward form of a plane; nil for what only the plain way does exactly.
  fileprivate init?(_ call: NormGradientCall, _ plane: Int) {
    let map = plane % call.planes.maps
    self.init(
      mean: call.mean[plane], invStd: call.invStd[plane], scale: call.scale.value(plane, map: map),
      bias: call.bias.value(plane, map: map))
  }
}

extension FloatSlope {
  /// What decides how a plane's gradient is taken, before its sums are known.
  fileprivate init(_ call: NormGradientCall, _ plane: Int, _ affine: FloatAffine) {
    self.init(mean: call.mean[plane], shift: affine.shift, invStd: call.invStd[plane])
  }

  /// Completes a slope with the sums of a plane that shares with no other; false for what only the plain way does
  /// exactly.
  fileprivate mutating func finish(_ call: NormGradientCall, _ plane: Int, gain: Float, largest: Float) -> Bool {
    let part = 1 / Double(call.planes.size)
    let (sum, product) = (call.sums[plane], call.sums[call.planes.count + plane])
    mean = Float(sum * part)
    slope = Float(-Double(gain) * (product * part))
    return Self.fits(norm_gradient_sums(sum: sum, product: product, largest: largest), gain: gain)
  }

  /// Completes a slope with the means of a plane's set, likewise.
  fileprivate mutating func finish(
    _ call: NormGradientCall, _ plane: Int, gain: Float, largest: Float, means: SetMeans
  ) -> Bool {
    offset = Float(-call.invStd[plane] * means.gradient)
    slope = Float(-call.invStd[plane] * means.product)
    return Self.isOrdinary(gain: gain, largest: largest)
      && Self.isOrdinary(offset) && Self.isOrdinary(slope)
  }

  /// Whether sums are exact enough to make the gradient of, with every gain up to this.
  static func fits(_ sums: norm_gradient_sums, gain: Float) -> Bool {
    sums.sum.isFinite && sums.product.isFinite && isOrdinary(gain: gain, largest: sums.largest)
  }

  /// Far enough from the ends of float32's range, or nothing at all.
  private static func isOrdinary(gain: Float, largest: Float) -> Bool {
    largest == 0
      || ordinary.contains(Double(largest)) && (gain == 0 || products.contains(abs(gain) * largest))
  }

  private static func isOrdinary(_ product: Float) -> Bool { product == 0 || products.contains(abs(product)) }

  private static let products: ClosedRange<Float> = 1e-30...1e30
}

/// The gradient of ``TunedPlanes``.
struct TunedPlaneGradients {
  let call: NormGradientCall
  private let tuned: TunedForm
  private let segments: Segments

  init?(_ call: NormGradientCall, _ kernels: NormKernels?, streamed: Int) {
    guard let tuned = TunedForm(kernels, call, streamed: streamed) else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPlane(call.planes.size)
  }

  /// Takes each plane's gradient by its own sums.
  func runAlone(threads: Int) throws(TensorError) {
    let part = Part.all(of: call.planes)
    try part.forEachPlane(segments, call.planes, threads: threads) { (plane, shares) throws(TensorError) in
      guard let affine = FloatAffine(call, plane) else { return try plain(plane) { $0.run($1, block: $2) } }
      var slope = FloatSlope(call, plane, affine)
      let largest = takeSums(of: plane, affine, slope, shares: shares)
      guard slope.finish(call, plane, gain: affine.gain, largest: largest) else {
        return try plain(plane) { $0.run($1, block: $2) }
      }
      writeGradient(of: plane, affine, slope, shares: shares)
    }
  }

  /// Writes a plane's sums.
  ///
  /// - Returns: the largest |dn|.
  private func takeSums(of plane: Int, _ affine: FloatAffine, _ slope: FloatSlope, shares: Int) -> Float {
    var total = norm_gradient_sums()
    with(affine, slope) { affine, slope in
      if shares == 1 {
        for index in 0..<segments.count { total.add(sums(of: plane, segment: index, affine, slope)) }
        return
      }
      withUnsafeTemporaryAllocation(of: norm_gradient_sums.self, capacity: segments.count) { pieces in
        let pieceBase = pieces.baseAddress!
        ThreadedWork.runShared(items: segments.count, values: call.planes.size, shares: shares) { _, items in
          for index in items { pieceBase[index] = sums(of: plane, segment: index, affine, slope) }
        }
        for index in 0..<segments.count { total.add(pieceBase[index]) }
      }
    }
    call.sums[plane] = total.sum
    call.sums[call.planes.count + plane] = total.product
    return total.largest
  }

  private func sums(
    of plane: Int, segment: Int, _ affine: UnsafePointer<norm_affine>, _ slope: UnsafePointer<norm_slope>
  ) -> norm_gradient_sums {
    let range = segments[segment]
    let start = range.lowerBound
    return withUnsafePointer(to: tuned.form) { form in
      tuned.kernels.table.plane_gradient_sums(
        form, address(call.gradient, plane, start), address(call.input, plane, start),
        call.residual.map { address($0, plane, start) }, range.count, affine, slope)
    }
  }

  private func writeGradient(of plane: Int, _ affine: FloatAffine, _ slope: FloatSlope, shares: Int) {
    guard let dx = call.inputGradient else { return }
    with(affine, slope) { affine, slope in
      func write(_ range: Range<Int>) {
        let start = range.lowerBound
        withUnsafePointer(to: tuned.form) { form in
          tuned.kernels.table.gradient(
            form, address(call.gradient, plane, start), address(call.input, plane, start),
            call.residual.map { address($0, plane, start) }, address(dx, plane, start),
            call.residualGradient.map { address($0, plane, start) }, range.count, 1, 0, affine, slope)
        }
      }
      if shares == 1 { return write(0..<call.planes.size) }
      ThreadedWork.runShared(items: segments.count, values: call.planes.size, shares: shares) { _, items in
        write(segments.range(items))
      }
    }
  }

  private func address(_ base: UnsafeMutableRawPointer, _ plane: Int, _ value: Int) -> UnsafeMutableRawPointer {
    base + (plane * call.planes.size + value) * tuned.valueBytes
  }

  private func plain(
    _ plane: Int, _ body: (PlainNormGradient, Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    let scratch = try Scratch(shares: 1, doublesPerShare: PlainNormGradient.scratch(width: 1, size: call.planes.size))
    body(PlainNormGradient(call), call.planes.band(ofPlane: plane), scratch.address.doubles(share: 0))
  }

  /// The parameters of one plane as the kernels take them.
  private func with(
    _ affine: FloatAffine, _ slope: FloatSlope, _ body: (UnsafePointer<norm_affine>, UnsafePointer<norm_slope>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 8) { values in
      let base = values.baseAddress!
      values[0] = affine.shift
      values[1] = affine.gain
      values[2] = affine.offset
      values[3] = slope.invStd
      values[4] = slope.centre
      values[5] = slope.mean
      values[6] = slope.slope
      values[7] = slope.offset
      var affines = norm_affine(shift: base, gain: base + 1, offset: base + 2)
      var slopes = norm_slope(inv_std: base + 3, centre: base + 4, mean: base + 5, slope: base + 6, offset: base + 7)
      body(&affines, &slopes)
    }
  }
}

extension norm_gradient_sums {
  /// Adds those of the next segment.
  mutating func add(_ next: norm_gradient_sums) {
    sum += next.sum
    product += next.product
    largest = max(largest, next.largest)
  }
}

extension TunedPlaneGradients: NormGradientPasses {
  func takeSums(of part: Part, largest: UnsafeMutablePointer<Float>, threads: Int) throws(TensorError) {
    try part.forEachPlane(segments, call.planes, threads: threads) { (plane, shares) throws(TensorError) in
      guard let affine = FloatAffine(call, plane) else {
        largest[plane] = .infinity
        return try plain(plane) { $0.sums(of: $1, block: $2) }
      }
      largest[plane] = takeSums(of: plane, affine, FloatSlope(call, plane, affine), shares: shares)
      // Beyond float32's range in the sums, perhaps not in float64.
      if !call.sums[plane].isFinite || !call.sums[call.planes.count + plane].isFinite {
        largest[plane] = .infinity
        try plain(plane) { $0.sums(of: $1, block: $2) }
      }
    }
  }

  func writeGradient(
    of part: Part, means: MeansByPlane, largest: UnsafePointer<Float>, threads: Int
  ) throws(TensorError) {
    try part.forEachPlane(segments, call.planes, threads: threads) { (plane, shares) throws(TensorError) in
      if let affine = FloatAffine(call, plane) {
        var slope = FloatSlope(call, plane, affine)
        if slope.finish(call, plane, gain: affine.gain, largest: largest[plane], means: means[plane]) {
          return writeGradient(of: plane, affine, slope, shares: shares)
        }
      }
      try plain(plane) { $0.gradient(of: $1, block: $2) { means[$0] } }
    }
  }
}
