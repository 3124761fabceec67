import CNormKernels
import Calls
import Tensors

// Planes that share statistics and whose values lie together, with a scale and a bias for each value: layers by element,
// and those of planes of one value, where a map is an element.

/// The sets of a call and their parameters in the order of memory.
struct ElementSets: ~Copyable {
  let sets: PlaneSets
  /// How many values a set has.
  let size: Int
  private let planes: Planes
  private let scratch: Scratch?
  private let scale: UnsafePointer<Float>?
  private let bias: UnsafePointer<Float>?

  /// Nil for what has another way.
  static func of(
    _ planes: Planes, _ sharing: MomentSharing?, _ scale: ParameterValues, _ bias: ParameterValues
  ) throws(TensorError) -> ElementSets? {
    guard let sharing, sharing != .batch else { return nil }
    // One value for all is no parameter by element unless the other is.
    guard planes.size == 1 || scale.isByElement || bias.isByElement else { return nil }
    let sets = PlaneSets(sharing, of: planes)
    guard sets.width > 1 || planes.size > 1, sets.areContiguous(planes) else { return nil }
    func fits(_ parameter: ParameterValues) -> Bool {
      parameter.base == nil
        || !parameter.isDouble && (parameter.grain == .element || parameter.grain == .map && planes.size == 1)
    }
    guard fits(scale), fits(bias) else { return nil }
    return try ElementSets(planes, sets, scale, bias)
  }

  private init(
    _ planes: Planes, _ sets: PlaneSets, _ scale: ParameterValues, _ bias: ParameterValues
  ) throws(TensorError) {
    self.sets = sets
    self.planes = planes
    size = sets.width * planes.size
    let count = planes.maps * planes.size
    if planes.layout == .nchw, planes.size > 1 {
      scratch = nil
      self.scale = scale.base?.assumingMemoryBound(to: Float.self)
      self.bias = bias.base?.assumingMemoryBound(to: Float.self)
    } else {
      // Copies, as gradients may be written where parameters by map are.
      let scratch = try Scratch(shares: 2, bytesPerShare: count * 4)
      let address = scratch.address
      func copied(_ parameter: ParameterValues, _ share: Int) -> UnsafePointer<Float>? {
        guard let values = parameter.base?.assumingMemoryBound(to: Float.self) else { return nil }
        let copy = address.raw(share: share).assumingMemoryBound(to: Float.self)
        for map in 0..<planes.maps {
          for index in 0..<planes.size { copy[index * planes.maps + map] = values[map * planes.size + index] }
        }
        return UnsafePointer(copy)
      }
      self.scale = copied(scale, 0)
      self.bias = copied(bias, 1)
      self.scratch = consume scratch
    }
  }

  /// How many sets a picture has.
  var perImage: Int { sets.width == 0 ? 0 : planes.maps / sets.width }

  var lookup: Lookup {
    Lookup(planes: planes, width: sets.width, size: size, perImage: perImage, scale: scale, bias: bias)
  }

  /// What closures can take with them.
  struct Lookup {
    let planes: Planes
    let width: Int
    let size: Int
    let perImage: Int
    let scale: UnsafePointer<Float>?
    let bias: UnsafePointer<Float>?

    /// The planes of a set.
    func planes(of set: Int) -> Range<Int> { set * width..<(set + 1) * width }

    /// What values of a set from one on are normalised with; nil where the kernels are not exact enough.
    func elements(_ set: Int, from start: Int, mean: Double, invStd: Double) -> norm_elements? {
      // Where one is NaN, so are all results.
      guard ordinary.contains(invStd) && Float(mean).isFinite || mean.isNaN || invStd.isNaN else { return nil }
      let shift = Float(mean)
      let first = set % perImage * size + start
      return norm_elements(
        shift: shift, inv_std: Float(invStd), centre: Float((Double(shift) - mean) * invStd),
        scale: scale.map { $0 + first }, bias: bias.map { $0 + first })
    }
  }
}

/// Normalises by statistics, value by value.
struct ElementNorm: NormWithStatistics {
  let call: NormCall
  private let tuned: TunedForm
  private let lookup: ElementSets.Lookup

  /// Normalises a call that has parameters by element; false where that has another way.
  static func run(
    _ call: NormCall, _ kernels: NormKernels?, on backend: CPUBackend, threads: Int
  ) throws(TensorError) -> Bool {
    guard call.output != nil, let tuned = TunedForm(kernels, elementsOf: call),
      let sets = try ElementSets.of(call.planes, call.sharing, call.scale, call.bias)
    else { return false }
    let scratch = try Scratch(shares: 1, doublesPerShare: call.mean == nil ? 2 * call.planes.count : 0)
    var call = call
    if call.mean == nil {
      call.mean = scratch.address.doubles(share: 0)
      call.invStd = scratch.address.doubles(share: 0) + call.planes.count
    }
    try ElementNorm(call: call, tuned: tuned, lookup: sets.lookup).runOnSets(sets.sets, on: backend, threads: threads)
    return true
  }

  func normalize(_ part: Part, threads: Int) throws(TensorError) {
    guard let output = call.output, let mean = call.mean, let invStd = call.invStd else { return }
    let first = part.sets.lowerBound
    try lookup.forEachPiece(sets: part.sets.count, threads: threads) { (index, range) throws(TensorError) in
      let set = first + index
      let plane = lookup.planes(of: set).lowerBound
      guard
        var elements = lookup.elements(set, from: range.lowerBound, mean: mean[plane], invStd: invStd[plane])
      else {
        if range.lowerBound == 0 { try plain(set) }
        return
      }
      let start = (set * lookup.size + range.lowerBound) * tuned.valueBytes
      var form = tuned.form
      tuned.kernels.table.normalize_elements(
        &form, call.input + start, call.residual.map { $0 + start }, output + start, range.count, &elements)
    }
  }

  private func plain(_ set: Int) throws(TensorError) {
    let scratch = try Scratch(shares: 1, doublesPerShare: PlainNorm.scratch(width: 1, size: call.planes.size))
    for plane in lookup.planes(of: set) {
      PlainNorm(call).normalize(call.planes.band(ofPlane: plane), block: scratch.address.doubles(share: 0))
    }
  }
}

extension ElementSets.Lookup {
  /// Shares the values of some sets among threads, in pieces.
  func forEachPiece(
    sets: Int, threads: Int, _ body: (_ set: Int, _ range: Range<Int>) throws(TensorError) -> Void
  ) throws(TensorError) {
    let length = 8192
    let pieces = (size + length - 1) / length
    let values = sets * size
    let shares = ThreadedWork.shareCount(items: sets * pieces, values: values, threads: threads)
    let failure = Failure()
    ThreadedWork.run(items: sets * pieces, values: values, shares: shares) { _, items in
      failure.catching { () throws(TensorError) in
        for item in items {
          let start = item % pieces * length
          try body(item / pieces, start..<min(start + length, size))
        }
      }
    }
    try failure.check()
  }
}
