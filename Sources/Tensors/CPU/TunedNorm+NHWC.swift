import CNormKernels

/// Pictures whose maps alternate in memory.
struct TunedPictures {
  let call: NormCall
  private let tuned: TunedForm
  private let segments: Segments

  init?(_ call: NormCall, _ kernels: Kernels?, streamed: Int) {
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
    try forEachPicture(call.planes, segments, threads: threads, normalize)
  }

  private func normalize(_ image: Int, _ room: PictureScratch, shares: Int) throws {
    let planes = call.planes
    let values = planes.size * planes.maps
    let size = PlaneSize(planes.size)
    let input = call.input + image * values * tuned.valueBytes
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

    var wide: [Int] = []
    for map in 0..<planes.maps {
      let sums = room.sums(map)
      let (mean, invStd) = (sums.mean(size), sums.invStd(size, epsilon: call.epsilon))
      let affine = FloatAffine(mean: mean, invStd: invStd, scale: call.scale[map], bias: call.bias[map])
      room.affine.set(map, affine ?? FloatAffine())
      if affine == nil { wide.append(map) }
      call.mean?[image * planes.maps + map] = mean
      call.invStd?[image * planes.maps + map] = invStd
    }
    room.affine.wrap(planes.maps)

    // What goes the plain way is worked out before the input may be written over, and put in its place after.
    let aside = try WidePlanes(wide.map { image * planes.maps + $0 }, planes)
    aside.compute { plane, target, block in PlainNorm(call).run(planes.band(ofPlane: plane), block: block, into: target)
    }

    let segments = segments
    Parallel.run(items: segments.count, values: values, shares: shares) { _, items in
      let pixels = segments.range(items)
      let start = (image * planes.size + pixels.lowerBound) * planes.maps * tuned.valueBytes
      var form = tuned.form
      var affine = room.affine.pointers
      tuned.kernels.table.pointee.normalize(
        &form, call.input + start, call.residual.map { $0 + start }, call.output + start,
        pixels.count * planes.maps, planes.maps, 0, &affine, nil)
    }
    aside.put(into: call.output)
  }

  private func sum(_ image: Int, _ room: PictureScratch, shares: Int) {
    let planes = call.planes
    let segments = segments
    let values = planes.size * planes.maps
    Parallel.run(items: segments.count, values: values, shares: shares) { _, items in
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

/// Calls `body` for each picture with room to work in and how many threads are to share it: one where the pictures go
/// round, else all.
func forEachPicture(
  _ planes: Planes, _ segments: Segments, threads: Int,
  _ body: (_ image: Int, _ room: PictureScratch, _ shares: Int) throws -> Void
) throws {
  let shares = Parallel.shareCount(items: planes.images * segments.count, values: planes.valueCount, threads: threads)
  let sizes = PictureScratch.Sizes(maps: planes.maps, segments: segments.count)
  let isEven = planes.images % shares == 0 || planes.images >= 8 * shares
  let rooms = isEven || segments.count == 1 ? min(shares, planes.images) : 1
  let scratch = try Scratch(shares: rooms, bytesPerShare: sizes.byteCount)
  let address = scratch.address
  if rooms == 1 {
    let room = PictureScratch(address.raw(share: 0), sizes)
    for image in 0..<planes.images { try body(image, room, min(shares, segments.count)) }
    return
  }
  try Failure.collect { failure in
    Parallel.run(items: planes.images, values: planes.valueCount, shares: rooms) { share, items in
      let room = PictureScratch(address.raw(share: share), sizes)
      for image in items { failure.catching { try body(image, room, 1) } }
    }
  }
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
    fileprivate var floats: Int { 2 * padded + 7 * wrapped }
  }

  private let sizes: Sizes
  private let doubles: UnsafeMutablePointer<Double>
  /// By map.
  let shifts: UnsafeMutablePointer<Float>
  /// The largest magnitude by map.
  let largest: UnsafeMutablePointer<Float>
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
    affine = AffineArrays(shift: take(sizes.wrapped), gain: take(sizes.wrapped), offset: take(sizes.wrapped))
    slope = SlopeArrays(
      invStd: take(sizes.wrapped), centre: take(sizes.wrapped), mean: take(sizes.wrapped), slope: take(sizes.wrapped))
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

  func set(_ map: Int, _ affine: FloatAffine) {
    shift[map] = affine.shift
    gain[map] = affine.gain
    offset[map] = affine.offset
  }

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

  var pointers: norm_slope { norm_slope(inv_std: invStd, centre: centre, mean: mean, slope: slope) }

  func set(_ map: Int, _ value: FloatSlope) {
    invStd[map] = value.invStd
    centre[map] = value.centre
    mean[map] = value.mean
    slope[map] = value.slope
  }

  func wrap(_ maps: Int) {
    wrapAround(invStd, maps)
    wrapAround(centre, maps)
    wrapAround(mean, maps)
    wrapAround(slope, maps)
  }
}

/// The first 15 values once more behind the last.
private func wrapAround(_ array: UnsafeMutablePointer<Float>, _ count: Int) {
  for index in 0..<15 { array[count + index] = array[index] }
}

/// Planes of a picture that go the plain way, set aside until the kernels are through with the rest.
struct WidePlanes: ~Copyable {
  private let numbers: [Int]
  private let planes: Planes
  private let scratch: Scratch?
  private let address: Scratch.Address?

  init(_ numbers: [Int], _ planes: Planes) throws {
    self.numbers = numbers
    self.planes = planes
    if numbers.isEmpty {
      scratch = nil
      address = nil
    } else {
      let scratch = try Scratch(shares: numbers.count, bytesPerShare: planes.size * planes.dtype.byteCount)
      address = scratch.address
      self.scratch = consume scratch
    }
  }

  /// Calls `body` for each plane with where its result goes and room for blocks.
  func compute(_ body: (_ plane: Int, _ target: Run, _ block: UnsafeMutablePointer<Double>) -> Void) {
    guard !numbers.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: PlainNormGradient.scratch(width: 1)) { block in
      for (index, plane) in numbers.enumerated() { body(plane, run(index), block.baseAddress!) }
    }
  }

  /// Copies the results to their places.
  func put(into output: UnsafeMutableRawPointer) {
    guard !numbers.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: blockPitch) { block in
      for (index, plane) in numbers.enumerated() {
        let target = Run(output, planes.dtype, planes.band(ofPlane: plane), stride: planes.stride)
        for start in stride(from: 0, to: planes.size, by: blockLength) {
          let count = min(blockLength, planes.size - start)
          run(index).load(start, count, into: block.baseAddress!)
          target.store(start, count, from: block.baseAddress!)
        }
      }
    }
  }

  /// Where a plane's result is; nil for a plane that is not set aside.
  func run(ofPlane plane: Int) -> Run? {
    guard let index = numbers.firstIndex(of: plane) else { return nil }
    return run(index)
  }

  private func run(_ index: Int) -> Run {
    Run(contiguous: address!.raw(share: index), planes.dtype)
  }
}

/// The first error of several threads.
final class Failure: @unchecked Sendable {
  private let first = Locked<(any Error)?>(nil)

  func catching(_ body: () throws -> Void) {
    do { try body() } catch { first.withLock { $0 = $0 ?? error } }
  }

  static func collect(_ body: (Failure) -> Void) throws {
    let failure = Failure()
    body(failure)
    if let error = failure.first.withLock({ $0 }) { throw error }
  }
}
