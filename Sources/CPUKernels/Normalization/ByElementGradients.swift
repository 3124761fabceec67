import CNormKernels
import Calls
import Tensors

/// The gradient of ``ElementNorm``.
struct ElementGradients {
  private let call: NormGradientCall
  private let tuned: TunedForm
  private let lookup: ElementSets.Lookup
  private let segments: Segments

  /// Takes all gradients of a call that has parameters by element, those of the parameters too; false where that has
  /// another way.
  static func run(_ call: NormGradientCall, _ kernels: NormKernels?, threads: Int) throws(TensorError) -> Bool {
    guard let tuned = TunedForm(kernels, elementsOf: call),
      let sets = try ElementSets.of(call.planes, call.sharing, call.scale, call.bias)
    else { return false }
    let gradients = ElementGradients(
      call: call, tuned: tuned, lookup: sets.lookup, segments: .ofPlane(sets.size))
    // First, since dx may take the place of what both read.
    if call.scaleGradient != nil || call.biasGradient != nil { try gradients.takeParameters(threads: threads) }
    if call.inputGradient != nil { try gradients.takeInput(sets.sets.count, threads: threads) }
    return true
  }

  private func elements(_ set: Int, from start: Int) -> norm_elements? {
    let plane = lookup.planes(of: set).lowerBound
    return lookup.elements(set, from: start, mean: call.mean[plane], invStd: call.invStd[plane])
  }

  // MARK: Parameters

  /// Writes the sums over pictures, in their order, of dn xhat and of dn.
  private func takeParameters(threads: Int) throws(TensorError) {
    let planes = call.planes
    let length = 512
    let pieces = (lookup.size + length - 1) / length
    let count = pieces * lookup.perImage
    let shares = ThreadedWork.shareCount(items: count, values: planes.valueCount, threads: threads)
    // The kernels add whole vectors.
    let room = 2 * (length + 16)
    let plainRoom = PlainNormGradient.scratch(width: 1, size: planes.size)
    let scratch = try Scratch(shares: shares, doublesPerShare: room + plainRoom)
    let address = scratch.address
    ThreadedWork.run(items: count, values: planes.valueCount, shares: shares) { share, items in
      let products = address.doubles(share: share)
      let sums = products + length + 16
      for item in items {
        let start = item % pieces * length
        let range = start..<min(start + length, lookup.size)
        products.update(repeating: 0, count: room)
        for image in 0..<planes.images {
          add(image * lookup.perImage + item / pieces, range, products, sums, block: products + room)
        }
        let first = item / pieces * lookup.size + start
        write(products, range.count, first, to: call.scaleGradient)
        write(sums, range.count, first, to: call.biasGradient)
      }
    }
  }

  private func add(
    _ set: Int, _ range: Range<Int>, _ products: UnsafeMutablePointer<Double>, _ sums: UnsafeMutablePointer<Double>,
    block: UnsafeMutablePointer<Double>
  ) {
    let start = (set * lookup.size + range.lowerBound) * tuned.valueBytes
    if var elements = elements(set, from: range.lowerBound) {
      var form = tuned.form
      tuned.kernels.table.add_element_gradients(
        &form, call.gradient + start, call.input + start, call.residual.map { $0 + start }, range.count, &elements,
        products, sums)
    } else {
      PlainNormGradient(call).addByElement(
        set * lookup.size + range.lowerBound, range.count, products, sums, block: block)
    }
  }

  /// - Parameter first: where in the order of memory the first one is.
  private func write(
    _ values: UnsafePointer<Double>, _ count: Int, _ first: Int, to target: UnsafeMutableRawPointer?
  ) {
    guard let target = target?.assumingMemoryBound(to: Float.self) else { return }
    let planes = call.planes
    for index in 0..<count {
      let place = first + index
      let element =
        planes.layout == .nchw ? place : place % planes.maps * planes.size + place / planes.maps
      target[element] = Float(values[index])
    }
  }

  // MARK: dx

  private func takeInput(_ sets: Int, threads: Int) throws(TensorError) {
    let split = segments.split(sets, of: lookup.size, threads: threads)
    if split.shares > 1 {
      for set in 0..<sets { try take(set, shares: split.shares) }
    } else {
      let failure = Failure()
      ThreadedWork.run(items: sets, values: sets * lookup.size, shares: split.planes) { _, items in
        failure.catching { () throws(TensorError) in
          for set in items { try take(set, shares: 1) }
        }
      }
      try failure.check()
    }
  }

  private func take(_ set: Int, shares: Int) throws(TensorError) {
    let (mean, invStd) = (call.mean[lookup.planes(of: set).lowerBound], call.invStd[lookup.planes(of: set).lowerBound])
    guard let dx = call.inputGradient, elements(set, from: 0) != nil else { return try plain(set) }
    var total = norm_gradient_sums()
    withUnsafeTemporaryAllocation(of: norm_gradient_sums.self, capacity: segments.count) { pieces in
      let pieceBase = pieces.baseAddress!
      ThreadedWork.run(items: segments.count, values: lookup.size, shares: shares) { _, items in
        for index in items { pieceBase[index] = sums(of: set, segments[index]) }
      }
      for index in 0..<segments.count { total.add(pieceBase[index]) }
    }
    let size = Double(lookup.size)
    let (taken, slope) = (Float(total.sum / size), Float(-invStd * (total.product / size)))
    guard mean.isNaN || invStd.isNaN || FloatSlope.fits(total, gain: Float(invStd)) else { return try plain(set) }
    ThreadedWork.run(items: segments.count, values: lookup.size, shares: shares) { _, items in
      let range = segments.range(items)
      guard var elements = elements(set, from: range.lowerBound) else { return }
      let start = (set * lookup.size + range.lowerBound) * tuned.valueBytes
      var form = tuned.form
      tuned.kernels.table.element_gradient(
        &form, call.gradient + start, call.input + start, call.residual.map { $0 + start }, dx + start,
        call.residualGradient.map { $0 + start }, range.count, &elements, taken, slope)
    }
  }

  private func sums(of set: Int, _ range: Range<Int>) -> norm_gradient_sums {
    guard var elements = elements(set, from: range.lowerBound) else { return norm_gradient_sums() }
    let start = (set * lookup.size + range.lowerBound) * tuned.valueBytes
    var form = tuned.form
    return tuned.kernels.table.element_gradient_sums(
      &form, call.gradient + start, call.input + start, call.residual.map { $0 + start }, range.count, &elements)
  }

  private func plain(_ set: Int) throws(TensorError) {
    let planes = lookup.planes(of: set)
    let scratch = try Scratch(shares: 1, doublesPerShare: PlainNormGradient.scratch(width: 1, size: call.planes.size))
    let block = scratch.address.doubles(share: 0)
    var means = SetMeans()
    for plane in planes {
      PlainNormGradient(call).sums(of: call.planes.band(ofPlane: plane), block: block)
      let own = call.ownMeans(plane)
      means.gradient += own.gradient / Double(planes.count)
      means.product += own.product / Double(planes.count)
    }
    for plane in planes {
      PlainNormGradient(call).gradient(of: call.planes.band(ofPlane: plane), block: block) { _ in means }
    }
  }
}
