import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// Values of float64 are reduced on every device; where it does not compute in float64, their sums have 48 bits
  /// instead of 53.
  ///
  /// - Throws: `DeviceError`.
  package func run(_ call: ReductionCall) throws {
    guard call.kept.product > 0 else { return }
    var kernelCall = ReductionKernelCall(call)
    func purpose() -> String { "\(call.function) over \(call.reduced.product) values" }
    let (input, output) = (place(of: call.input), place(of: call.output))
    kernelCall.inputOffset = input.offset
    guard kernelCall.pieces > 1 else {
      kernelCall.outputOffset = output.offset
      return try reduce(kernelCall, input.buffer, output.buffer, purpose: purpose)
    }
    let partials = try scratch(byteCount: kernelCall.outputs * kernelCall.pieces * 8)
    // Until all is queued that uses it: another thread's calls could get it in between.
    defer { withExtendedLifetime(partials) {} }
    var last = kernelCall
    kernelCall.isLast = 0
    kernelCall.outputType = TYPE_FLOAT64
    try reduce(kernelCall, input.buffer, partials.address, purpose: purpose)
    last.reducePieces()
    (last.inputOffset, last.outputOffset) = (0, output.offset)
    try reduce(last, partials.address, output.buffer, purpose: purpose)
  }

  private func reduce(
    _ call: ReductionKernelCall, _ input: UnsafeMutableRawPointer, _ output: UnsafeMutableRawPointer,
    purpose: @escaping () -> String
  ) throws {
    let threads = ReductionKernelCall.threads
    let width = threads / Int(call.team)
    try queue(
      KernelLaunch(
        .reduction, "reduce", .float32, blocks: (call.outputs * call.pieces + width - 1) / width, threads: threads,
        sharedBytes: threads * Int(SUM_BYTES), buffers: [input, output], call: call, purpose: purpose))
  }
}

extension ReductionKernelCall {
  static let threads = 256

  init(_ call: ReductionCall) {
    self.init()
    outputs = call.kept.product
    count = call.reduced.product
    divisor = count
    isLast = 1
    inputType = call.input.dtype.kernelType
    outputType = call.output.dtype.kernelType
    function =
      switch call.function {
      case .sum: Int32(REDUCTION_SUM)
      case .mean: Int32(REDUCTION_MEAN)
      case .max: Int32(REDUCTION_MAX)
      }
    let keptAxes = JoinedAxes(
      call.kept, [Axes(call.input.strides.prefix(call.kept.count)), call.output.strides], leader: 0)
    setKept(keptAxes.extents, input: keptAxes.strides[0], output: keptAxes.strides[1])
    guard count > 0 else {
      cut(isInterleaved: false)
      return
    }
    let reducedAxes = JoinedAxes(call.reduced, [Axes(call.input.strides.dropFirst(call.kept.count))], leader: 0)
    setReduced(reducedAxes.extents, input: reducedAxes.strides[0])
    cut(isInterleaved: outputs > 1 && (keptAxes.strides[0].last ?? 0) < (reducedAxes.strides[0].last ?? 0))
  }

  /// Makes it the reduction of what pieces came to.
  mutating func reducePieces() {
    inputType = TYPE_FLOAT64
    setReduced([pieces], input: [1])
    // Their results lie in the order in which outputs are counted, but the last ones have to find their places.
    let (extents, steps) = (kept, output)
    let axes = Int(keptAxes)
    setKept(
      Axes(extents.first(axes)), input: Axes(extents.first(axes)).contiguousStrides.scaled(by: pieces),
      output: Axes(steps.first(axes)))
    count = pieces
    cut(isInterleaved: false)
    length = count
    pieces = 1
  }

  private mutating func setKept(_ extents: Axes, input: Axes, output: Axes) {
    keptAxes = Int32(extents.count)
    kept = AxisNumbers(extents)
    keptInput = AxisNumbers(input)
    self.output = AxisNumbers(output)
  }

  private mutating func setReduced(_ extents: Axes, input: Axes) {
    reducedAxes = Int32(extents.count)
    reduced = AxisNumbers(extents)
    reducedInput = AxisNumbers(input)
  }

  /// Says how the values are shared out: by their number, and by how they lie.
  private mutating func cut(isInterleaved: Bool) {
    self.isInterleaved = isInterleaved ? 1 : 0
    length = max(1, min(count, isInterleaved ? 1024 : 16384))
    pieces = max(1, (count + length - 1) / length)
    // About 16 values for each thread. Interleaved, 32 threads have neighbours.
    let limit = isInterleaved ? Self.threads / 32 : Self.threads
    team = 1
    while team < limit && Int(team) * 16 < length { team *= 2 }
  }
}

extension AxisNumbers {
  func first(_ count: Int) -> [Int] {
    withUnsafeBytes(of: at) { Array($0.assumingMemoryBound(to: Int.self).prefix(count)) }
  }
}

extension Axes {
  func scaled(by factor: Int) -> Axes { Axes(map { $0 * factor }) }
}
