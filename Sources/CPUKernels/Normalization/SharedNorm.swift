import Calls
import Tensors

// Normalisation by statistics that planes share: the moments of every plane, merged as a rule says, then every plane
// normalised; backward likewise with the sums of gradients. Planes that share with no other have a faster way, in which
// both passes over a plane come together; here, both over as many sets of planes as stay in cache.

/// Something that normalises by statistics that there are.
protocol NormWithStatistics {
  var call: NormCall { get }

  /// Normalises each plane of a part by the statistics that the call has.
  func normalize(_ part: Part, threads: Int) throws(TensorError)
}

extension NormWithStatistics {
  /// Normalises sets whose planes lie one after the other: they share the statistics of one long plane.
  func runOnSets(_ sets: PlaneSets, on backend: CPUBackend, threads: Int) throws(TensorError) {
    let planes = call.planes
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * sets.count)
    let means = scratch.address.doubles(share: 0)
    let inverses = means + sets.count
    try Part.forEach(of: planes, in: sets, threads: threads) { (part, threads) throws(TensorError) in
      let first = part.sets.lowerBound
      let size = sets.width * planes.size
      let long = NormCall(
        planes: Planes(dtype: planes.dtype, layout: .nchw, images: part.sets.count, maps: 1, size: size),
        input: call.input + first * size * planes.dtype.byteCount, output: nil, epsilon: call.epsilon,
        mean: means + first, invStd: inverses + first)
      try backend.normalize(long, threads: threads)
      for set in part.sets {
        call.mean.map { $0 + set * sets.width }?.update(repeating: means[set], count: sets.width)
        call.invStd.map { $0 + set * sets.width }?.update(repeating: inverses[set], count: sets.width)
      }
      if call.output != nil { try normalize(part, threads: threads) }
    }
  }
}

/// The two passes over memory that a normalisation is made of, each over any part of the planes.
protocol NormPasses: NormWithStatistics {
  /// Normalises each plane by its own moments.
  func runAlone(threads: Int) throws(TensorError)

  /// Writes the moments of each plane of a part, by the plane's number.
  func takeMoments(of part: Part, into moments: UnsafeMutablePointer<Moments>, threads: Int) throws(TensorError)
}

extension NormPasses {
  /// Takes statistics, unless they are given, and normalises, if that is asked for.
  func run(on backend: CPUBackend, threads: Int) throws(TensorError) {
    let planes = call.planes
    guard let sharing = call.sharing else { return try normalize(.all(of: planes), threads: threads) }
    if call.output != nil, sharing.isOfSinglePlanes(planes) { return try runAlone(threads: threads) }
    let sets = PlaneSets(sharing, of: planes)
    if sets.areContiguous(planes), sets.width > 1 { return try runOnSets(sets, on: backend, threads: threads) }
    try runMerging(sets, threads: threads)
  }

  /// Merges the moments of planes into those of sets.
  private func runMerging(_ sets: PlaneSets, threads: Int) throws(TensorError) {
    let planes = call.planes
    let scratch = try Scratch(shares: 1, bytesPerShare: planes.count * MemoryLayout<Moments>.stride)
    let moments = scratch.address.raw(share: 0).bindMemory(to: Moments.self, capacity: planes.count)
    try Part.forEach(of: planes, in: sets, threads: threads) { (part, threads) throws(TensorError) in
      try takeMoments(of: part, into: moments, threads: threads)
      for set in part.sets { try share(set, of: sets, moments) }
      if call.output != nil { try normalize(part, threads: threads) }
    }
  }

  /// Gives all planes of a set the statistics of their merged moments.
  private func share(
    _ set: Int, of sets: PlaneSets, _ moments: UnsafeMutablePointer<Moments>
  ) throws(TensorError) {
    var total = merged(set, of: sets, moments)
    var prescale = 1.0
    if isOutOfRange(total) {
      // Rare: of planes so extreme, moments are taken again, in float64 and brought into its range.
      let scratch = try Scratch(shares: 1, doublesPerShare: PlainNorm.scratch(width: 1, size: call.planes.size))
      let (plain, block) = (PlainNorm(call), scratch.address.doubles(share: 0))
      func band(_ member: Int) -> Band { call.planes.band(ofPlane: sets[set, member]) }
      if call.planes.dtype == .float64 {
        // Where one is NaN, so is the set.
        var largest = 0.0
        for member in 0..<sets.width { largest = max(largest, plain.largestMagnitude(in: band(member), block: block)) }
        prescale = Standardization.prescale(magnitude: largest)
      }
      for member in 0..<sets.width {
        plain.moments(of: band(member), prescale: prescale, block: block, into: moments + sets[set, member])
      }
      total = merged(set, of: sets, moments)
    }
    let standardization = Standardization(total, epsilon: call.epsilon, prescale: prescale)
    func give(_ value: Double, to statistics: UnsafeMutablePointer<Double>?) {
      guard let first = statistics.map({ $0 + sets[set, 0] }) else { return }
      if sets.step == 1 { return first.update(repeating: value, count: sets.width) }
      for member in 0..<sets.width { first[member * sets.step] = value }
    }
    give(standardization.mean, to: call.mean)
    give(standardization.invStd, to: call.invStd)
  }

  /// Whether sums may have left the range of what they were taken in: float32 by the kernels, else float64.
  private func isOutOfRange(_ moments: Moments) -> Bool {
    call.planes.dtype == .float64
      ? Standardization.leftRange(moments, epsilon: call.epsilon)
      : !ordinary.contains(Standardization(moments, epsilon: call.epsilon, prescale: 1).invStd)
  }

  /// As ``Moments/merge(_:)`` does it, of planes that are equally large, and without a division for each.
  private func merged(_ set: Int, of sets: PlaneSets, _ moments: UnsafeMutablePointer<Moments>) -> Moments {
    let (members, width, step) = (moments + sets[set, 0], sets.width, sets.step)
    let first = members[0]
    let mean = first.mean + sumByFours(width) { members[$0 * step].mean - first.mean } / Double(width)
    let squares = sumByFours(width) {
      let own = members[$0 * step]
      return own.squaredDeviations + (own.mean - mean) * (own.mean - mean) * first.count
    }
    return Moments(count: first.count * Double(width), mean: mean, squaredDeviations: squares)
  }
}

/// The two passes that a gradient is made of.
protocol NormGradientPasses {
  var call: NormGradientCall { get }

  /// Takes each plane's gradient by its own sums.
  func runAlone(threads: Int) throws(TensorError)

  /// Writes the sums of each plane of a part to the call's, and the largest |dn| to `largest`, by the plane's number;
  /// infinity for a plane that the next pass is to take the plain way.
  func takeSums(of part: Part, largest: UnsafeMutablePointer<Float>, threads: Int) throws(TensorError)

  /// Writes dx and dn of each plane of a part.
  func writeGradient(
    of part: Part, means: MeansByPlane, largest: UnsafePointer<Float>, threads: Int) throws(TensorError)
}

/// A ``SetMeans`` for each plane.
struct MeansByPlane {
  let gradient: UnsafeMutablePointer<Double>
  let product: UnsafeMutablePointer<Double>

  subscript(plane: Int) -> SetMeans { SetMeans(gradient: gradient[plane], product: product[plane]) }
}

extension NormGradientPasses {
  func run(threads: Int) throws(TensorError) {
    let isAlone = call.sharing?.isOfSinglePlanes(call.planes) == true
    try isAlone ? runAlone(threads: threads) : runShared(threads: threads)
  }

  private func runShared(threads: Int) throws(TensorError) {
    let planes = call.planes
    // Statistics that were given do not depend on x; then nothing is taken off.
    let sets = PlaneSets(call.sharing ?? .instance, of: planes)
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * planes.count)
    let address = scratch.address.doubles(share: 0)
    let means = MeansByPlane(gradient: address, product: address + planes.count)
    let floats = try Scratch(shares: 1, bytesPerShare: planes.count * MemoryLayout<Float>.stride)
    let largest = floats.address.raw(share: 0).bindMemory(to: Float.self, capacity: planes.count)
    try Part.forEach(of: planes, in: sets, threads: threads) { (part, threads) throws(TensorError) in
      try takeSums(of: part, largest: largest, threads: threads)
      if call.inputGradient == nil { return }
      for set in part.sets { share(set, of: sets, means) }
      try writeGradient(of: part, means: means, largest: largest, threads: threads)
    }
  }

  /// Gives all planes of a set the means of their sums.
  private func share(_ set: Int, of sets: PlaneSets, _ means: MeansByPlane) {
    let (first, width, step) = (sets[set, 0], sets.width, sets.step)
    var total = SetMeans()
    if call.sharing != nil {
      total = scaledSums(from: first, width, step)
      total.gradient /= Double(width * call.planes.size)
      total.product /= Double(width * call.planes.size)
    }
    if step == 1 {
      (means.gradient + first).update(repeating: total.gradient, count: width)
      (means.product + first).update(repeating: total.product, count: width)
    } else {
      for member in 0..<width {
        means.gradient[first + member * step] = total.gradient
        means.product[first + member * step] = total.product
      }
    }
  }

  /// The sums of a set's planes, each times the plane's scale.
  private func scaledSums(from first: Int, _ width: Int, _ step: Int) -> SetMeans {
    let (scale, maps) = (call.scale, max(call.planes.maps, 1))
    guard let base = scale.base, scale.grain != .element else {
      return scaledSums(from: first, width, step) { _ in scale.constant }
    }
    // Maps of a set follow each other, or are all the same.
    let isByPlane = scale.grain == .plane
    let (start, apart) = (isByPlane ? first : first % maps, isByPlane ? step : step % maps == 0 ? 0 : 1)
    if scale.isDouble {
      let factors = base.assumingMemoryBound(to: Double.self) + start
      return scaledSums(from: first, width, step) { factors[$0 * apart] }
    }
    let factors = base.assumingMemoryBound(to: Float.self) + start
    return scaledSums(from: first, width, step) { Double(factors[$0 * apart]) }
  }

  @inline(__always)
  private func scaledSums(
    from first: Int, _ width: Int, _ step: Int, factor: (_ member: Int) -> Double
  ) -> SetMeans {
    let (sums, products) = (call.sums + first, call.sums + call.planes.count + first)
    func sum(_ values: UnsafePointer<Double>) -> Double {
      sumByFours(width) { factor($0) * values[$0 * step] }
    }
    return SetMeans(gradient: sum(sums), product: sum(products))
  }
}

/// A sum of which four parts go on at a time, so that none waits for the one before.
@inline(__always)
private func sumByFours(_ count: Int, _ term: (Int) -> Double) -> Double {
  var sums = SIMD4<Double>.zero
  var index = 0
  while index + 4 <= count {
    sums += SIMD4(term(index), term(index + 1), term(index + 2), term(index + 3))
    index += 4
  }
  var total = sums.sum()
  while index < count {
    total += term(index)
    index += 1
  }
  return total
}

extension PlaneSets {
  /// Whether all values of each set lie together.
  func areContiguous(_ planes: Planes) -> Bool {
    step == 1 && (planes.areContiguous || planes.size == 1 || width == planes.maps)
  }
}

// MARK: - Parts

/// Some of the sets that planes share their moments in.
struct Part {
  let sets: Range<Int>
  private let all: PlaneSets
  private let imageCount: Int

  private init(_ sets: Range<Int>, of all: PlaneSets, images: Int) {
    self.sets = sets
    self.all = all
    imageCount = images
  }

  /// All planes.
  static func all(of planes: Planes) -> Part {
    let sets = PlaneSets(.instance, of: planes)
    return Part(0..<sets.count, of: sets, images: planes.images)
  }

  var planeCount: Int { sets.count * all.width }

  /// The planes' numbers, of sets whose planes follow each other.
  var planes: Range<Int> { sets.lowerBound * all.width..<sets.upperBound * all.width }

  /// The planes' numbers, in the order of memory.
  func plane(_ index: Int) -> Int {
    all.step == 1
      ? sets.lowerBound * all.width + index : index / sets.count * all.step + sets.lowerBound + index % sets.count
  }

  /// The pictures that the planes are of, whose maps are all in the part where these alternate in memory.
  var images: Range<Int> {
    if all.step > 1 || all.maps == 0 { return 0..<imageCount }
    return sets.lowerBound * all.width / all.maps..<sets.upperBound * all.width / all.maps
  }

  /// Calls `body` with parts that make up all planes, and how many threads it may use for one.
  static func forEach(
    of planes: Planes, in sets: PlaneSets, threads: Int,
    _ body: (_ part: Part, _ threads: Int) throws(TensorError) -> Void
  ) throws(TensorError) {
    func part(_ range: Range<Int>) -> Part { Part(range, of: sets, images: planes.images) }
    // Where maps alternate, whole pictures.
    let least = planes.layout == .nchw || planes.maps == 1 ? 1 : sets.step > 1 ? sets.count : planes.maps / sets.width
    let bytes = least * sets.width * planes.size * planes.dtype.byteCount
    let units = sets.count / max(least, 1)
    let length = max(1, CacheSizes.part / max(bytes, 1))
    let fewest = (units + length - 1) / length
    // Merging has one thread a part, so that there is one for each thread at least, and then as many for each. (A variable
    // that closures see would lie on the heap.)
    let shares = ThreadedWork.shareCount(items: units, values: planes.work, threads: threads)
    let even = (fewest + shares - 1) / shares * shares
    let count = even <= units ? even : fewest
    func part(number index: Int) -> Part {
      part(units * index / count * least..<units * (index + 1) / count * least)
    }

    let isEven = count % shares == 0 || count >= 8 * shares
    if isEven, shares > 1 {
      let failure = Failure()
      ThreadedWork.run(items: count, values: planes.work, shares: shares) { _, items in
        failure.catching { () throws(TensorError) in
          for index in items { try body(part(number: index), 1) }
        }
      }
      try failure.check()
    } else {
      for index in 0..<count { try body(part(number: index), threads) }
    }
  }

  /// Calls `body` for each plane, with how many threads are to share it: one where the planes go round, else all.
  func forEachPlane(
    _ segments: Segments, _ planes: Planes, threads: Int,
    _ body: (_ plane: Int, _ shares: Int) throws(TensorError) -> Void
  ) throws(TensorError) {
    let split = segments.split(planeCount, of: planes.size, threads: threads)
    if split.shares > 1 {
      for index in 0..<planeCount { try body(plane(index), split.shares) }
    } else {
      let failure = Failure()
      ThreadedWork.run(items: planeCount, values: planeCount * planes.size, shares: split.planes) { _, items in
        failure.catching { () throws(TensorError) in
          for index in items { try body(plane(index), 1) }
        }
      }
      try failure.check()
    }
  }

  /// Calls `body` for each band with scratch for so many float64 values.
  func forEachBand(
    _ planes: Planes, scratch: Int, threads: Int, _ body: (Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    let bands = Bands(planes)
    // Where maps alternate, a picture's bands follow each other; else a band is a plane.
    let (first, count) =
      planes.layout == .nchw ? (0, planeCount) : (images.lowerBound * bands.perImage, images.count * bands.perImage)
    let values = planeCount * planes.size
    let shares = ThreadedWork.shareCount(items: count, values: values, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: scratch)
    let address = scratch.address
    ThreadedWork.run(items: count, values: values, shares: shares) { share, items in
      let block = address.doubles(share: share)
      for index in items { body(bands[planes.layout == .nchw ? plane(index) : first + index], block) }
    }
  }
}
