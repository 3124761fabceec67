import CNormKernels
import Calls
import Tensors

/// Pictures whose maps alternate in memory.
struct TunedPictures {
  let call: NormCall
  private let tuned: TunedForm
  private let segments: Segments
  private let size: PlaneSize

  init?(_ call: NormCall, _ kernels: Kernels?, streamed: Int) {
    guard let tuned = TunedForm(kernels, call, streamed: streamed) else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPixels(call.planes.size)
    size = PlaneSize(call.planes.size)
  }

  /// Normalises each plane by its own moments.
  func runAlone(threads: Int) throws(TensorError) {
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: 0..<planes.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      takeSums(image, room, shares: shares)
      for map in 0..<planes.maps {
        let (sums, plane) = (room.sums(map), image * planes.maps + map)
        let (mean, invStd) = (sums.mean(size), sums.invStd(size, epsilon: call.epsilon))
        call.mean?[plane] = mean
        call.invStd?[plane] = invStd
        room.affine.set(map, FloatAffine(call, plane, mean: mean, invStd: invStd))
      }
      try normalize(image, room, shares: shares) { $0.run($1, block: $2, into: $3) }
    }
  }

  /// Of all maps of a picture, of deviations from a value near the mean.
  private func takeSums(_ image: Int, _ room: PictureScratch, shares: Int) {
    let planes = call.planes
    let input = call.input + image * planes.size * planes.maps * tuned.valueBytes
    shiftSamples(
      planes.dtype, input, maps: planes.maps, size: planes.size, sums: room.first(segment: 0), into: room.shifts)
    sum(image, room, shares: shares)
    // The others come out as before: each map's sums are its own.
    var isAnyFarOff = false
    for map in 0..<planes.maps where room.sums(map).isFarOff(size) {
      room.shifts[map] = Float(room.sums(map).mean(size))
      isAnyFarOff = true
    }
    if isAnyFarOff { sum(image, room, shares: shares) }
  }

  /// Normalises a picture as the affines of its maps say.
  ///
  /// - Parameter plainly: how a plane is normalised that has none.
  private func normalize(
    _ image: Int, _ room: PictureScratch, shares: Int,
    plainly: (PlainNorm, Band, UnsafeMutablePointer<Double>, Run) -> Void
  ) throws(TensorError) {
    guard let output = call.output else { return }
    let planes = call.planes
    room.affine.wrap(planes.maps)
    // What goes the plain way is worked out before the input may be written over, and put in its place after.
    for map in 0..<planes.maps { room.setWide(map, room.affine.isMissing(map)) }
    let aside = try WidePlanes(of: image, room, planes)
    aside.compute { plane, target, block in plainly(PlainNorm(call), planes.band(ofPlane: plane), block, target) }

    let segments = segments
    ThreadedWork.run(items: segments.count, values: planes.size * planes.maps, shares: shares) { _, items in
      let pixels = segments.range(items)
      let start = (image * planes.size + pixels.lowerBound) * planes.maps * tuned.valueBytes
      var form = tuned.form
      var affine = room.affine.pointers
      tuned.kernels.table.pointee.normalize(
        &form, call.input + start, call.residual.map { $0 + start }, output + start,
        pixels.count * planes.maps, planes.maps, 0, &affine, nil)
    }
    aside.put(into: output)
  }

  private func sum(_ image: Int, _ room: PictureScratch, shares: Int) {
    let planes = call.planes
    let segments = segments
    let values = planes.size * planes.maps
    ThreadedWork.run(items: segments.count, values: values, shares: shares) { _, items in
      for index in items {
        let pixels = segments[index]
        let start = pixels.lowerBound * planes.maps
        room.clear(segment: index)
        tuned.kernels.table.pointee.pixel_moments(
          tuned.form.type, call.input + (image * values + start) * tuned.valueBytes, pixels.count, planes.maps,
          values - start, room.shifts, room.first(segment: index), room.second(segment: index))
      }
    }
    room.addSegments()
  }
}

// MARK: - Planes that share

extension TunedPictures: NormPasses {
  func takeMoments(of part: Part, into moments: UnsafeMutablePointer<Moments>, threads: Int) throws(TensorError) {
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: part.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      takeSums(image, room, shares: shares)
      for map in 0..<planes.maps {
        moments[image * planes.maps + map] = Moments(room.sums(map), size, count: planes.size)
      }
    }
  }

  func normalize(_ part: Part, threads: Int) throws(TensorError) {
    guard let mean = call.mean, let invStd = call.invStd else { return }
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: part.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      for map in 0..<planes.maps {
        let plane = image * planes.maps + map
        room.affine.set(map, FloatAffine(call, plane, mean: mean[plane], invStd: invStd[plane]))
      }
      try normalize(image, room, shares: shares) { $0.normalize($1, block: $2, into: $3) }
    }
  }
}

/// Calls `body` for each picture with room to work in and how many threads are to share it: one where the pictures go
/// round, else all.
func forEachPicture(
  _ planes: Planes, _ segments: Segments, in images: Range<Int>, threads: Int,
  _ body: (_ image: Int, _ room: PictureScratch, _ shares: Int) throws(TensorError) -> Void
) throws(TensorError) {
  let pictureValues = planes.maps * planes.size
  let split = segments.split(images.count, of: pictureValues, threads: threads)
  let sizes = PictureScratch.Sizes(maps: planes.maps, segments: segments.count)
  let scratch = try Scratch(shares: split.planes, bytesPerShare: sizes.byteCount)
  let address = scratch.address
  if split.planes == 1 {
    let room = PictureScratch(address.raw(share: 0), sizes)
    for image in images { try body(image, room, split.shares) }
    return
  }
  let failure = Failure()
  ThreadedWork.run(items: images.count, values: images.count * pictureValues, shares: split.planes) { share, items in
    let room = PictureScratch(address.raw(share: share), sizes)
    failure.catching { () throws(TensorError) in
      for item in items { try body(images.lowerBound + item, room, 1) }
    }
  }
  try failure.check()
}

/// What a picture's maps need while it is worked on.
struct PictureScratch {
  struct Sizes {
    let maps: Int
    let segments: Int
    /// In the kernels' vectors.
    var padded: Int { (maps + 15) / 16 * 16 }
    /// With the first 15 once more at the end.
    var wrapped: Int { padded + 16 }
    var byteCount: Int { floats * 4 + doubles * 8 }
    fileprivate var doubles: Int { 2 * padded * segments }
    fileprivate var floats: Int { 3 * padded + 8 * wrapped }
  }

  private let sizes: Sizes
  private let doubles: UnsafeMutablePointer<Double>
  /// By map.
  let shifts: UnsafeMutablePointer<Float>
  /// The largest magnitude by map.
  let largest: UnsafeMutablePointer<Float>
  private let wide: UnsafeMutablePointer<Float>
  let affine: AffineArrays
  let slope: SlopeArrays

  init(_ base: UnsafeMutableRawPointer, _ sizes: Sizes) {
    self.sizes = sizes
    doubles = base.assumingMemoryBound(to: Double.self)
    var next = (base + sizes.doubles * 8).assumingMemoryBound(to: Float.self)
    // Lanes without a map are computed with, too.
    next.update(repeating: 0, count: sizes.floats)
    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
      defer { next += count }
      return next
    }
    shifts = take(sizes.padded)
    largest = take(sizes.padded)
    wide = take(sizes.padded)
    affine = AffineArrays(shift: take(sizes.wrapped), gain: take(sizes.wrapped), offset: take(sizes.wrapped))
    slope = SlopeArrays(
      invStd: take(sizes.wrapped), centre: take(sizes.wrapped), mean: take(sizes.wrapped), slope: take(sizes.wrapped),
      offset: take(sizes.wrapped))
  }

  /// Of a segment, the first sum by map. Segment 0 has all of them after ``addSegments()``.
  func first(segment: Int) -> UnsafeMutablePointer<Double> { doubles + segment * 2 * sizes.padded }
  func second(segment: Int) -> UnsafeMutablePointer<Double> { first(segment: segment) + sizes.padded }

  func clear(segment: Int) { first(segment: segment).update(repeating: 0, count: 2 * sizes.padded) }

  func addSegments() {
    for segment in 1..<max(sizes.segments, 1) {
      let more = first(segment: segment)
      for index in 0..<2 * sizes.padded { doubles[index] += more[index] }
    }
  }

  /// Whether a map goes the plain way.
  func isWide(_ map: Int) -> Bool { wide[map] != 0 }
  func setWide(_ map: Int, _ isWide: Bool) { wide[map] = isWide ? 1 : 0 }

  func sums(_ map: Int) -> ShiftedSums {
    ShiftedSums(shift: shifts[map], sum: doubles[map], square: doubles[sizes.padded + map])
  }
}

/// A ``FloatAffine`` by map.
struct AffineArrays {
  let shift: UnsafeMutablePointer<Float>
  let gain: UnsafeMutablePointer<Float>
  let offset: UnsafeMutablePointer<Float>

  var pointers: norm_affine { norm_affine(shift: shift, gain: gain, offset: offset) }

  /// - Parameter affine: nil for a map that goes the plain way.
  func set(_ map: Int, _ affine: FloatAffine?) {
    shift[map] = affine?.shift ?? 0
    gain[map] = affine?.gain ?? 0
    offset[map] = affine?.offset ?? .nan
  }

  /// Whether a map goes the plain way.
  func isMissing(_ map: Int) -> Bool { offset[map].isNaN }

  func wrap(_ maps: Int) {
    wrapAround(shift, maps)
    wrapAround(gain, maps)
    wrapAround(offset, maps)
  }
}

/// A ``FloatSlope`` by map.
struct SlopeArrays {
  let invStd: UnsafeMutablePointer<Float>
  let centre: UnsafeMutablePointer<Float>
  let mean: UnsafeMutablePointer<Float>
  let slope: UnsafeMutablePointer<Float>
  let offset: UnsafeMutablePointer<Float>

  var pointers: norm_slope {
    norm_slope(inv_std: invStd, centre: centre, mean: mean, slope: slope, offset: offset)
  }

  func set(_ map: Int, _ value: FloatSlope) {
    invStd[map] = value.invStd
    centre[map] = value.centre
    mean[map] = value.mean
    slope[map] = value.slope
    offset[map] = value.offset
  }

  func wrap(_ maps: Int) {
    wrapAround(invStd, maps)
    wrapAround(centre, maps)
    wrapAround(mean, maps)
    wrapAround(slope, maps)
    wrapAround(offset, maps)
  }
}

/// The first 15 values once more behind the last.
private func wrapAround(_ array: UnsafeMutablePointer<Float>, _ count: Int) {
  for index in 0..<15 { array[count + index] = array[index] }
}
