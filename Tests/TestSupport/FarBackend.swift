import InstanceNorm

/// A device whose memory the host cannot read, made of the CPU: every tensor must come and go through the backend's
/// own copies.
open class FarBackend: Backend, @unchecked Sendable {
  // Unchecked: it holds nothing that changes.
  public let name = "far:0"
  public let summary = "memory out of the host's reach"
  public let isGPU = true
  public let isHostMemory = false
  private let cpu = CPUBackend.shared

  public init() {}

  open func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer { try cpu.allocate(byteCount: byteCount) }
  open func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) {
    cpu.deallocate(address, byteCount: byteCount)
  }
  open func copy(from source: UnsafeRawBufferPointer, to destination: Storage) {
    cpu.copy(from: source, to: destination)
  }
  open func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) {
    cpu.copy(from: source, to: destination)
  }
  open func copy(from source: Storage, to destination: Storage) { cpu.copy(from: source, to: destination) }
  open func fill(_ tensor: inout Tensor, with value: Double) throws { try cpu.fill(&tensor, with: value) }
  open func convert(_ source: Tensor, into destination: inout Tensor) throws {
    try cpu.convert(source, into: &destination)
  }
  open func apply(_ operation: Elementwise, _ first: Tensor, _ second: Tensor, into output: inout Tensor) throws {
    try cpu.apply(operation, first, second, into: &output)
  }
  open func combine(_ alpha: Double, _ x: Tensor, _ beta: Double, _ target: inout Tensor) throws {
    try cpu.combine(alpha, x, beta, &target)
  }
  open func adamStep(
    _ step: AdamStep, gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws {
    try cpu.adamStep(
      step, gradient: gradient, parameter: &parameter, firstMoment: &firstMoment, secondMoment: &secondMoment)
  }
  open func sum(_ tensor: Tensor) throws -> Double { try cpu.sum(tensor) }
  open func apply(_ function: Pointwise, _ input: Tensor, into output: inout Tensor) throws {
    try cpu.apply(function, input, into: &output)
  }
  open func applyGradient(
    _ function: Pointwise, _ gradient: Tensor, input: Tensor, output: Tensor, into inputGradient: inout Tensor
  ) throws {
    try cpu.applyGradient(function, gradient, input: input, output: output, into: &inputGradient)
  }
  open func multiply(_ alpha: Double, _ first: Matrix, _ second: Matrix, _ beta: Double, _ target: inout Tensor) throws
  {
    // Callers have brought everything here.
    for tensor in [first.tensor, second.tensor, target] where tensor.storage.backend !== self {
      throw DeviceError.mismatch(operation: "multiplying", expected: Device(self), got: tensor.device)
    }
    func host(_ matrix: Matrix) throws -> Matrix {
      Matrix(try matrix.tensor.toHost(), slice: matrix.slice, isTransposed: matrix.isTransposed)
    }
    try cpu.multiply(alpha, host(first), host(second), beta, &target)
  }
  open func normalize(
    _ input: Tensor, over sharing: MomentSharing, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try cpu.normalize(
      input, over: sharing, scale: scale, bias: bias, epsilon: epsilon, epilogue: epilogue, into: &output,
      mean: &mean, invStd: &invStd)
  }
  open func normalize(
    _ input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?, epilogue: Epilogue,
    into output: inout Tensor
  ) throws {
    try cpu.normalize(
      input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, into: &output)
  }
  open func statistics(
    of input: Tensor, over sharing: MomentSharing, epsilon: Double, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try cpu.statistics(of: input, over: sharing, epsilon: epsilon, mean: &mean, invStd: &invStd)
  }
  open func gradientSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws {
    try cpu.gradientSums(
      gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: &sums)
  }
  open func normalizeGradient(
    _ gradient: Tensor, input: Tensor, over sharing: MomentSharing?, mean: Tensor, invStd: Tensor, scale: Tensor?,
    bias: Tensor?, epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor,
    residualGradient: inout Tensor?
  ) throws {
    try cpu.normalizeGradient(
      gradient, input: input, over: sharing, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue,
      sums: &sums, into: &inputGradient, residualGradient: &residualGradient)
  }
  open func accumulateByElement(
    _ alpha: Double, _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, _ beta: Double, scaleGradient: inout Tensor, biasGradient: inout Tensor
  ) throws {
    try cpu.accumulateByElement(
      alpha, gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, beta,
      scaleGradient: &scaleGradient, biasGradient: &biasGradient)
  }
  open func accumulate(_ alpha: Double, _ sums: Tensor, row: Int, _ beta: Double, _ target: inout Tensor) throws {
    try cpu.accumulate(alpha, sums, row: row, beta, &target)
  }
}
