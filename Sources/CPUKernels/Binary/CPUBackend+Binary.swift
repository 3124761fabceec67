import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: BinaryCall) throws {
    if call.extents.contains(0) { return }
    let loops = Loops(
      call.extents, first: call.first.strides, second: call.second.strides, output: call.output.strides)
    if let tuned = TunedBinary(call, loops, elementKernels, streamed: streamed) { return tuned.run(threads: threads) }
    if try runStraightened(call, loops) { return }
    if let plain = PlainBinary(call, loops) { return plain.run(threads: threads) }
    ReferenceBinary(call).run()
  }

  /// Brings operands whose memory has another order than the output's into that first.
  private func runStraightened(_ call: BinaryCall, _ loops: Loops) throws -> Bool {
    let last = loops.last
    guard elementKernels != nil, call.output.dtype.kernelType != nil, loops.output[last] == 1 else { return false }
    var straight = call
    var dense = Axes(repeating: 0, count: call.extents.count)
    var step = 1
    for axis in call.extents.indices.sorted(by: { call.output.strides[$0] < call.output.strides[$1] }) {
      dense[axis] = step
      step *= call.extents[axis]
    }
    let operands = (loops.first[last] > 1 ? 1 : 0) + (loops.second[last] > 1 ? 1 : 0)
    let scratch = try Scratch(shares: operands, bytesPerShare: step * call.output.dtype.byteCount)
    if loops.first[last] > 1 {
      straight.first = View(scratch.address.raw(share: 0), call.first.dtype, strides: dense)
      try run(RearrangeCall(extents: call.extents, input: call.first, output: straight.first))
    }
    if loops.second[last] > 1 {
      straight.second = View(scratch.address.raw(share: operands - 1), call.second.dtype, strides: dense)
      try run(RearrangeCall(extents: call.extents, input: call.second, output: straight.second))
    }
    try run(straight)
    return true
  }
}
