import CNormKernels
import Calls
import Tensors

// Pictures of few pixels whose maps alternate: kernels take each whole, one after the other, where planes share their
// moments within pictures or not at all.

extension Planes {
  /// Whether the kernels take such pictures whole: of more pixels, threads can share one.
  fileprivate var areSmallPictures: Bool {
    layout == .nhwc && maps > 1 && Segments.ofPixels(size).count == 1
  }

  /// Calls `body` with pictures that a thread takes on, and room for it to work in.
  fileprivate func forEachShare(
    threads: Int, _ body: (_ images: Range<Int>, _ room: PictureScratch) throws(TensorError) -> Void
  ) throws(TensorError) {
    let sizes = PictureScratch.Sizes(maps: maps, segments: 1)
    let shares = ThreadedWork.shareCount(items: images, values: work, threads: threads)
    let scratch = try Scratch(shares: shares, bytesPerShare: sizes.byteCount)
    let address = scratch.address
    let failure = Failure()
    ThreadedWork.run(items: images, values: work, shares: shares) { share, items in
      failure.catching { () throws(TensorError) in try body(items, PictureScratch(address.raw(share: share), sizes)) }
    }
    try failure.check()
  }

  /// Goes over pictures that the kernels take one after the other.
  ///
  /// - Parameters:
  ///   - body: takes on some pictures; returns how many it did, all before one that it does not do.
  ///   - otherwise: does that.
  fileprivate func forEachPicture(
    of images: Range<Int>, _ body: (Range<Int>) -> Int, otherwise: (Int) throws(TensorError) -> Void
  ) throws(TensorError) {
    var next = images.lowerBound
    while true {
      next += body(next..<images.upperBound)
      if next == images.upperBound { return }
      try otherwise(next)
      next += 1
    }
  }
}

extension norm_pictures {
  /// Pictures from one on.
  fileprivate init(
    _ planes: Planes, from image: Int, setsOf width: Int, _ scale: ParameterValues, _ bias: ParameterValues,
    _ room: UnsafePointer<norm_picture_room>
  ) {
    let isByPlane = (scale.base ?? bias.base) != nil && (scale.base == nil ? bias : scale).grain == .plane
    let first = isByPlane ? image * planes.maps : 0
    self.init(
      pixels: planes.size, maps: planes.maps, width: width, samples: planes.pixelSamples,
      scale: scale.floats.map { $0 + first }, bias: bias.floats.map { $0 + first }, step: isByPlane ? planes.maps : 0,
      room: room)
  }
}

/// The forward call.
struct SmallPictures {
  let call: NormCall
  private let tuned: TunedForm
  private let width: Int

  init?(_ call: NormCall, _ kernels: NormKernels?, streamed: Int) {
    guard call.planes.areSmallPictures, let sharing = call.sharing, sharing != .batch || call.planes.images == 1,
      let tuned = TunedForm(kernels, call, streamed: streamed), norm_parameters.areAlike(call.scale, call.bias)
    else { return nil }
    self.call = call
    self.tuned = tuned
    width = sharing == .batch ? 1 : PlaneSets(sharing, of: call.planes).width
  }

  func run(on backend: CPUBackend, threads: Int) throws(TensorError) {
    let planes = call.planes
    try planes.forEachShare(threads: threads) { (images, scratch) throws(TensorError) in
      var (form, room) = (tuned.form, scratch.kernels)
      try planes.forEachPicture(of: images) { some in
        let (first, start) = (some.lowerBound * planes.maps, tuned.start(of: some.lowerBound))
        var pictures = norm_pictures(planes, from: some.lowerBound, setsOf: width, call.scale, call.bias, &room)
        return tuned.kernels.table.normalize_pictures(
          &form, &pictures, call.input + start, call.residual.map { $0 + start }, call.output.map { $0 + start },
          some.count, call.epsilon, call.mean.map { $0 + first }, call.invStd.map { $0 + first })
      } otherwise: { (image) throws(TensorError) in
        try run(image, on: backend)
      }
    }
  }

  /// A picture that the kernels are not exact enough for everywhere.
  private func run(_ image: Int, on backend: CPUBackend) throws(TensorError) {
    let (planes, start) = (call.planes, tuned.start(of: image))
    var own = call
    own.planes = planes.ofFirstPicture
    own.input += start
    own.output = call.output.map { $0 + start }
    own.residual = call.residual.map { $0 + start }
    own.scale = call.scale.ofPicture(image, planes)
    own.bias = call.bias.ofPicture(image, planes)
    // Planes that share need them.
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * planes.maps)
    let room = scratch.address.doubles(share: 0)
    own.mean = call.mean.map { $0 + image * planes.maps } ?? room
    own.invStd = call.invStd.map { $0 + image * planes.maps } ?? room + planes.maps
    try TunedPictures(own, tuned.kernels, streamed: .max)?.run(on: backend, threads: 1)
  }
}

/// The gradient of ``SmallPictures``.
struct SmallPictureGradients {
  let call: NormGradientCall
  private let tuned: TunedForm
  private let width: Int

  init?(_ call: NormGradientCall, _ kernels: NormKernels?, streamed: Int) {
    guard call.planes.areSmallPictures, let sharing = call.sharing, sharing != .batch || call.planes.images == 1,
      let tuned = TunedForm(kernels, call, streamed: streamed), norm_parameters.areAlike(call.scale, call.bias)
    else { return nil }
    self.call = call
    self.tuned = tuned
    width = sharing == .batch ? 1 : PlaneSets(sharing, of: call.planes).width
  }

  func run(threads: Int) throws(TensorError) {
    let planes = call.planes
    try planes.forEachShare(threads: threads) { (images, scratch) throws(TensorError) in
      var (form, room) = (tuned.form, scratch.kernels)
      try planes.forEachPicture(of: images) { some in
        let (first, start) = (some.lowerBound * planes.maps, tuned.start(of: some.lowerBound))
        var pictures = norm_pictures(planes, from: some.lowerBound, setsOf: width, call.scale, call.bias, &room)
        return tuned.kernels.table.pictures_gradient(
          &form, &pictures, call.gradient + start, call.input + start, call.residual.map { $0 + start },
          call.inputGradient.map { $0 + start }, call.residualGradient.map { $0 + start }, some.count,
          call.mean + first, call.invStd + first, call.sums + first, call.sums + planes.count + first)
      } otherwise: { (image) throws(TensorError) in
        try run(image)
      }
    }
  }

  /// A picture that the kernels are not exact enough for everywhere.
  private func run(_ image: Int) throws(TensorError) {
    let (planes, start, first) = (call.planes, tuned.start(of: image), image * call.planes.maps)
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * planes.maps)
    var own = call
    own.planes = planes.ofFirstPicture
    own.gradient += start
    own.input += start
    own.inputGradient = call.inputGradient.map { $0 + start }
    own.residual = call.residual.map { $0 + start }
    own.residualGradient = call.residualGradient.map { $0 + start }
    own.scale = call.scale.ofPicture(image, planes)
    own.bias = call.bias.ofPicture(image, planes)
    own.mean += first
    own.invStd += first
    own.sums = scratch.address.doubles(share: 0)
    try TunedPictureGradients(own, tuned.kernels, streamed: .max)?.run(threads: 1)
    (call.sums + first).update(from: own.sums, count: planes.maps)
    (call.sums + planes.count + first).update(from: own.sums + planes.maps, count: planes.maps)
  }
}

extension TunedForm {
  /// Where a picture begins, in bytes.
  fileprivate func start(of image: Int) -> Int { image * planes.size * planes.maps * valueBytes }
}

extension ParameterValues {
  /// Those of a picture's maps.
  fileprivate func ofPicture(_ image: Int, _ planes: Planes) -> ParameterValues {
    guard let base, grain == .plane else { return self }
    let first = UnsafeMutableRawPointer(mutating: base) + image * planes.maps * (isDouble ? 8 : 4)
    return ParameterValues(first, isDouble: isDouble, grain: .map, absent: constant)
  }
}
