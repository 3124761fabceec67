import CGPUKernels
import Tensors

// Planes that share with no other and fit a block's shared memory take one kernel, which reads each value once. All
// others take three: moments (or sums) of pieces, which are merged by the rule, then the result. These come a part of
// the planes at a time, so that what the third reads is still in the device's cache.

extension GPUBackend {
  public func normalize(
    _ input: Tensor, over sharing: MomentSharing, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try check(input.dtype, "normalising")
    let (planes, shape) = (Planes(input), input.shape)
    guard planes.count > 0 else { return }
    if sharing.isOfSinglePlanes(planes), planes.size > 0,
      let tiling = Tiling.whole(planes, copies: 1, on: properties)
    {
      var call = NormKernelCall(planes, tiling)
      call.epsilon = UInt(epsilon.bitPattern)
      call.setParameters(scale, bias)
      call.setEpilogue(epilogue, input.dtype)
      return try launch(
        "normalize_tiles", tiling, planes, call,
        [input, epilogue.residual, scale, bias, output, mean, invStd].map { $0?.storage.address }
      ) { "normalising \(shape)" }
    }
    let known = Tiling.known(planes)
    var call = NormKernelCall(planes, known)
    call.setParameters(scale, bias)
    call.setEpilogue(epilogue, input.dtype)
    try takeStatistics(input, sharing, epsilon, mean, invStd) { firstPlane, planeCount in
      guard planes.size > 0 else { return }
      call.firstPlane = firstPlane
      call.planeCount = planeCount
      try launch(
        "normalize_given", known, planes, call,
        [input, epilogue.residual, scale, bias, mean, invStd, output].map { $0?.storage.address }
      ) { "normalising \(shape)" }
    }
  }

  public func normalize(
    _ input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?, epilogue: Epilogue,
    into output: inout Tensor
  ) throws {
    try check(input.dtype, "normalising")
    guard input.count > 0 else { return }
    let (planes, shape) = (Planes(input), input.shape)
    let tiling = Tiling.known(planes)
    var call = NormKernelCall(planes, tiling)
    call.setParameters(scale, bias)
    call.setEpilogue(epilogue, input.dtype)
    try launch(
      "normalize_given", tiling, planes, call,
      [input, epilogue.residual, scale, bias, mean, invStd, output].map { $0?.storage.address }
    ) { "normalising \(shape)" }
  }

  public func statistics(
    of input: Tensor, over sharing: MomentSharing, epsilon: Double, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try check(input.dtype, "statistics")
    try takeStatistics(input, sharing, epsilon, mean, invStd) { _, _ in }
  }

  public func gradientSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws {
    try check(input.dtype, "gradients")
    try takeSums(
      GradientTensors(
        gradient: gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue,
        sums: sums), over: nil, into: nil, residualGradient: nil)
  }

  public func normalizeGradient(
    _ gradient: Tensor, input: Tensor, over sharing: MomentSharing?, mean: Tensor, invStd: Tensor, scale: Tensor?,
    bias: Tensor?, epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor,
    residualGradient: inout Tensor?
  ) throws {
    try check(input.dtype, "gradients")
    let tensors = GradientTensors(
      gradient: gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue,
      sums: sums)
    let (planes, shape) = (Planes(input), input.shape)
    guard planes.count > 0 else { return }
    guard planes.size > 0, sharing?.isOfSinglePlanes(planes) == true,
      let tiling = Tiling.whole(planes, copies: 2, on: properties)
    else { return try takeSums(tensors, over: sharing, into: inputGradient, residualGradient: residualGradient) }
    var call = NormKernelCall(planes, tiling)
    call.setParameters(scale, bias)
    call.setEpilogue(epilogue, input.dtype)
    call.writesResidual = residualGradient == nil ? 0 : 1
    try launch(
      "gradient_tiles", tiling, planes, call,
      tensors.operands + [sums, inputGradient, residualGradient].map { $0?.storage.address }
    ) { "the gradient of normalising \(shape)" }
  }

  public func accumulateByElement(
    _ alpha: Double, _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, _ beta: Double, scaleGradient: inout Tensor, biasGradient: inout Tensor
  ) throws {
    try check(input.dtype, "gradients")
    guard scaleGradient.count > 0 else { return }
    let planes = Planes(input)
    var call = NormKernelCall(planes, .known(planes))
    call.size = scaleGradient.count / max(planes.maps, 1)
    call.setParameters(scale, bias)
    call.setEpilogue(epilogue, input.dtype)
    call.alpha = UInt(alpha.bitPattern)
    call.beta = UInt(beta.bitPattern)
    let tensors = GradientTensors(
      gradient: gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue,
      sums: mean)
    let shape = scaleGradient.shape
    try launch(
      "accumulate_by_element", input.dtype, items: scaleGradient.count,
      tensors.operands + [scaleGradient.storage.address, biasGradient.storage.address], call
    ) { "the gradients of \(shape) parameters" }
  }

  // MARK: Steps

  /// Takes the statistics of all planes, and after those of a part of them calls `next` with its first plane and how
  /// many there are.
  private func takeStatistics(
    _ input: Tensor, _ sharing: MomentSharing, _ epsilon: Double, _ mean: Tensor, _ invStd: Tensor,
    next: (_ firstPlane: Int, _ planeCount: Int) throws -> Void
  ) throws {
    let (all, shape) = (Planes(input), input.shape)
    var sets = PlaneSets(sharing, of: all)
    guard sets.count > 0 else { return }
    guard all.size > 0 else {
      // The statistics of nothing are those of a constant 0.
      return try recallNothing(epsilon, mean, invStd)
    }
    // Planes that share and lie together are as good as one.
    let spread = all.layout == .nchw && sets.step == 1 ? sets.width : 1
    let planes = Planes(
      dtype: all.dtype, layout: all.layout, images: all.images, maps: all.maps / spread, size: all.size * spread)
    if spread > 1 { sets = PlaneSets(.instance, of: planes) }

    let tiling = Tiling.pieces(planes, copies: 1, on: properties)
    let parts = Parts(planes, sets, tensors: 1, cacheBytes: properties.cacheBytes)
    let partials = try scratch(byteCount: parts.planesPerPart * tiling.pieces * 16)
    // Until all is queued that uses it: another thread's calls could get it in between.
    defer { withExtendedLifetime(partials) {} }
    var call = NormKernelCall(planes, tiling)
    call.epsilon = UInt(epsilon.bitPattern)
    call.setWidth = sets.width
    call.setStep = sets.step
    call.spread = spread
    for part in parts {
      call.firstPlane = part.firstPlane
      call.planeCount = part.planeCount
      call.firstSet = part.firstSet
      call.setCount = part.setCount
      try launch("tile_moments", tiling, planes, call, [input.storage.address, partials.address]) {
        "taking the moments of \(shape)"
      }
      let threads = Self.threads(for: sets.width * tiling.pieces)
      try queue(
        KernelLaunch(
          "share_moments", input.dtype, blocks: part.setCount, threads: threads,
          sharedBytes: threads * Int(SUM_BYTES),
          buffers: [partials.address, mean.storage.address, invStd.storage.address], call: call
        ) { "merging the moments of \(shape)" })
      try next(part.firstPlane * spread, part.planeCount * spread)
    }
  }

  /// Threads for so many items, which a block goes over together: a power of two.
  private static func threads(for items: Int) -> Int {
    var threads = 32
    while threads < min(items, 256) { threads *= 2 }
    return threads
  }

  private func recallNothing(_ epsilon: Double, _ mean: Tensor, _ invStd: Tensor) throws {
    var (mean, invStd) = (mean, invStd)
    try fill(&mean, with: 0)
    try fill(&invStd, with: epsilon == 0 ? 0 : 1 / epsilon.squareRoot())
  }

  /// Takes the sums of all planes and, where that is asked for, dx and dn.
  private func takeSums(
    _ tensors: GradientTensors, over sharing: MomentSharing?, into inputGradient: Tensor?, residualGradient: Tensor?
  ) throws {
    let (input, shape) = (tensors.input, tensors.input.shape)
    let planes = Planes(input)
    let sets = PlaneSets(sharing ?? .instance, of: planes)
    guard sets.count > 0 else { return }
    guard planes.size > 0 else {
      var sums = tensors.sums
      return try fill(&sums, with: 0)
    }
    let tiling = Tiling.pieces(planes, copies: 2, on: properties)
    let known = Tiling.known(planes)
    let parts = Parts(planes, sets, tensors: 2, cacheBytes: properties.cacheBytes)
    let pieces = parts.planesPerPart * tiling.pieces
    let (partials, exponents) = (try scratch(byteCount: pieces * 16), try scratch(byteCount: pieces * 4))
    let (means, largest) = (try scratch(byteCount: planes.count * 16), try scratch(byteCount: planes.count * 4))
    // Until all is queued that uses them: another thread's calls could get them in between.
    defer { withExtendedLifetime((partials, exponents, means, largest)) {} }

    var call = NormKernelCall(planes, tiling)
    call.setParameters(tensors.scale, tensors.bias)
    call.setEpilogue(tensors.epilogue, input.dtype)
    call.setWidth = sets.width
    call.setStep = sets.step
    call.isOwn = sharing == nil ? 0 : 1
    call.writesOutput = inputGradient == nil ? 0 : 1
    call.writesResidual = residualGradient == nil ? 0 : 1
    for part in parts {
      call.firstPlane = part.firstPlane
      call.planeCount = part.planeCount
      call.firstSet = part.firstSet
      call.setCount = part.setCount
      call.cut(tiling)
      try launch(
        "tile_sums", tiling, planes, call, tensors.operands + [partials.address, exponents.address]
      ) { "the sums of the gradient of normalising \(shape)" }
      var sharing = call
      let threads = Self.threads(for: sets.width * tiling.pieces)
      sharing.team = Int32(min(threads, Self.powerOfTwo(atLeast: tiling.pieces)))
      try queue(
        KernelLaunch(
          "share_sums", input.dtype, blocks: part.setCount, threads: threads,
          sharedBytes: threads * (2 * Int(SUM_BYTES) + 4),
          buffers: [
            partials.address, exponents.address, tensors.scale?.storage.address, tensors.sums.storage.address,
            means.address, largest.address,
          ], call: sharing
        ) { "merging the sums of the gradient of normalising \(shape)" })
      guard let inputGradient else { continue }
      call.cut(known)
      try launch(
        "gradient_given", known, planes, call,
        tensors.operands + [
          means.address, largest.address, inputGradient.storage.address, residualGradient?.storage.address,
        ]
      ) { "the gradient of normalising \(shape)" }
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
        kernel, planes.dtype, blocks: tiling.blocks(planes, planeCount: call.planeCount), threads: tiling.threads,
        sharedBytes: tiling.sharedBytes, buffers: buffers, call: call, purpose: purpose))
  }
}

/// What a gradient is computed from.
private struct GradientTensors {
  let gradient: Tensor
  let input: Tensor
  let mean: Tensor
  let invStd: Tensor
  let scale: Tensor?
  let bias: Tensor?
  let epilogue: Epilogue
  let sums: Tensor

  /// The arguments that the kernels of gradients begin with.
  var operands: [UnsafeMutableRawPointer?] {
    [gradient, input, epilogue.residual, scale, bias, mean, invStd].map { $0?.storage.address }
  }
}

/// Planes in parts, each of which stays in the device's cache from one kernel to the next.
private struct Parts: Sequence {
  struct Part {
    let firstPlane: Int
    let planeCount: Int
    let firstSet: Int
    let setCount: Int
  }

  let planesPerPart: Int
  private let planes: Planes
  private let sets: PlaneSets

  /// - Parameter tensors: how many are read.
  init(_ planes: Planes, _ sets: PlaneSets, tensors: Int, cacheBytes: Int) {
    self.planes = planes
    self.sets = sets
    // Where maps alternate, whole pictures; always whole sets, which across pictures are all.
    let unit = sets.step > 1 ? planes.count : planes.layout == .nhwc ? planes.maps : sets.width
    let unitBytes = Double(unit) * Double(planes.size) * Double(planes.dtype.byteCount * tensors)
    // Half of a cache, since what is written passes through it as well; but no part so small that launching it would
    // take longer than its work.
    let wanted = Double(Swift.max(cacheBytes / 2, 8 << 20))
    planesPerPart = Swift.min(planes.count, unit * Swift.max(1, Int(Swift.min(wanted / unitBytes, 1e15))))
  }

  func makeIterator() -> AnyIterator<Part> {
    var first = 0
    return AnyIterator {
      guard first < planes.count else { return nil }
      let count = Swift.min(planesPerPart, planes.count - first)
      defer { first += count }
      return Part(
        firstPlane: first, planeCount: count, firstSet: sets.step > 1 ? 0 : first / sets.width,
        setCount: sets.step > 1 ? sets.count : count / sets.width)
    }
  }
}
