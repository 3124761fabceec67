import CNormKernels
import Calls
import Tensors

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
    fileprivate var doubles: Int { 2 * padded * (segments + 1) }
    fileprivate var floats: Int { 2 * padded + 8 * wrapped }
  }

  private let sizes: Sizes
  private let doubles: UnsafeMutablePointer<Double>
  /// By map; likewise the variances.
  let means: UnsafeMutablePointer<Double>
  let variances: UnsafeMutablePointer<Double>
  /// By map.
  let shifts: UnsafeMutablePointer<Float>
  /// The largest magnitude by map.
  let largest: UnsafeMutablePointer<Float>
  let affine: AffineArrays
  let slope: SlopeArrays

  init(_ base: UnsafeMutableRawPointer, _ sizes: Sizes) {
    self.sizes = sizes
    doubles = base.assumingMemoryBound(to: Double.self)
    means = doubles + 2 * sizes.padded * sizes.segments
    variances = means + sizes.padded
    var next = (base + sizes.doubles * 8).assumingMemoryBound(to: Float.self)
    // Lanes without a map are computed with, too.
    next.update(repeating: 0, count: sizes.floats)
    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
      defer { next += count }
      return next
    }
    shifts = take(sizes.padded)
    largest = take(sizes.padded)
    affine = AffineArrays(shift: take(sizes.wrapped), gain: take(sizes.wrapped), offset: take(sizes.wrapped))
    slope = SlopeArrays(
      invStd: take(sizes.wrapped), centre: take(sizes.wrapped), mean: take(sizes.wrapped), slope: take(sizes.wrapped),
      offset: take(sizes.wrapped))
  }

  /// As the kernels take it, of one segment.
  var kernels: norm_picture_room {
    norm_picture_room(
      sum: first(segment: 0), product: second(segment: 0), mean: means, inv_std: variances, shift: shifts,
      largest: largest, centre: affine.shift, gain: affine.gain, offset: affine.offset, slope_inv_std: slope.invStd,
      slope_centre: slope.centre, slope_mean: slope.mean, slope: slope.slope, slope_offset: slope.offset)
  }

  /// Of a segment, the first sum by map. Segment 0 has all of them after ``addSegments()``.
  func first(segment: Int) -> UnsafeMutablePointer<Double> { doubles + segment * 2 * sizes.padded }
  func second(segment: Int) -> UnsafeMutablePointer<Double> { first(segment: segment) + sizes.padded }

  /// Makes the sums of some maps, and of the rest of their vectors, 0.
  func clear(segment: Int, _ maps: Range<Int>) {
    let (first, count) = (maps.lowerBound, (maps.count + 15) / 16 * 16)
    (self.first(segment: segment) + first).update(repeating: 0, count: count)
    (second(segment: segment) + first).update(repeating: 0, count: count)
  }

  func addSegments(_ maps: Range<Int>) {
    for segment in 1..<max(sizes.segments, 1) {
      let (first, second) = (first(segment: segment), second(segment: segment))
      for map in maps {
        doubles[map] += first[map]
        doubles[sizes.padded + map] += second[map]
      }
    }
  }

  /// Whether the gradient of a map goes the plain way.
  func isWide(_ map: Int) -> Bool { affine.isMissing(map) || slope.isMissing(map) }

  func sums(_ map: Int) -> ShiftedSums {
    ShiftedSums(shift: shifts[map], sum: doubles[map], square: doubles[sizes.padded + map])
  }
}

/// A ``FloatAffine`` by map, as the kernels give them.
struct AffineArrays {
  let shift: UnsafeMutablePointer<Float>
  let gain: UnsafeMutablePointer<Float>
  let offset: UnsafeMutablePointer<Float>

  var pointers: norm_affine { norm_affine(shift: shift, gain: gain, offset: offset) }

  /// Whether a map goes the plain way; one whose statistics are NaN need not.
  func isMissing(_ map: Int) -> Bool { offset[map].isNaN && !gain[map].isNaN }

  func wrap(_ maps: Int) {
    wrapAround(shift, maps)
    wrapAround(gain, maps)
    wrapAround(offset, maps)
  }
}

/// A ``FloatSlope`` by map, likewise.
struct SlopeArrays {
  let invStd: UnsafeMutablePointer<Float>
  let centre: UnsafeMutablePointer<Float>
  let mean: UnsafeMutablePointer<Float>
  let slope: UnsafeMutablePointer<Float>
  let offset: UnsafeMutablePointer<Float>

  var pointers: norm_slope {
    norm_slope(inv_std: invStd, centre: centre, mean: mean, slope: slope, offset: offset)
  }

  /// Whether a map goes the plain way.
  func isMissing(_ map: Int) -> Bool { offset[map].isNaN }

  func wrap(_ maps: Int) {
    wrapAround(invStd, maps)
    wrapAround(centre, maps)
    wrapAround(mean, maps)
    wrapAround(slope, maps)
    wrapAround(offset, maps)
  }
}

/// The first 15 values once more behind the last, going round where they are fewer.
private func wrapAround(_ array: UnsafeMutablePointer<Float>, _ count: Int) {
  if count >= 15 { return (array + count).update(from: array, count: 15) }
  for index in 0..<15 { array[count + index] = array[index] }
}
