extension CPUBackend {
  public func instanceNorm(
    _ input: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try run(
      NormCall(
        planes: Planes(input), input: input.storage.address, output: output.storage.address,
        scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0), epsilon: epsilon,
        activation: epilogue.activation, residual: epilogue.residual?.storage.address, place: epilogue.place,
        mean: mean.storage.address.assumingMemoryBound(to: Double.self),
        invStd: invStd.storage.address.assumingMemoryBound(to: Double.self)))
  }

  public func instanceNormSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws {
    try run(
      gradientCall(
        gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: sums))
  }

  public func instanceNormGradient(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor, residualGradient: inout Tensor?
  ) throws {
    var call = gradientCall(
      gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: sums)
    call.inputGradient = inputGradient.storage.address
    call.residualGradient = residualGradient?.storage.address
    try run(call)
  }

  private func gradientCall(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: Tensor
  ) -> NormGradientCall {
    NormGradientCall(
      planes: Planes(input), gradient: gradient.storage.address, input: input.storage.address,
      scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0),
      activation: epilogue.activation, residual: epilogue.residual?.storage.address, place: epilogue.place,
      mean: UnsafePointer(mean.storage.address.assumingMemoryBound(to: Double.self)),
      invStd: UnsafePointer(invStd.storage.address.assumingMemoryBound(to: Double.self)),
      sums: sums.storage.address.assumingMemoryBound(to: Double.self), inputGradient: nil)
  }

  /// Normalises on raw memory.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  package func run(_ call: NormCall) throws {
    // No pictures are no share of the scratch either.
    guard call.planes.count > 0 else { return }
    if call.planes.layout == .nchw || call.planes.maps == 1 {
      if let tuned = TunedPlanes(call, kernels, streamed: streamed) { return tuned.run(threads: threads) }
    } else if let tuned = TunedPictures(call, kernels, streamed: streamed) {
      return try tuned.run(threads: threads)
    }
    let plain = PlainNorm(call)
    try forEachBand(of: call.planes, scratch: PlainNorm.scratch()) { plain.run($0, block: $1) }
  }

  /// Takes gradients on raw memory.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  package func run(_ call: NormGradientCall) throws {
    guard call.planes.count > 0 else { return }
    if call.planes.layout == .nchw || call.planes.maps == 1 {
      if let tuned = TunedPlaneGradients(call, kernels, streamed: streamed) { return tuned.run(threads: threads) }
    } else if let tuned = TunedPictureGradients(call, kernels, streamed: streamed) {
      return try tuned.run(threads: threads)
    }
    let plain = PlainNormGradient(call)
    try forEachBand(of: call.planes, scratch: PlainNormGradient.scratch()) { plain.run($0, block: $1) }
  }

  private func forEachBand(
    of planes: Planes, scratch: Int, _ body: (Band, UnsafeMutablePointer<Double>) -> Void
  ) throws {
    let bands = Bands(planes)
    let shares = Parallel.shareCount(items: bands.count, values: planes.valueCount, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: scratch)
    let address = scratch.address
    Parallel.run(items: bands.count, values: planes.valueCount, shares: shares) { share, items in
      let block = address.doubles(share: share)
      for index in items { body(bands[index], block) }
    }
  }

  public func accumulate(
    _ alpha: Double, _ sums: Tensor, row: Int, _ beta: Double, _ target: inout Tensor
  ) throws {
    let (images, maps) = (sums.shape[1], sums.shape[2])
    let values = UnsafePointer(sums.storage.address.assumingMemoryBound(to: Double.self)) + row * images * maps
    let destination = Run(flat: target)
    let scratch = try Scratch(shares: 1, doublesPerShare: 2 * blockPitch)
    let block = scratch.address.doubles(share: 0)
    let old = block + blockPitch
    for start in stride(from: 0, to: maps, by: blockLength) {
      let count = min(blockLength, maps - start)
      for i in 0..<count {
        var total = 0.0
        for image in 0..<images { total += values[image * maps + start + i] }
        block[i] = alpha * total
      }
      if beta != 0 {
        destination.load(start, count, into: old)
        for i in 0..<count { block[i] += beta * old[i] }
      }
      destination.store(start, count, from: block)
    }
  }
}
