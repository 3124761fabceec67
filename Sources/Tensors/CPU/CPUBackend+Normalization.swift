extension CPUBackend {
  public func normalize(
    _ input: Tensor, over sharing: MomentSharing, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try run(
      NormCall(
        planes: Planes(input), input: input.storage.address, output: output.storage.address,
        scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0), epsilon: epsilon,
        activation: epilogue.activation, residual: epilogue.residual?.storage.address, place: epilogue.place,
        sharing: sharing, mean: mean.doubles, invStd: invStd.doubles))
  }

  public func normalize(
    _ input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?, epilogue: Epilogue,
    into output: inout Tensor
  ) throws {
    try run(
      NormCall(
        planes: Planes(input), input: input.storage.address, output: output.storage.address,
        scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0), epsilon: 0,
        activation: epilogue.activation, residual: epilogue.residual?.storage.address, place: epilogue.place,
        sharing: nil, mean: mean.doubles, invStd: invStd.doubles))
  }

  public func statistics(
    of input: Tensor, over sharing: MomentSharing, epsilon: Double, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try run(
      NormCall(
        planes: Planes(input), input: input.storage.address, output: nil, epsilon: epsilon, sharing: sharing,
        mean: mean.doubles, invStd: invStd.doubles))
  }

  public func gradientSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws {
    try run(
      gradientCall(
        gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: sums))
  }

  public func normalizeGradient(
    _ gradient: Tensor, input: Tensor, over sharing: MomentSharing?, mean: Tensor, invStd: Tensor, scale: Tensor?,
    bias: Tensor?, epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor,
    residualGradient: inout Tensor?
  ) throws {
    var call = gradientCall(
      gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: sums)
    call.sharing = sharing
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
      mean: UnsafePointer(mean.doubles), invStd: UnsafePointer(invStd.doubles), sums: sums.doubles, inputGradient: nil)
  }

  /// Normalises on raw memory.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  package func run(_ call: NormCall) throws {
    // No pictures are no share of the scratch either.
    guard call.planes.count > 0 else { return }
    if call.planes.layout == .nchw || call.planes.maps == 1 {
      if let tuned = TunedPlanes(call, kernels, streamed: streamed) { return try tuned.run(threads: threads) }
    } else if let tuned = TunedPictures(call, kernels, streamed: streamed) {
      return try tuned.run(threads: threads)
    }
    try PlainNorm(call).run(threads: threads)
  }

  /// Takes gradients on raw memory.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  package func run(_ call: NormGradientCall) throws {
    guard call.planes.count > 0 else { return }
    if call.planes.layout == .nchw || call.planes.maps == 1 {
      if let tuned = TunedPlaneGradients(call, kernels, streamed: streamed) { return try tuned.run(threads: threads) }
    } else if let tuned = TunedPictureGradients(call, kernels, streamed: streamed) {
      return try tuned.run(threads: threads)
    }
    try PlainNormGradient(call).run(threads: threads)
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

extension CPUBackend {
  public func accumulateByElement(
    _ alpha: Double, _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, _ beta: Double, scaleGradient: inout Tensor, biasGradient: inout Tensor
  ) throws {
    // The sums are not asked for, and nothing writes to them.
    let call = gradientCall(
      gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: mean)
    let gradients = PlainNormGradient(call)
    try gradients.accumulateByElement(
      alpha, beta, scale: Run(flat: scaleGradient), bias: Run(flat: biasGradient), threads: threads)
  }
}

extension Tensor {
  /// Where a float64 tensor's values are.
  fileprivate var doubles: UnsafeMutablePointer<Double> { storage.address.assumingMemoryBound(to: Double.self) }
}
