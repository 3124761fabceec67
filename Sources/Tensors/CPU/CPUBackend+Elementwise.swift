#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// Value by value, on blocks: read, compute in float64, round once and write. Each block is written by one thread.

extension CPUBackend {
  public func fill(_ tensor: inout Tensor, with value: Double) throws {
    let target = Run(flat: tensor)
    try forEachBlock(of: tensor.count, operands: 1) { start, count, block in
      block.update(repeating: value, count: count)
      target.store(start, count, from: block)
    }
  }

  public func apply(_ operation: Elementwise, _ first: Tensor, _ second: Tensor, into output: inout Tensor) throws {
    let (a, b, target) = (Run(flat: first), Run(flat: second), Run(flat: output))
    try forEachBlock(of: output.count, operands: 2) { start, count, block in
      let other = block + blockPitch
      a.load(start, count, into: block)
      b.load(start, count, into: other)
      switch operation {
      case .add: for i in 0..<count { block[i] += other[i] }
      case .subtract: for i in 0..<count { block[i] -= other[i] }
      case .multiply: for i in 0..<count { block[i] *= other[i] }
      }
      target.store(start, count, from: block)
    }
  }

  public func apply(_ function: Pointwise, _ input: Tensor, into output: inout Tensor) throws {
    let (source, target) = (Run(flat: input), Run(flat: output))
    try forEachBlock(of: output.count, operands: 1) { start, count, block in
      source.load(start, count, into: block)
      switch function {
      case .relu: for i in 0..<count { block[i] = block[i] < 0 ? 0 : block[i] }
      case .leakyReLU(let exact):
        let slope = Self.slope(exact, input.dtype)
        for i in 0..<count { block[i] = block[i] < 0 ? block[i] * slope : block[i] }
      case .tanh: for i in 0..<count { block[i] = hyperbolicTangent(block[i]) }
      }
      target.store(start, count, from: block)
    }
  }

  public func applyGradient(
    _ function: Pointwise, _ gradient: Tensor, input: Tensor, output: Tensor, into inputGradient: inout Tensor
  ) throws {
    let dy = Run(flat: gradient)
    // tanh's slope is known from its value.
    let values = Run(flat: function == .tanh ? output : input)
    let target = Run(flat: inputGradient)
    try forEachBlock(of: inputGradient.count, operands: 2) { start, count, block in
      let value = block + blockPitch
      dy.load(start, count, into: block)
      values.load(start, count, into: value)
      switch function {
      // Not a product for ReLU, which would keep NaN.
      case .relu: for i in 0..<count { block[i] = value[i] > 0 ? block[i] : 0 }
      case .leakyReLU(let exact):
        let slope = Self.slope(exact, input.dtype)
        for i in 0..<count { block[i] = value[i] > 0 ? block[i] : block[i] * slope }
      case .tanh: for i in 0..<count { block[i] *= 1 - value[i] * value[i] }
      }
      target.store(start, count, from: block)
    }
  }

  /// A slope as the kernels have it, so that a layer and its activation give the same together and apart.
  private static func slope(_ exact: Double, _ dtype: DType) -> Double {
    dtype == .float64 ? exact : Double(Float(exact))
  }

  public func combine(_ alpha: Double, _ x: Tensor, _ beta: Double, _ target: inout Tensor) throws {
    let (source, destination) = (Run(flat: x), Run(flat: target))
    try forEachBlock(of: target.count, operands: 2) { start, count, block in
      source.load(start, count, into: block)
      if beta == 0 {
        for i in 0..<count { block[i] *= alpha }
      } else {
        let old = block + blockPitch
        destination.load(start, count, into: old)
        for i in 0..<count { block[i] = alpha * block[i] + beta * old[i] }
      }
      destination.store(start, count, from: block)
    }
  }

  public func adamStep(
    _ step: AdamStep, gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws {
    let (g, p) = (Run(flat: gradient), Run(flat: parameter))
    let (m, v) = (Run(flat: firstMoment), Run(flat: secondMoment))
    let (bias1, bias2) = (step.correction1, step.correction2)
    try forEachBlock(of: parameter.count, operands: 4) { start, count, gBlock in
      let pBlock = gBlock + blockPitch
      let mBlock = pBlock + blockPitch
      let vBlock = mBlock + blockPitch
      g.load(start, count, into: gBlock)
      p.load(start, count, into: pBlock)
      m.load(start, count, into: mBlock)
      v.load(start, count, into: vBlock)
      for i in 0..<count {
        mBlock[i] = step.beta1 * mBlock[i] + (1 - step.beta1) * gBlock[i]
        vBlock[i] = step.beta2 * vBlock[i] + (1 - step.beta2) * gBlock[i] * gBlock[i]
        pBlock[i] -= step.learnRate * (mBlock[i] / bias1) / ((vBlock[i] / bias2).squareRoot() + step.epsilon)
      }
      p.store(start, count, from: pBlock)
      m.store(start, count, from: mBlock)
      v.store(start, count, from: vBlock)
    }
  }

  public func sum(_ tensor: Tensor) throws -> Double {
    struct Total: Mergeable {
      var value = 0.0
      mutating func merge(_ other: Total) { value += other.value }
    }
    let source = Run(flat: tensor)
    let scratch = try Scratch(shares: 1, doublesPerShare: blockPitch)
    let block = scratch.address.doubles(share: 0)
    return withUnsafeTemporaryAllocation(of: Total.self, capacity: reductionDepth(tensor.count)) { levels in
      guard let base = levels.baseAddress else { return 0 }
      base.initialize(repeating: Total(), count: levels.count)
      reduce(0, tensor.count, width: 1, into: base) { start, count, result in
        source.load(start, count, into: block)
        result.pointee.value = laneSum(block, count)
      }
      return base.pointee.value
    }
  }

  public func convert(_ source: Tensor, into destination: inout Tensor) throws {
    if source.layout == destination.layout {
      let (from, to) = (Run(flat: source), Run(flat: destination))
      try forEachBlock(of: source.count, operands: 1) { start, count, block in
        from.load(start, count, into: block)
        to.store(start, count, from: block)
      }
      return
    }
    // One of the two is NHWC, whose bands are taken apart in scratch memory; the other one's planes are contiguous.
    let (interleaved, planar) = source.layout == .nhwc ? (source, destination) : (destination, source)
    guard source.count > 0 else { return }
    let planes = Planes(interleaved)
    let bands = Bands(planes)
    let shares = Parallel.shareCount(items: bands.count, values: source.count, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: bandWidth * blockPitch)
    let address = scratch.address
    let toPlanar = source.layout == .nhwc
    Parallel.run(items: bands.count, values: source.count, shares: shares) { share, items in
      let block = address.doubles(share: share)
      for index in items {
        let band = bands[index]
        let alternating = Run(interleaved, band, stride: planes.stride)
        for start in stride(from: 0, to: planes.size, by: blockLength) {
          let count = min(blockLength, planes.size - start)
          if toPlanar { alternating.load(start, count, into: block) }
          for run in 0..<band.width {
            let plane = band.firstPlane + run
            let single = Band(
              firstPlane: plane, firstMap: band.firstMap + run, width: 1, offset: plane * planes.size)
            let contiguous = Run(planar, single, stride: 1)
            if toPlanar {
              contiguous.store(start, count, from: block + run * blockPitch)
            } else {
              contiguous.load(start, count, into: block + run * blockPitch)
            }
          }
          if !toPlanar { alternating.store(start, count, from: block) }
        }
      }
    }
  }

  /// Calls `body` with the start and length of every block of `count` values, and scratch for `operands` blocks.
  private func forEachBlock(
    of count: Int, operands: Int, _ body: (_ start: Int, _ count: Int, _ block: UnsafeMutablePointer<Double>) -> Void
  ) throws {
    let blocks = (count + blockLength - 1) / blockLength
    let shares = Parallel.shareCount(items: blocks, values: count, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: operands * blockPitch)
    let address = scratch.address
    Parallel.run(items: blocks, values: count, shares: shares) { share, items in
      let block = address.doubles(share: share)
      for index in items {
        let start = index * blockLength
        body(start, min(blockLength, count - start), block)
      }
    }
  }
}

private func hyperbolicTangent(_ value: Double) -> Double { tanh(value) }
