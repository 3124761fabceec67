import CNormKernels
import Calls
import Tensors

/// The gradient of ``TunedPictures``.
struct TunedPictureGradients {
  let call: NormGradientCall
  private let tuned: TunedForm
  private let segments: Segments

  init?(_ call: NormGradientCall, _ kernels: NormKernels?, streamed: Int) {
    guard let tuned = TunedForm(kernels, call, streamed: streamed) else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPixels(call.planes.size)
  }

  /// Takes each plane's gradient by its own sums.
  func runAlone(threads: Int) throws(TensorError) {
    try forEachPicture(
      call.planes, segments, in: 0..<call.planes.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      let missing = try takeSums(image, room, shares: shares)
      let first = image * call.planes.maps
      let hasWide = finish(
        image, room, missing: missing,
        norm_means(
          gradient: call.sums + first, product: call.sums + call.planes.count + first, largest: room.largest,
          size: Double(call.planes.size)))
      if call.inputGradient != nil {
        return try writeGradient(image, room, hasWide: hasWide, shares: shares) {
          $0.run($1, block: $2, into: $3, residualInto: $4)
        }
      }
      for map in 0..<(hasWide ? call.planes.maps : 0) where room.isWide(map) {
        try plain(first + map) { $0.sums(of: $1, block: $2) }
      }
    }
  }

  private func parameters(_ image: Int) -> norm_parameters {
    let first = image * call.planes.maps
    return norm_parameters(
      picture: image, of: call.planes, mean: call.mean + first, invStd: call.invStd + first, call.scale, call.bias)
  }

  /// Sets what is known of a picture's maps before their sums are.
  ///
  /// - Returns: how many go the plain way.
  @discardableResult
  private func prepare(_ image: Int, _ room: PictureScratch) -> Int {
    let maps = call.planes.maps
    var parameters = parameters(image)
    let missing = tuned.kernels.table.affines(
      &parameters, maps, room.affine.shift, room.affine.gain, room.affine.offset)
    tuned.kernels.table.slopes(&parameters, maps, room.affine.shift, room.slope.invStd, room.slope.centre)
    room.affine.wrap(maps)
    room.slope.wrap(maps)
    return missing
  }

  /// Sets the rest.
  ///
  /// - Parameter missing: how many go the plain way whatever their sums are.
  /// - Returns: whether any of the planes goes the plain way.
  private func finish(_ image: Int, _ room: PictureScratch, missing: Int, _ means: norm_means) -> Bool {
    let maps = call.planes.maps
    var (parameters, means) = (parameters(image), means)
    let slope = room.slope
    let more = tuned.kernels.table.finish_slopes(
      &parameters, &means, maps, room.affine.gain, slope.mean, slope.slope, slope.offset)
    slope.wrap(maps)
    return missing + more > 0
  }

  /// Writes the sums of a picture's planes; the largest |dn| of each are in the room.
  ///
  /// - Returns: how many go the plain way.
  @discardableResult
  private func takeSums(_ image: Int, _ room: PictureScratch, shares: Int) throws(TensorError) -> Int {
    let planes = call.planes
    let values = planes.size * planes.maps
    let firstPlane = image * planes.maps
    let imageStart = image * values * tuned.valueBytes
    room.largest.update(repeating: 0, count: planes.maps)
    let missing = prepare(image, room)
    let segments = segments
    func sum(_ items: Range<Int>, largest: UnsafeMutablePointer<Float>) {
      var affine = room.affine.pointers
      var slope = room.slope.pointers
      var form = tuned.form
      for index in items {
        let pixels = segments[index]
        let start = pixels.lowerBound * planes.maps
        let offset = imageStart + start * tuned.valueBytes
        room.clear(segment: index, 0..<planes.maps)
        tuned.kernels.table.pixel_gradient_sums(
          &form, call.gradient + offset, call.input + offset, call.residual.map { $0 + offset }, pixels.count,
          planes.maps, values - start, &affine, &slope, room.first(segment: index), room.second(segment: index),
          largest)
      }
    }
    if shares == 1 {
      sum(0..<segments.count, largest: room.largest)
    } else {
      let padded = (planes.maps + 15) / 16 * 16
      let scratch = try Scratch(shares: shares, bytesPerShare: padded * MemoryLayout<Float>.stride)
      let address = scratch.address
      func largest(_ share: Int) -> UnsafeMutablePointer<Float> {
        address.raw(share: share).assumingMemoryBound(to: Float.self)
      }
      ThreadedWork.run(items: segments.count, values: values, shares: shares) { share, items in
        largest(share).initialize(repeating: 0, count: padded)
        sum(items, largest: largest(share))
      }
      for share in 0..<shares {
        for map in 0..<planes.maps { room.largest[map] = max(room.largest[map], largest(share)[map]) }
      }
    }
    room.addSegments(0..<planes.maps)
    (call.sums + firstPlane).update(from: room.first(segment: 0), count: planes.maps)
    (call.sums + planes.count + firstPlane).update(from: room.second(segment: 0), count: planes.maps)
    return missing
  }

  /// Writes dx and dn of a picture.
  ///
  /// - Parameters:
  ///   - hasWide: whether any of the planes goes the plain way.
  ///   - plainly: how they are had of such planes.
  private func writeGradient(
    _ image: Int, _ room: PictureScratch, hasWide: Bool, shares: Int,
    plainly: (PlainNormGradient, Band, UnsafeMutablePointer<Double>, Run, Run?) -> Void
  ) throws(TensorError) {
    guard let dx = call.inputGradient else { return }
    let planes = call.planes
    let aside = try WidePlanes(of: image, planes, none: !hasWide) { room.isWide($0) }
    let residualAside = try WidePlanes(of: image, planes, none: !hasWide || call.residualGradient == nil) {
      room.isWide($0)
    }
    aside.compute { plane, target, block in
      plainly(
        PlainNormGradient(call), planes.band(ofPlane: plane), block, target, residualAside.run(ofPlane: plane))
    }
    let segments = segments
    ThreadedWork.run(items: segments.count, values: planes.size * planes.maps, shares: shares) { _, items in
      // Backwards, as what the sums came to last is still near.
      for index in items.reversed() {
        let pixels = segments[index]
        let start = (image * planes.size + pixels.lowerBound) * planes.maps * tuned.valueBytes
        var affine = room.affine.pointers
        var slope = room.slope.pointers
        var form = tuned.form
        tuned.kernels.table.gradient(
          &form, call.gradient + start, call.input + start, call.residual.map { $0 + start }, dx + start,
          call.residualGradient.map { $0 + start }, pixels.count * planes.maps, planes.maps, 0, &affine, &slope)
      }
    }
    aside.put(into: dx)
    if let residualGradient = call.residualGradient { residualAside.put(into: residualGradient) }
  }

  private func plain(
    _ plane: Int, _ body: (PlainNormGradient, Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    let scratch = try Scratch(shares: 1, doublesPerShare: PlainNormGradient.scratch(width: 1, size: call.planes.size))
    body(PlainNormGradient(call), call.planes.band(ofPlane: plane), scratch.address.doubles(share: 0))
  }
}

extension TunedPictureGradients: NormGradientPasses {
  func takeSums(of part: Part, largest: UnsafeMutablePointer<Float>, threads: Int) throws(TensorError) {
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: part.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      let missing = try takeSums(image, room, shares: shares)
      let first = image * planes.maps
      let (sums, products) = (call.sums + first, call.sums + planes.count + first)
      (largest + first).update(from: room.largest, count: planes.maps)
      guard missing > 0 || !areFinite(sums, planes.maps) || !areFinite(products, planes.maps) else { return }
      for map in 0..<planes.maps {
        if sums[map].isFinite, products[map].isFinite, !room.affine.isMissing(map) { continue }
        largest[first + map] = .infinity
        try plain(first + map) { $0.sums(of: $1, block: $2) }
      }
    }
  }

  func writeGradient(
    of part: Part, means: MeansByPlane, largest: UnsafePointer<Float>, threads: Int
  ) throws(TensorError) {
    try forEachPicture(
      call.planes, segments, in: part.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      let first = image * call.planes.maps
      let missing = prepare(image, room)
      let hasWide = finish(
        image, room, missing: missing,
        norm_means(gradient: means.gradient + first, product: means.product + first, largest: largest + first, size: 0))
      try writeGradient(image, room, hasWide: hasWide, shares: shares) {
        $0.gradient(of: $1, block: $2, into: $3, residualInto: $4) { means[$0] }
      }
    }
  }
}

/// Whether all of some values are: without a branch for each, since they nearly always are.
private func areFinite(_ values: UnsafePointer<Double>, _ count: Int) -> Bool {
  let infinity = Double.infinity.bitPattern
  var found: UInt64 = 0
  for index in 0..<count { found |= values[index].bitPattern & infinity == infinity ? 1 : 0 }
  return found == 0
}
