import CNormKernels
import Calls
import Tensors

/// The gradient of ``SmallPlanes``.
struct SmallPlaneGradients: NormGradientPasses {
  let call: NormGradientCall
  private let tuned: TunedForm

  init?(_ call: NormGradientCall, _ kernels: NormKernels?, streamed: Int) {
    guard call.planes.areSmall, let tuned = TunedForm(kernels, call, streamed: streamed),
      norm_parameters.areAlike(call.scale, call.bias)
    else { return nil }
    self.call = call
    self.tuned = tuned
    isBatch = call.sharing == .batch && call.planes.images > 1
    // Sums are then of maps.
    if isBatch, !call.scale.isByMap || !call.bias.isByMap { return nil }
  }

  /// Whether the planes of each map share their moments.
  let isBatch: Bool

  /// Takes each plane's gradient by its own sums.
  func runAlone(threads: Int) throws(TensorError) {
    let planes = call.planes
    try planes.forEachStep(0..<planes.count, threads: threads) { (range) throws(TensorError) in
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: Planes.mostInStep) { (room) throws(TensorError) in
        let largest = room.baseAddress!
        let length = planes.planesInStep
        for start in stride(from: range.lowerBound, to: range.upperBound, by: length) {
          let some = start..<min(start + length, range.upperBound)
          let (sums, products) = (call.sums + start, call.sums + planes.count + start)
          clear(some.count, sums, products, largest)
          try takeSums(of: some, sums, products, largest) { largest[$0 - start] = .infinity }
          let means = norm_means(gradient: sums, product: products, largest: largest, size: Double(planes.size))
          try writeGradient(of: some, means) { $0.run($1, block: $2) }
        }
      }
    }
  }

  private func clear(
    _ count: Int, _ sums: UnsafeMutablePointer<Double>, _ products: UnsafeMutablePointer<Double>,
    _ largest: UnsafeMutablePointer<Float>
  ) {
    sums.update(repeating: 0, count: count)
    products.update(repeating: 0, count: count)
    largest.update(repeating: 0, count: count)
  }

  private func address(_ base: UnsafeMutableRawPointer, _ plane: Int) -> UnsafeMutableRawPointer {
    base + plane * call.planes.size * tuned.valueBytes
  }

  private func parameters(_ plane: Int) -> norm_parameters {
    norm_parameters(
      call.planes, plane, mean: call.mean + plane, invStd: call.invStd + plane, call.scale, call.bias)
  }

  /// Adds the sums of neighbouring planes to what is there, from the first of them on.
  ///
  /// - Parameter otherwise: called with each plane that the kernels are not exact enough for.
  private func takeSums(
    of range: Range<Int>, _ sums: UnsafeMutablePointer<Double>, _ products: UnsafeMutablePointer<Double>,
    _ largest: UnsafeMutablePointer<Float>, otherwise: (Int) -> Void
  ) throws(TensorError) {
    try forEachSixteen(of: range) { some in
      var form = tuned.form
      var parameters = parameters(some.lowerBound)
      let (plane, index) = (some.lowerBound, some.lowerBound - range.lowerBound)
      return tuned.kernels.table.planes_gradient_sums(
        &form, address(call.gradient, plane), address(call.input, plane), call.residual.map { address($0, plane) },
        call.planes.size, some.count, &parameters, sums + index, products + index, largest + index)
    } plainly: {
      otherwise($0)
    }
  }

  /// Writes dx and dn of neighbouring planes, where they are asked for.
  ///
  /// - Parameters:
  ///   - means: of these planes.
  ///   - plainly: how they are had of a plane that the kernels are not exact enough for.
  private func writeGradient(
    of range: Range<Int>, _ means: norm_means,
    plainly: (PlainNormGradient, Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    try forEachSixteen(of: range) { some in
      var form = tuned.form
      var parameters = parameters(some.lowerBound)
      let (plane, index) = (some.lowerBound, some.lowerBound - range.lowerBound)
      var means = norm_means(
        gradient: means.gradient + index, product: means.product + index, largest: means.largest + index,
        size: means.size)
      return tuned.kernels.table.planes_gradient(
        &form, address(call.gradient, plane), address(call.input, plane), call.residual.map { address($0, plane) },
        call.inputGradient.map { address($0, plane) }, call.residualGradient.map { address($0, plane) },
        call.planes.size, some.count, &parameters, &means)
    } plainly: { (plane) throws(TensorError) in
      try plain(plane, plainly)
    }
  }

  private func plain(
    _ plane: Int, _ body: (PlainNormGradient, Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    let scratch = try Scratch(shares: 1, doublesPerShare: PlainNormGradient.scratch(width: 1, size: call.planes.size))
    body(PlainNormGradient(call), call.planes.band(ofPlane: plane), scratch.address.doubles(share: 0))
  }

  // MARK: Planes that share

  func takeSums(of part: Part, largest: UnsafeMutablePointer<Float>, threads: Int) throws(TensorError) {
    let planes = call.planes
    try planes.forEachStep(part.planes, threads: threads) { (range) throws(TensorError) in
      let start = range.lowerBound
      let (sums, products) = (call.sums + start, call.sums + planes.count + start)
      clear(range.count, sums, products, largest + start)
      try takeSums(of: range, sums, products, largest + start) { largest[$0] = .infinity }
      // Beyond float32's range in the sums, perhaps not in float64.
      for plane in range {
        if (call.sums[plane] + call.sums[planes.count + plane]).isFinite, largest[plane].isFinite { continue }
        largest[plane] = .infinity
        try plain(plane) { $0.sums(of: $1, block: $2) }
      }
    }
  }

  func writeGradient(
    of part: Part, means: MeansByPlane, largest: UnsafePointer<Float>, threads: Int
  ) throws(TensorError) {
    try call.planes.forEachStep(part.planes, threads: threads) { (range) throws(TensorError) in
      let start = range.lowerBound
      let own = norm_means(
        gradient: means.gradient + start, product: means.product + start, largest: largest + start, size: 0)
      try writeGradient(of: range, own) { $0.gradient(of: $1, block: $2) { means[$0] } }
    }
  }

  // MARK: Batches

  /// Takes the gradient of planes that share theirs with all of the same map; sums are of each map, as if of one
  /// picture.
  func runOnBatch(threads: Int) throws(TensorError) {
    let planes = call.planes
    // Sums of all maps, which may not yet go where planes that are taken plainly have theirs.
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * planes.maps)
    let totals = scratch.address.doubles(share: 0)
    let share = try BatchShare(planes, threads: threads) { (maps, shares) throws(TensorError) in
      // Of means; the largest, as floats.
      try Scratch(shares: shares, doublesPerShare: 3 * maps)
    }
    try share.run { (maps, room) throws(TensorError) in
      try runOnBatch(maps, totals + maps.lowerBound, totals + planes.maps + maps.lowerBound, room)
    }
    call.sums.update(from: totals, count: 2 * planes.maps)
  }

  private func runOnBatch(
    _ maps: Range<Int>, _ sums: UnsafeMutablePointer<Double>, _ products: UnsafeMutablePointer<Double>,
    _ room: UnsafeMutablePointer<Double>
  ) throws(TensorError) {
    let planes = call.planes
    let means = MeansByPlane(gradient: room, product: room + BatchShare.most)
    let largest = UnsafeMutableRawPointer(room + 2 * BatchShare.most).assumingMemoryBound(to: Float.self)
    clear(maps.count, sums, products, largest)
    func range(_ image: Int) -> Range<Int> {
      image * planes.maps + maps.lowerBound..<image * planes.maps + maps.upperBound
    }
    for image in 0..<planes.images {
      try takeSums(of: range(image), sums, products, largest) { largest[$0 - range(image).lowerBound] = .infinity }
    }
    // A map one of whose planes the kernels are not exact enough for.
    for index in 0..<maps.count where !(sums[index] + products[index]).isFinite || largest[index].isInfinite {
      largest[index] = .infinity
      (sums[index], products[index]) = (0, 0)
      for image in 0..<planes.images {
        let plane = range(image).lowerBound + index
        try plain(plane) { $0.sums(of: $1, block: $2) }
        sums[index] += call.sums[plane]
        products[index] += call.sums[planes.count + plane]
      }
    }
    if call.inputGradient == nil { return }
    let part = 1 / Double(planes.images * planes.size)
    for index in 0..<maps.count {
      let factor = call.scale.value(maps.lowerBound + index, map: maps.lowerBound + index) * part
      means.gradient[index] = sums[index] * factor
      means.product[index] = products[index] * factor
    }
    for image in 0..<planes.images {
      let own = norm_means(gradient: means.gradient, product: means.product, largest: largest, size: 0)
      try writeGradient(of: range(image), own) { plain, band, block in
        plain.gradient(of: band, block: block) { means[$0 - range(image).lowerBound] }
      }
    }
  }
}
