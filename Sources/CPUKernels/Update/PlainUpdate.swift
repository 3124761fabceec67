import Calls
import Tensors

// Value by value, on blocks: read, compute in float64, round once and write. Each block is written by one thread.

extension CPUBackend {
  func runPlainly(_ call: CombineCall) throws {
    let (source, destination) = (Run(contiguous: call.x, call.dtype), Run(contiguous: call.target, call.dtype))
    try forEachBlock(of: call.count, operands: 2) { start, count, block in
      source.load(start, count, into: block)
      if call.beta == 0 {
        for i in 0..<count { block[i] *= call.alpha }
      } else {
        let old = block + blockPitch
        destination.load(start, count, into: old)
        for i in 0..<count { block[i] = call.alpha * block[i] + call.beta * old[i] }
      }
      destination.store(start, count, from: block)
    }
  }

  func runPlainly(_ call: AdamCall) throws {
    let step = call.step
    let (g, p) = (Run(contiguous: call.gradient, call.dtype), Run(contiguous: call.parameter, call.dtype))
    let (m, v) = (Run(contiguous: call.firstMoment, call.dtype), Run(contiguous: call.secondMoment, call.dtype))
    let (bias1, bias2) = (step.correction1, step.correction2)
    try forEachBlock(of: call.count, operands: 4) { start, count, gBlock in
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

  /// Calls `body` with the start and length of every block of `count` values, and scratch for `operands` blocks.
  private func forEachBlock(
    of count: Int, operands: Int, _ body: (_ start: Int, _ count: Int, _ block: UnsafeMutablePointer<Double>) -> Void
  ) throws {
    let blocks = (count + blockLength - 1) / blockLength
    let shares = ThreadedWork.shareCount(items: blocks, values: count, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: operands * blockPitch)
    let address = scratch.address
    ThreadedWork.run(items: blocks, values: count, shares: shares) { share, items in
      let block = address.doubles(share: share)
      for index in items {
        let start = index * blockLength
        body(start, min(blockLength, count - start), block)
      }
    }
  }
}
