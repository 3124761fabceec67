import CNormKernels
import Calls
import Tensors

/// Pictures whose maps alternate in memory.
struct TunedPictures {
  let call: NormCall
  private let tuned: TunedForm
  private let segments: Segments

  init?(_ call: NormCall, _ kernels: NormKernels?, streamed: Int) {
    guard let tuned = TunedForm(kernels, call, streamed: streamed) else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPixels(call.planes.size)
  }

  /// Normalises each plane by its own moments.
  func runAlone(threads: Int) throws(TensorError) {
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: 0..<planes.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      takeMoments(image, room, shares: shares)
      let first = image * planes.maps
      tuned.kernels.table.inverses(planes.maps, call.epsilon, room.variances, room.variances)
      call.mean.map { $0 + first }?.update(from: room.means, count: planes.maps)
      call.invStd.map { $0 + first }?.update(from: room.variances, count: planes.maps)
      try normalize(image, room, room.means, room.variances, shares: shares) { $0.run($1, block: $2, into: $3) }
    }
  }

  /// Takes the means and variances of all maps of a picture.
  private func takeMoments(_ image: Int, _ room: PictureScratch, shares: Int) {
    let planes = call.planes
    let input = call.input + image * planes.size * planes.maps * tuned.valueBytes
    if planes.size <= Int(norm_few_pixels) {
      return tuned.kernels.table.few_pixel_moments(
        tuned.form.type, input, planes.size, planes.maps, room.means, room.variances)
    }
    tuned.kernels.table.pixel_shifts(
      tuned.form.type, input, planes.size, planes.maps, planes.pixelSamples, room.shifts)
    func areFarOff() -> Bool {
      tuned.kernels.table.moments(
        planes.maps, Double(planes.size), room.shifts, room.first(segment: 0), room.second(segment: 0), room.means,
        room.variances)
    }
    sum(image, room, 0..<planes.maps, shares: shares)
    guard areFarOff() else { return }
    // The others come out as before: each map's sums are its own.
    let size = PlaneSize(planes.size)
    for first in stride(from: 0, to: planes.maps, by: 16) {
      let maps = first..<min(first + 16, planes.maps)
      guard maps.contains(where: { room.sums($0).isFarOff(size) }) else { continue }
      for map in maps where room.sums(map).isFarOff(size) { room.shifts[map] = Float(room.sums(map).mean(size)) }
      sum(image, room, maps, shares: shares)
    }
    _ = areFarOff()
  }

  /// Normalises a picture by its maps' statistics.
  ///
  /// - Parameter plainly: how a plane is normalised that the kernels are not exact enough for.
  private func normalize(
    _ image: Int, _ room: PictureScratch, _ mean: UnsafePointer<Double>, _ invStd: UnsafePointer<Double>, shares: Int,
    plainly: (PlainNorm, Band, UnsafeMutablePointer<Double>, Run) -> Void
  ) throws(TensorError) {
    guard let output = call.output else { return }
    let planes = call.planes
    var parameters = norm_parameters(picture: image, of: planes, mean: mean, invStd: invStd, call.scale, call.bias)
    let missing = tuned.kernels.table.affines(
      &parameters, planes.maps, room.affine.shift, room.affine.gain, room.affine.offset)
    room.affine.wrap(planes.maps)
    // What goes the plain way is worked out before the input may be written over, and put in its place after.
    let aside = try WidePlanes(of: image, planes, none: missing == 0) { room.affine.isMissing($0) }
    aside.compute { plane, target, block in plainly(PlainNorm(call), planes.band(ofPlane: plane), block, target) }

    let segments = segments
    ThreadedWork.run(items: segments.count, values: planes.size * planes.maps, shares: shares) { _, items in
      // Backwards, as what the sums came to last is still near.
      for index in items.reversed() {
        let pixels = segments[index]
        let start = (image * planes.size + pixels.lowerBound) * planes.maps * tuned.valueBytes
        var form = tuned.form
        var affine = room.affine.pointers
        tuned.kernels.table.normalize(
          &form, call.input + start, call.residual.map { $0 + start }, output + start,
          pixels.count * planes.maps, planes.maps, 0, &affine, nil)
      }
    }
    aside.put(into: output)
  }

  /// Takes the sums of some maps of a picture, of which the first begins a vector.
  private func sum(_ image: Int, _ room: PictureScratch, _ maps: Range<Int>, shares: Int) {
    let planes = call.planes
    let segments = segments
    let values = planes.size * planes.maps
    ThreadedWork.run(items: segments.count, values: values, shares: shares) { _, items in
      for index in items {
        let pixels = segments[index]
        let start = pixels.lowerBound * planes.maps + maps.lowerBound
        let (first, second) = (room.first(segment: index), room.second(segment: index))
        room.clear(segment: index, maps)
        tuned.kernels.table.pixel_moments(
          tuned.form.type, call.input + (image * values + start) * tuned.valueBytes, pixels.count, maps.count,
          planes.maps, values - start, room.shifts + maps.lowerBound, first + maps.lowerBound,
          second + maps.lowerBound)
      }
    }
    room.addSegments(maps)
  }
}

extension Planes {
  /// How many pixels the first guess at a map's mean is made of: of more where that is little, since sums of maps that are
  /// far off are taken again.
  var pixelSamples: Int { size < 16 ? min(size, 8) : size < 256 ? 16 : 32 }
}

// MARK: - Planes that share

extension TunedPictures: NormPasses {
  func takeMoments(of part: Part, into moments: UnsafeMutablePointer<Moments>, threads: Int) throws(TensorError) {
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: part.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      takeMoments(image, room, shares: shares)
      let (count, first) = (Double(planes.size), image * planes.maps)
      for map in 0..<planes.maps {
        moments[first + map] = Moments(
          count: count, mean: room.means[map], squaredDeviations: room.variances[map] * count)
      }
    }
  }

  func normalize(_ part: Part, threads: Int) throws(TensorError) {
    guard let mean = call.mean, let invStd = call.invStd else { return }
    let planes = call.planes
    try forEachPicture(
      planes, segments, in: part.images, threads: threads
    ) { (image, room, shares) throws(TensorError) in
      let first = image * planes.maps
      try normalize(image, room, mean + first, invStd + first, shares: shares) {
        $0.normalize($1, block: $2, into: $3)
      }
    }
  }
}
