import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: RearrangeCall) throws {
    if call.extents.contains(0) { return }
    let call = call.simplified
    if let kernels = elementKernels {
      if let repeated = RepeatedRows(call) { return repeated.run(threads: threads) }
      if let moved = MovedRows(call, kernels, streamed: streamed) { return moved.run(threads: threads) }
      if let transposed = Transposed(call, kernels, streamed: streamed) { return try transposed.run(threads: threads) }
      if let selected = SelectedRows(call, kernels) { return try selected.run(threads: threads) }
      if let weighed = WeighedRows(call, kernels) { return try weighed.run(threads: threads) }
      if try runStraightened(call) { return }
    }
    ReferenceRearrange(call).run()
  }

  /// Brings the input into the order of the output's memory first, where maps are to be applied.
  private func runStraightened(_ call: RearrangeCall) throws -> Bool {
    guard call.maps.contains(where: { $0 != nil }), call.input.dtype.kernelType != nil else { return false }
    var extents = call.extents
    for axis in extents.indices { extents[axis] = call.maps[axis]?.inputExtent ?? extents[axis] }
    var dense = Axes(repeating: 0, count: extents.count)
    var step = 1
    for axis in extents.indices.sorted(by: { call.output.strides[$0] < call.output.strides[$1] }) {
      dense[axis] = step
      step *= extents[axis]
    }
    // Only once, and not where it would take more memory than either side.
    guard step > 0, dense != call.input.strides, step <= 4 * call.extents.product else { return false }
    let scratch = try Scratch(shares: 1, bytesPerShare: step * call.input.dtype.byteCount)
    var straight = call
    straight.input = View(scratch.address.raw(share: 0), call.input.dtype, strides: dense)
    try run(RearrangeCall(extents: extents, input: call.input, output: straight.input))
    try run(straight)
    return true
  }
}

extension RearrangeCall {
  /// The same without maps that are a start and a step: parts, mirrored axes, repeated ones.
  fileprivate var simplified: RearrangeCall {
    var result = self
    for axis in extents.indices {
      guard let map = maps[axis], let line = map.line else { continue }
      result.maps[axis] = nil
      let stride = input.strides[axis]
      result.input.address += line.start * stride * input.dtype.byteCount
      result.input.strides[axis] = line.step * stride
    }
    return result
  }

  /// A bit for each axis that has a map.
  var mapped: UInt8 {
    var bits: UInt8 = 0
    for axis in maps.indices where maps[axis] != nil { bits |= 1 << axis }
    return bits
  }

  /// The order in which to go over them: that of the output's memory.
  var loops: Loops {
    Loops(extents, first: input.strides, second: output.strides, output: output.strides, fixed: mapped)
  }
}

extension AxisMap {
  /// Place i is the source `start + i step`, for all i.
  fileprivate var line: (start: Int, step: Int)? {
    guard weights == nil, sources.count == extent, let first = sources.first else { return nil }
    let step = sources.count > 1 ? sources[1] - first : 0
    for index in sources.indices
    where starts[index] != Int32(index) || sources[index] != first + Int32(index) * step {
      return nil
    }
    return (Int(first), Int(step))
  }
}
