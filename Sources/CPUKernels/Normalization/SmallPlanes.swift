import CNormKernels
import Calls
import Tensors

/// Small planes that each lie together, of which the kernels take many at a time.
struct SmallPlanes: NormWithStatistics {
  let call: NormCall
  private let tuned: TunedForm

  init?(_ call: NormCall, _ kernels: NormKernels?, streamed: Int) {
    guard call.planes.areSmall, let tuned = TunedForm(kernels, call, streamed: streamed),
      norm_parameters.areAlike(call.scale, call.bias)
    else { return nil }
    self.call = call
    self.tuned = tuned
  }

  func run(on backend: CPUBackend, threads: Int) throws(TensorError) {
    guard let sharing = call.sharing else { return try normalize(.all(of: call.planes), threads: threads) }
    if sharing.isOfSinglePlanes(call.planes) { return try runAlone(threads: threads) }
    let sets = PlaneSets(sharing, of: call.planes)
    if sets.areContiguous(call.planes) { return try runOnSets(sets, on: backend, threads: threads) }
    try runOnBatch(threads: threads)
  }

  /// Normalises each plane by its own moments, or only takes these.
  private func runAlone(threads: Int) throws(TensorError) {
    try call.planes.forEachStep(0..<call.planes.count, threads: threads) { (range) throws(TensorError) in
      try withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * Planes.mostInStep) {
        (room) throws(TensorError) in
        let length = call.planes.planesInStep
        for start in stride(from: range.lowerBound, to: range.upperBound, by: length) {
          let some = start..<min(start + length, range.upperBound)
          let mean = call.mean.map { $0 + start } ?? room.baseAddress!
          let invStd = call.invStd.map { $0 + start } ?? room.baseAddress! + Planes.mostInStep
          tuned.kernels.table.planes_statistics(
            tuned.form.type, address(call.input, start), call.planes.size, some.count, call.epsilon, mean, invStd)
          try normalize(some, mean, invStd) { $0.run($1, block: $2) }
        }
      }
    }
  }

  private func address(_ base: UnsafeMutableRawPointer, _ plane: Int) -> UnsafeMutableRawPointer {
    base + plane * call.planes.size * tuned.valueBytes
  }

  /// Normalises neighbouring planes.
  ///
  /// - Parameters:
  ///   - mean: of the first of them. Likewise `invStd`.
  ///   - plainly: how a plane is normalised that the kernels are not exact enough for.
  private func normalize(
    _ range: Range<Int>, _ mean: UnsafePointer<Double>, _ invStd: UnsafePointer<Double>,
    plainly: (PlainNorm, Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    guard let output = call.output else { return }
    /// How many were normalised: all up to the sixteen that have a plane the kernels are not exact enough for.
    func some(_ range: Range<Int>, from start: Int) -> Int {
      var form = tuned.form
      let first = range.lowerBound
      var parameters = norm_parameters(
        call.planes, first, mean: mean + (first - start), invStd: invStd + (first - start), call.scale, call.bias)
      return tuned.kernels.table.normalize_planes(
        &form, address(call.input, first), call.residual.map { address($0, first) }, address(output, first),
        call.planes.size, range.count, &parameters)
    }
    try forEachSixteen(of: range) {
      some($0, from: range.lowerBound)
    } plainly: { (plane) throws(TensorError) in
      let scratch = try Scratch(shares: 1, doublesPerShare: PlainNorm.scratch(width: 1, size: call.planes.size))
      plainly(PlainNorm(call), call.planes.band(ofPlane: plane), scratch.address.doubles(share: 0))
    }
  }

  /// Normalises each plane of a part by the statistics that the call has.
  func normalize(_ part: Part, threads: Int) throws(TensorError) {
    guard let mean = call.mean, let invStd = call.invStd else { return }
    try call.planes.forEachStep(part.planes, threads: threads) { (range) throws(TensorError) in
      try normalize(range, mean + range.lowerBound, invStd + range.lowerBound) { $0.normalize($1, block: $2) }
    }
  }

  // MARK: Batches

  /// Normalises the planes of each map by what they have in common.
  private func runOnBatch(threads: Int) throws(TensorError) {
    let planes = call.planes
    let share = try BatchShare(planes, threads: threads) { (maps, images) throws(TensorError) in
      // Of shifts, as floats; sums, squares; means, variances.
      try Scratch(shares: images, doublesPerShare: 5 * maps)
    }
    try share.run { (maps, room) throws(TensorError) in try runOnBatch(maps, room) }
  }

  private func runOnBatch(_ maps: Range<Int>, _ room: UnsafeMutablePointer<Double>) throws(TensorError) {
    guard let mean = call.mean, let invStd = call.invStd else { return }
    let planes = call.planes
    let width = BatchShare.most
    let shifts = UnsafeMutableRawPointer(room).assumingMemoryBound(to: Float.self)
    let (sums, squares) = (room + width, room + 2 * width)
    let (means, variances) = (room + 3 * width, room + 4 * width)
    func takeMoments() -> Bool {
      sums.update(repeating: 0, count: 2 * width)
      for image in 0..<planes.images {
        tuned.kernels.table.planes_moments(
          tuned.form.type, address(call.input, image * planes.maps + maps.lowerBound), planes.size, maps.count,
          shifts, sums, squares)
      }
      return tuned.kernels.table.moments(
        maps.count, Double(planes.images * planes.size), shifts, sums, squares, means, variances)
    }
    shifts.update(repeating: 0, count: width)
    sample(maps, means, into: shifts)
    if takeMoments() {
      // The others come out as before: each map's sums are its own.
      let size = PlaneSize(planes.images * planes.size)
      for index in 0..<maps.count {
        let own = ShiftedSums(shift: shifts[index], sum: sums[index], square: squares[index])
        if own.isFarOff(size) { shifts[index] = Float(own.mean(size)) }
      }
      _ = takeMoments()
    }
    // In float64 sums do not leave the range, so that these are of values that are no numbers.
    for index in 0..<maps.count where variances[index] == .infinity {
      (means[index], variances[index]) = (.nan, .nan)
    }
    tuned.kernels.table.inverses(maps.count, call.epsilon, variances, variances)
    for image in 0..<planes.images {
      let first = image * planes.maps + maps.lowerBound
      (mean + first).update(from: means, count: maps.count)
      (invStd + first).update(from: variances, count: maps.count)
      try normalize(first..<first + maps.count, means, variances) { $0.normalize($1, block: $2) }
    }
  }

  /// A value near each map's mean, and exactly that of a constant: the mean of first values of some pictures.
  private func sample(
    _ maps: Range<Int>, _ sums: UnsafeMutablePointer<Double>, into shifts: UnsafeMutablePointer<Float>
  ) {
    let planes = call.planes
    func sample<S: Scalar>(_ type: S.Type) {
      let values = call.input.assumingMemoryBound(to: S.self)
      let count = min(planes.images, 16)
      sums.update(repeating: 0, count: maps.count)
      for index in 0..<count {
        let place = index * planes.size / count
        let first = values + (planes.images * index / count * planes.maps + maps.lowerBound) * planes.size + place
        for map in 0..<maps.count { sums[map] += first[map * planes.size].double }
      }
      for map in 0..<maps.count { shifts[map] = Float(sums[map] / Double(count)) }
    }
    switch planes.dtype {
    case .float16: sample(Float16.self)
    case .bfloat16: sample(BFloat16.self)
    case .float32: sample(Float.self)
    case .float64: sample(Double.self)
    }
  }
}

/// Goes over planes that the kernels take sixteen of at a time.
///
/// - Parameters:
///   - body: takes on some planes; returns how many it did, all before the sixteen that have one that it does not do.
///   - plainly: does such a plane.
func forEachSixteen(
  of range: Range<Int>, _ body: (Range<Int>) -> Int, plainly: (Int) throws(TensorError) -> Void
) throws(TensorError) {
  var next = range.lowerBound
  while next < range.upperBound {
    next += body(next..<range.upperBound)
    for plane in next..<min(next + 16, range.upperBound) where body(plane..<plane + 1) == 0 { try plainly(plane) }
    next += 16
  }
}

/// How threads share the maps of a batch: each goes over all pictures with some neighbouring maps at a time.
struct BatchShare: ~Copyable {
  /// The most maps at a time.
  static let most = 64

  private let planes: Planes
  private let shares: Int
  private let length: Int
  private let scratch: Scratch

  /// - Parameter makeRoom: given the most maps at a time and the number of threads, takes memory for each.
  init(
    _ planes: Planes, threads: Int, _ makeRoom: (_ maps: Int, _ shares: Int) throws(TensorError) -> Scratch
  ) throws(TensorError) {
    self.planes = planes
    // Sixteen at a time where they are worked on together, but something for each thread.
    let fit = CacheSizes.part / (planes.images * planes.size * planes.dtype.byteCount) / 16 * 16
    let even = (planes.maps + threads - 1) / threads
    length = max(1, min(max(fit, 16), even >= 16 ? even / 16 * 16 : even, Self.most))
    let count = (planes.maps + length - 1) / length
    shares = ThreadedWork.shareCount(items: count, values: planes.valueCount, threads: threads)
    scratch = try makeRoom(Self.most, shares)
  }

  func run(
    _ body: (_ maps: Range<Int>, _ room: UnsafeMutablePointer<Double>) throws(TensorError) -> Void
  ) throws(TensorError) {
    let (planes, length, address) = (planes, length, scratch.address)
    let count = (planes.maps + length - 1) / length
    let failure = Failure()
    ThreadedWork.run(items: count, values: planes.valueCount, shares: shares) { share, items in
      failure.catching { () throws(TensorError) in
        for index in items {
          try body(index * length..<min((index + 1) * length, planes.maps), address.doubles(share: share))
        }
      }
    }
    try failure.check()
  }
}

extension Planes {
  /// Whether the kernels take many of these at a time.
  var areSmall: Bool { areContiguous && size > 0 && size <= Int(norm_small_plane) }

  /// The most planes that both passes go over together.
  static let mostInStep = 64

  /// As many as stay in the nearest cache, in sixteens.
  var planesInStep: Int {
    max(16, min(Self.mostInStep, CacheSizes.group / (size * dtype.byteCount) / 16 * 16))
  }

  /// Shares neighbouring planes among threads, in sixteens.
  func forEachStep(
    _ range: Range<Int>, threads: Int, _ body: (Range<Int>) throws(TensorError) -> Void
  ) throws(TensorError) {
    let (steps, values) = ((range.count + 15) / 16, range.count * max(size, 16))
    let shares = ThreadedWork.shareCount(items: steps, values: values, threads: threads)
    let failure = Failure()
    ThreadedWork.run(items: steps, values: values, shares: shares) { _, items in
      let first = range.lowerBound + items.lowerBound * 16
      failure.catching { () throws(TensorError) in
        try body(first..<min(range.lowerBound + items.upperBound * 16, range.upperBound))
      }
    }
    try failure.check()
  }
}

extension norm_parameters {
  /// Of planes from one on.
  ///
  /// - Parameter mean: the first one's. Likewise `invStd`.
  init(
    _ planes: Planes, _ plane: Int, mean: UnsafePointer<Double>, invStd: UnsafePointer<Double>,
    _ scale: ParameterValues, _ bias: ParameterValues
  ) {
    let isByPlane = (scale.base != nil && scale.grain == .plane) || (bias.base != nil && bias.grain == .plane)
    self.init(
      mean: mean, inv_std: invStd, scale: scale.floats, bias: bias.floats,
      first: isByPlane ? plane : plane % planes.maps, maps: isByPlane ? planes.count : planes.maps)
  }

  /// Of the planes of a picture.
  init(
    picture image: Int, of planes: Planes, mean: UnsafePointer<Double>, invStd: UnsafePointer<Double>,
    _ scale: ParameterValues, _ bias: ParameterValues
  ) {
    let first = image * planes.maps
    self.init(
      mean: mean, inv_std: invStd, scale: scale.floats.map { scale.grain == .plane ? $0 + first : $0 },
      bias: bias.floats.map { bias.grain == .plane ? $0 + first : $0 }, first: 0, maps: planes.maps)
  }

  /// Whether scale and bias are both by map, or both by plane.
  static func areAlike(_ scale: ParameterValues, _ bias: ParameterValues) -> Bool {
    scale.base == nil || bias.base == nil || scale.grain == bias.grain
  }
}

extension ParameterValues {
  /// The values where there are some, which for the kernels are float32.
  var floats: UnsafePointer<Float>? { base?.assumingMemoryBound(to: Float.self) }
}
