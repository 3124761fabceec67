import CGPUKernels
import Calls
import Tensors

// Planes that share with no other and fit a block's shared memory take one kernel, which reads each value once. All
// others take three: moments (or sums) of pieces, which are merged by the rule, then the result. These come a part of
// the planes at a time, so that what the third reads is still in the device's cache.

extension GPUBackend {
  package func run(_ call: NormCall) throws {
    let planes = call.planes
    try check(planes.dtype, "normalising")
    guard planes.count > 0 else { return }
    guard let sharing = call.sharing else {
      guard planes.size > 0 else { return }
      return try normalize(call, firstPlane: 0, planeCount: planes.count)
    }
    if sharing.isOfSinglePlanes(planes), planes.size > 0, call.output != nil,
      let tiling = Tiling.whole(planes, copies: 1, on: properties)
    {
      return try launch(
        "normalize_tiles", tiling, planes, NormKernelCall(call, tiling),
        [call.input, call.residual] + call.parameters + [call.output] + call.statistics
      ) { "normalising \(planes)" }
    }
    try takeStatistics(call, sharing) { firstPlane, planeCount in
      guard planes.size > 0, call.output != nil else { return }
      try normalize(call, firstPlane: firstPlane, planeCount: planeCount)
    }
  }

  package func run(_ call: NormGradientCall) throws {
    try check(call.planes.dtype, "gradients")
    if call.planes.count > 0 { try takeGradient(call) }
    try writeParameterGradients(call)
  }

  private func takeGradient(_ call: NormGradientCall) throws {
    let planes = call.planes
    if let gradients = call.elementGradients { try sumByElement(call, gradients.scale, gradients.bias) }
    guard planes.size > 0, call.inputGradient != nil, call.sharing?.isOfSinglePlanes(planes) == true,
      let tiling = Tiling.whole(planes, copies: 2, on: properties)
    else { return try takeSums(call) }
    try launch(
      "gradient_tiles", tiling, planes, NormKernelCall(call, tiling),
      call.operands + [UnsafeMutableRawPointer(call.sums), call.inputGradient, call.residualGradient]
    ) { "the gradient of normalising \(planes)" }
  }

  private func sumByElement(
    _ call: NormGradientCall, _ scale: UnsafeMutableRawPointer, _ bias: UnsafeMutableRawPointer
  ) throws {
    let planes = call.planes
    try launch(
      .normalization, "sum_by_element", planes.dtype, items: planes.maps * planes.size, call.operands + [scale, bias],
      NormKernelCall(call, .known(planes))
    ) { "the gradients of parameters by element of \(planes)" }
  }

  /// Makes the gradients of scale and bias of the sums over planes, which have been taken.
  private func writeParameterGradients(_ call: NormGradientCall) throws {
    let planes = call.planes
    let dtype = planes.dtype.parameterDType
    let rows = UnsafeMutableRawPointer(call.sums)
    for (target, grain, row) in [(call.scaleGradient, call.scale.grain, 1), (call.biasGradient, call.bias.grain, 0)] {
      guard let target else { continue }
      guard planes.images > 0 else {
        let count = grain == .plane ? 0 : grain == .map ? planes.maps : planes.maps * planes.size
        if count > 0 { try fill(target, byteCount: count * dtype.byteCount, with: 0) }
        continue
      }
      guard planes.maps > 0, grain != .element else { continue }
      let sums = rows + row * planes.count * 8
      if grain == .plane {
        try run(
          RearrangeCall(
            extents: [planes.count], input: View(sums, .float64, strides: [1]),
            output: View(target, dtype, strides: [1])))
      } else {
        try run(
          ReductionCall(
            .sum, kept: [planes.maps], reduced: [planes.images],
            input: View(sums, .float64, strides: [1, planes.maps]), output: View(target, dtype, strides: [1])))
      }
    }
  }

  // MARK: Steps

  /// Normalises some planes by the statistics that the call has.
  private func normalize(_ norm: NormCall, firstPlane: Int, planeCount: Int) throws {
    let planes = norm.planes
    let tiling = Tiling.known(planes)
    var call = NormKernelCall(norm, tiling)
    call.firstPlane = firstPlane
    call.planeCount = planeCount
    try launch(
      "normalize_given", tiling, planes, call,
      [norm.input, norm.residual] + norm.parameters + norm.statistics + [norm.output]
    ) { "normalising \(planes)" }
  }

  /// Takes the statistics of all planes, and after those of a part of them calls `next` with its first plane and how
  /// many there are.
  private func takeStatistics(
    _ norm: NormCall, _ sharing: MomentSharing, next: (_ firstPlane: Int, _ planeCount: Int) throws -> Void
  ) throws {
    let all = norm.planes
    var sets = PlaneSets(sharing, of: all)
    guard sets.count > 0 else { return }
    guard all.size > 0 else {
      // The statistics of nothing are those of a constant 0.
      return try recallNothing(norm)
    }
    // Planes that share and lie together, whether in one picture or in several, are as good as one.
    let spread = all.layout == .nchw && sets.step == 1 ? sets.width : 1
    var planes = all
    if spread > 1 {
      planes = Planes(dtype: all.dtype, layout: .nchw, images: sets.count, maps: 1, size: all.size * spread)
      sets = PlaneSets(.instance, of: planes)
    }

    let tiling = Tiling.pieces(planes, copies: 1, on: properties)
    let parts = Parts(planes, sets, tensors: 1, cacheBytes: properties.cacheBytes)
    let partials = try scratch(byteCount: parts.planesPerPart * tiling.pieces * 16)
    // Until all is queued that uses it: another thread's calls could get it in between.
    defer { withExtendedLifetime(partials) {} }
    var call = NormKernelCall(planes, tiling)
    call.epsilon = bits(norm.epsilon)
    call.setWidth = sets.width
    call.setStep = sets.step
    call.spread = spread
    for part in parts {
      call.firstPlane = part.firstPlane
      call.planeCount = part.planeCount
      call.firstSet = part.firstSet
      call.setCount = part.setCount
      try launch("tile_moments", tiling, planes, call, [norm.input, partials.address]) {
        "taking the moments of \(all)"
      }
      let threads = Self.threads(for: sets.width * tiling.pieces)
      try queue(
        KernelLaunch(
          .normalization, "share_moments", all.dtype, blocks: part.setCount, threads: threads,
          sharedBytes: threads * Int(SUM_BYTES),
          buffers: [partials.address] + norm.statistics, call: call
        ) { "merging the moments of \(all)" })
      try next(part.firstPlane * spread, part.planeCount * spread)
    }
  }

  /// Threads for so many items, which a block goes over together: a power of two.
  private static func threads(for items: Int) -> Int {
    var threads = 32
    while threads < min(items, 256) { threads *= 2 }
    return threads
  }

  private func recallNothing(_ norm: NormCall) throws {
    let inverse = norm.epsilon == 0 ? 0 : 1 / norm.epsilon.squareRoot()
    for (address, value) in zip(norm.statistics, [0, inverse]) {
      if let address { try fill(address, byteCount: 8 * norm.planes.count, with: value.bitPattern) }
    }
  }

  /// Takes the sums of all planes and, where that is asked for, dx and dn.
  private func takeSums(_ norm: NormGradientCall) throws {
    let planes = norm.planes
    let sets = PlaneSets(norm.sharing ?? .instance, of: planes)
    guard sets.count > 0 else { return }
    guard planes.size > 0 else {
      return try fill(UnsafeMutableRawPointer(norm.sums), byteCount: 16 * planes.count, with: 0)
    }
    let tiling = Tiling.pieces(planes, copies: 2, on: properties)
    let known = Tiling.known(planes)
    let parts = Parts(planes, sets, tensors: 2, cacheBytes: properties.cacheBytes)
    let pieces = parts.planesPerPart * tiling.pieces
    let (partials, exponents) = (try scratch(byteCount: pieces * 16), try scratch(byteCount: pieces * 4))
    let (means, largest) = (try scratch(byteCount: planes.count * 16), try scratch(byteCount: planes.count * 4))
    // Until all is queued that uses them: another thread's calls could get them in between.
    defer { withExtendedLifetime((partials, exponents, means, largest)) {} }

    var call = NormKernelCall(norm, tiling)
    call.setWidth = sets.width
    call.setStep = sets.step
    for part in parts {
      call.firstPlane = part.firstPlane
      call.planeCount = part.planeCount
      call.firstSet = part.firstSet
      call.setCount = part.setCount
      call.cut(tiling)
      try launch(
        "tile_sums", tiling, planes, call, norm.operands + [partials.address, exponents.address]
      ) { "the sums of the gradient of normalising \(planes)" }
      var sharing = call
      let threads = Self.threads(for: sets.width * tiling.pieces)
      sharing.team = Int32(min(threads, Self.powerOfTwo(atLeast: tiling.pieces)))
      try queue(
        KernelLaunch(
          .normalization, "share_sums", planes.dtype, blocks: part.setCount, threads: threads,
          sharedBytes: threads * (2 * Int(SUM_BYTES) + 4),
          buffers: [
            partials.address, exponents.address, norm.parameters[0], UnsafeMutableRawPointer(norm.sums),
            means.address, largest.address,
          ], call: sharing
        ) { "merging the sums of the gradient of normalising \(planes)" })
      guard norm.inputGradient != nil else { continue }
      call.cut(known)
      try launch(
        "gradient_given", known, planes, call,
        norm.operands + [
          means.address, largest.address, norm.inputGradient, norm.residualGradient,
        ]
      ) { "the gradient of normalising \(planes)" }
    }
  }

  private static func powerOfTwo(atLeast number: Int) -> Int {
    var power = 1
    while power < number { power *= 2 }
    return power
  }

  private func launch(
    _ kernel: StaticString, _ tiling: Tiling, _ planes: Planes, _ call: NormKernelCall,
    _ buffers: [UnsafeMutableRawPointer?], purpose: @escaping () -> String
  ) throws {
    try queue(
      KernelLaunch(
        .normalization, kernel, planes.dtype, blocks: tiling.blocks(planes, planeCount: call.planeCount),
        threads: tiling.threads, sharedBytes: tiling.sharedBytes, buffers: buffers, call: call, purpose: purpose))
  }
}

extension NormCall {
  fileprivate var parameters: [UnsafeMutableRawPointer?] { [scale.address, bias.address] }
  fileprivate var statistics: [UnsafeMutableRawPointer?] {
    [mean.map { UnsafeMutableRawPointer($0) }, invStd.map { UnsafeMutableRawPointer($0) }]
  }
}

extension NormGradientCall {
  fileprivate var parameters: [UnsafeMutableRawPointer?] { [scale.address, bias.address] }

  /// The arguments that the kernels of gradients begin with.
  fileprivate var operands: [UnsafeMutableRawPointer?] {
    [gradient, input, residual] + parameters + [
      UnsafeMutableRawPointer(mutating: mean), UnsafeMutableRawPointer(mutating: invStd),
    ]
  }
}

extension ParameterValues {
  fileprivate var address: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(mutating: base) }
}
