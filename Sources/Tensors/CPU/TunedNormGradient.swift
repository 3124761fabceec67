import CNormKernels

/// What decides how a plane's gradient is taken, beside its forward form.
private func floatSlope(_ call: NormGradientCall, _ plane: Int, _ affine: FloatAffine) -> FloatSlope {
  FloatSlope(mean: call.mean[plane], shift: affine.shift, invStd: call.invStd[plane])
}

private func floatAffine(_ call: NormGradientCall, _ plane: Int) -> FloatAffine? {
  let map = plane % call.planes.maps
  return FloatAffine(
    mean: call.mean[plane], invStd: call.invStd[plane], scale: call.scale[map], bias: call.bias[map])
}

/// Completes a slope with a plane's sums and writes these; false for what only the plain way does exactly.
private func finish(
  _ call: NormGradientCall, _ plane: Int, _ gain: Float, sum: Double, product: Double, largest: Float,
  _ slope: inout FloatSlope
) -> Bool {
  let size = Double(call.planes.size)
  call.sums[plane] = sum
  call.sums[call.planes.count + plane] = product
  slope.mean = Float(sum / size)
  slope.slope = Float(-Double(gain) * (product / size))
  // Far enough from the ends of float32's range, or nothing at all.
  return sum.isFinite && product.isFinite
    && (largest == 0
      || ((1e-15...1e15).contains(largest) && (gain == 0 || (1e-30...1e30).contains(abs(gain) * largest))))
}

/// Gradients of planes that each lie together.
struct TunedPlaneGradients {
  let call: NormGradientCall
  private let tuned: TunedForm
  private let segments: Segments

  init?(_ call: NormGradientCall, _ kernels: Kernels?, streamed: Int) {
    guard
      let tuned = TunedForm(
        kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
        streamed: call.isInPlace ? .max : streamed)
    else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPlane(call.planes.size)
  }

  func run(threads: Int) {
    let planes = call.planes
    let shares = Parallel.shareCount(items: planes.count * segments.count, values: planes.valueCount, threads: threads)
    let isEven = planes.count % shares == 0 || planes.count >= 8 * shares
    if isEven || segments.count == 1 {
      Parallel.run(items: planes.count, values: planes.valueCount, shares: min(shares, planes.count)) { _, items in
        for plane in items { gradient(of: plane, shares: 1) }
      }
    } else {
      for plane in 0..<planes.count { gradient(of: plane, shares: min(shares, segments.count)) }
    }
  }

  private func gradient(of plane: Int, shares: Int) {
    let planes = call.planes
    guard let affine = floatAffine(call, plane) else { return plain(plane) }
    var slope = floatSlope(call, plane, affine)
    var total = norm_gradient_sums()
    withUnsafeTemporaryAllocation(of: norm_gradient_sums.self, capacity: segments.count) { pieces in
      let pieceBase = pieces.baseAddress!
      with(affine, slope) { affine, slope in
        Parallel.run(items: segments.count, values: planes.size, shares: shares) { _, items in
          for index in items {
            let range = segments[index]
            let start = range.lowerBound
            var form = tuned.form
            pieceBase[index] = tuned.kernels.table.pointee.plane_gradient_sums(
              &form, address(call.gradient, plane, start), address(call.input, plane, start),
              call.residual.map { address($0, plane, start) }, range.count, affine, slope)
          }
        }
      }
      for index in 0..<segments.count {
        total.sum += pieceBase[index].sum
        total.product += pieceBase[index].product
        total.largest = max(total.largest, pieceBase[index].largest)
      }
    }
    guard
      finish(call, plane, affine.gain, sum: total.sum, product: total.product, largest: total.largest, &slope)
    else { return plain(plane) }
    guard let dx = call.inputGradient else { return }
    with(affine, slope) { affine, slope in
      Parallel.run(items: segments.count, values: planes.size, shares: shares) { _, items in
        let range = segments.range(items)
        let start = range.lowerBound
        var form = tuned.form
        tuned.kernels.table.pointee.gradient(
          &form, address(call.gradient, plane, start), address(call.input, plane, start),
          call.residual.map { address($0, plane, start) }, address(dx, plane, start),
          call.residualGradient.map { address($0, plane, start) }, range.count, 1, 0, affine, slope)
      }
    }
  }

  private func address(_ base: UnsafeMutableRawPointer, _ plane: Int, _ value: Int) -> UnsafeMutableRawPointer {
    base + (plane * call.planes.size + value) * tuned.valueBytes
  }

  private func plain(_ plane: Int) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: PlainNormGradient.scratch(width: 1)) { block in
      PlainNormGradient(call).run(call.planes.band(ofPlane: plane), block: block.baseAddress!)
    }
  }

  /// The parameters of one plane as the kernels take them.
  private func with(
    _ affine: FloatAffine, _ slope: FloatSlope, _ body: (UnsafePointer<norm_affine>, UnsafePointer<norm_slope>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 7) { values in
      let base = values.baseAddress!
      values[0] = affine.shift
      values[1] = affine.gain
      values[2] = affine.offset
      values[3] = slope.invStd
      values[4] = slope.centre
      values[5] = slope.mean
      values[6] = slope.slope
      var affines = norm_affine(shift: base, gain: base + 1, offset: base + 2)
      var slopes = norm_slope(inv_std: base + 3, centre: base + 4, mean: base + 5, slope: base + 6)
      body(&affines, &slopes)
    }
  }
}

/// Gradients of pictures whose maps alternate in memory.
struct TunedPictureGradients {
  let call: NormGradientCall
  private let tuned: TunedForm
  private let segments: Segments

  init?(_ call: NormGradientCall, _ kernels: Kernels?, streamed: Int) {
    guard
      let tuned = TunedForm(
        kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
        streamed: call.isInPlace ? .max : streamed)
    else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPixels(call.planes.size)
  }

  func run(threads: Int) throws {
    try forEachPicture(call.planes, segments, threads: threads, gradient)
  }

  private func gradient(of image: Int, _ room: PictureScratch, shares: Int) throws {
    let planes = call.planes
    let values = planes.size * planes.maps
    let firstPlane = image * planes.maps
    let imageStart = image * values * tuned.valueBytes
    for map in 0..<planes.maps {
      let affine = floatAffine(call, firstPlane + map)
      room.affine.set(map, affine ?? FloatAffine())
      room.slope.set(map, floatSlope(call, firstPlane + map, affine ?? FloatAffine()))
      room.largest[map] = 0
    }
    room.affine.wrap(planes.maps)
    room.slope.wrap(planes.maps)

    let segments = segments
    func sum(_ items: Range<Int>, largest: UnsafeMutablePointer<Float>) {
      var affine = room.affine.pointers
      var slope = room.slope.pointers
      var form = tuned.form
      for index in items {
        let pixels = segments[index]
        let start = pixels.lowerBound * planes.maps
        let offset = imageStart + start * tuned.valueBytes
        room.clear(segment: index)
        tuned.kernels.table.pointee.pixel_gradient_sums(
          &form, call.gradient + offset, call.input + offset, call.residual.map { $0 + offset }, pixels.count,
          planes.maps, values - start, &affine, &slope, room.first(segment: index), room.second(segment: index),
          largest)
      }
    }
    if shares == 1 {
      sum(0..<segments.count, largest: room.largest)
    } else {
      let merging = Locked(())
      Parallel.run(items: segments.count, values: values, shares: shares) { _, items in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: (planes.maps + 15) / 16 * 16) { largest in
          largest.initialize(repeating: 0)
          sum(items, largest: largest.baseAddress!)
          merging.withLock { _ in
            for map in 0..<planes.maps { room.largest[map] = max(room.largest[map], largest[map]) }
          }
        }
      }
    }
    room.addSegments()

    var wide: [Int] = []
    for map in 0..<planes.maps {
      var slope = FloatSlope(invStd: room.slope.invStd[map], centre: room.slope.centre[map])
      let sums = room.sums(map)
      let isOrdinary = finish(
        call, firstPlane + map, room.affine.gain[map], sum: sums.sum, product: sums.square,
        largest: room.largest[map], &slope)
      if !isOrdinary || floatAffine(call, firstPlane + map) == nil { wide.append(firstPlane + map) }
      room.slope.set(map, slope)
    }
    room.slope.wrap(planes.maps)

    guard let dx = call.inputGradient else {
      let aside = try WidePlanes(wide, planes)
      aside.compute { plane, _, block in PlainNormGradient(call).run(planes.band(ofPlane: plane), block: block) }
      return
    }
    let aside = try WidePlanes(wide, planes)
    let residualAside = try WidePlanes(call.residualGradient == nil ? [] : wide, planes)
    aside.compute { plane, target, block in
      PlainNormGradient(call).run(
        planes.band(ofPlane: plane), block: block, into: target, residualInto: residualAside.run(ofPlane: plane))
    }
    Parallel.run(items: segments.count, values: values, shares: shares) { _, items in
      let pixels = segments.range(items)
      let start = imageStart + pixels.lowerBound * planes.maps * tuned.valueBytes
      var affine = room.affine.pointers
      var slope = room.slope.pointers
      var form = tuned.form
      tuned.kernels.table.pointee.gradient(
        &form, call.gradient + start, call.input + start, call.residual.map { $0 + start }, dx + start,
        call.residualGradient.map { $0 + start }, pixels.count * planes.maps, planes.maps, 0, &affine, &slope)
    }
    aside.put(into: dx)
    if let residualGradient = call.residualGradient { residualAside.put(into: residualGradient) }
  }
}
