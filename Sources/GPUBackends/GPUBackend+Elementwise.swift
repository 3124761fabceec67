import CGPUKernels
import Tensors

// Value by value, 16 bytes a thread.

extension GPUBackend {
  public func fill(_ tensor: inout Tensor, with value: Double) throws {
    guard tensor.count > 0 else { return }
    var call = ElementKernelCall()
    // Whole words, which memory is always a multiple of.
    call.count = (tensor.byteCount + 7) / 8
    call.a = UInt(pattern(of: value, tensor.dtype))
    let shape = tensor.shape
    try launch("fill_bytes", .float32, items: call.count, [tensor.storage.address], call) { "filling \(shape)" }
  }

  /// 8 bytes of a value, repeated.
  private func pattern(of value: Double, _ dtype: DType) -> UInt64 {
    switch dtype {
    case .float16: UInt64(Float16(value).bitPattern) * 0x0001_0001_0001_0001
    case .bfloat16: UInt64(BFloat16(value).bitPattern) * 0x0001_0001_0001_0001
    case .float32: UInt64(Float(value).bitPattern) * 0x0000_0001_0000_0001
    case .float64: value.bitPattern
    }
  }

  public func convert(_ source: Tensor, into destination: inout Tensor) throws {
    guard source.count > 0 else { return }
    var call = ConvertKernelCall()
    call.count = source.count
    if source.layout != destination.layout {
      let planes = Planes(source)
      call.maps = planes.maps
      call.size = planes.size
      call.sourceMapsLast = source.layout == .nhwc ? 1 : 0
      call.targetMapsLast = destination.layout == .nhwc ? 1 : 0
    }
    call.sourceType = source.dtype.kernelType
    call.targetType = destination.dtype.kernelType
    let (from, to) = (source.dtype, destination.dtype)
    try launch(
      "convert", .float32, items: call.count, [source.storage.address, destination.storage.address], call
    ) { "converting \(from) to \(to)" }
  }

  public func apply(_ operation: Elementwise, _ first: Tensor, _ second: Tensor, into output: inout Tensor) throws {
    try check(output.dtype, "arithmetic")
    var call = ElementKernelCall()
    call.count = output.count
    call.operation =
      switch operation {
      case .add: Int32(ELEMENTWISE_ADD)
      case .subtract: Int32(ELEMENTWISE_SUBTRACT)
      case .multiply: Int32(ELEMENTWISE_MULTIPLY)
      }
    try launch("elementwise", [first, second, output], call, "arithmetic")
  }

  public func apply(_ function: Pointwise, _ input: Tensor, into output: inout Tensor) throws {
    try check(output.dtype, "an activation")
    try launch("pointwise", [input, output], pointwise(function, output.count), "an activation")
  }

  public func applyGradient(
    _ function: Pointwise, _ gradient: Tensor, input: Tensor, output: Tensor, into inputGradient: inout Tensor
  ) throws {
    try check(input.dtype, "an activation")
    // tanh's slope is known from its value.
    try launch(
      "pointwise_gradient", [gradient, function == .tanh ? output : input, inputGradient],
      pointwise(function, inputGradient.count), "the gradient of an activation")
  }

  private func pointwise(_ function: Pointwise, _ count: Int) -> ElementKernelCall {
    var call = ElementKernelCall()
    call.count = count
    switch function {
    case .relu: call.operation = Int32(POINTWISE_RELU)
    case .leakyReLU(let slope):
      call.operation = Int32(POINTWISE_LEAKY_RELU)
      call.a = UInt(slope.bitPattern)
    case .tanh: call.operation = Int32(POINTWISE_TANH)
    }
    return call
  }

  public func combine(_ alpha: Double, _ x: Tensor, _ beta: Double, _ target: inout Tensor) throws {
    try check(target.dtype, "arithmetic")
    var call = ElementKernelCall()
    call.count = target.count
    call.a = UInt(alpha.bitPattern)
    call.b = UInt(beta.bitPattern)
    try launch("combine", [x, target], call, "arithmetic")
  }

  public func adamStep(
    _ step: AdamStep, gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws {
    try check(parameter.dtype, "a step of Adam")
    guard parameter.count > 0 else { return }
    var call = AdamKernelCall()
    call.count = parameter.count
    call.beta1 = UInt(step.beta1.bitPattern)
    call.beta2 = UInt(step.beta2.bitPattern)
    call.correction1 = UInt(step.correction1.bitPattern)
    call.correction2 = UInt(step.correction2.bitPattern)
    call.learnRate = UInt(step.learnRate.bitPattern)
    call.epsilon = UInt(step.epsilon.bitPattern)
    let lanes = Int(VECTOR_BYTES) / parameter.dtype.byteCount
    let shape = parameter.shape
    try launch(
      "adam", parameter.dtype, items: (call.count + lanes - 1) / lanes,
      [gradient, parameter, firstMoment, secondMoment].map(\.storage.address), call
    ) { "a step of Adam on \(shape)" }
  }

  public func sum(_ tensor: Tensor) throws -> Double {
    try check(tensor.dtype, "a sum")
    guard tensor.count > 0 else { return 0 }
    var call = ElementKernelCall()
    call.count = tensor.count
    let blocks = (tensor.count + 16383) / 16384
    let sums = try scratch(byteCount: blocks * 8)
    // Until it is read: another thread's calls could get it before that.
    defer { withExtendedLifetime(sums) {} }
    let (threads, shape) = (256, tensor.shape)
    try queue(
      KernelLaunch(
        "sum_blocks", tensor.dtype, blocks: blocks, threads: threads, sharedBytes: threads * Int(SUM_BYTES),
        buffers: [tensor.storage.address, sums.address], call: call
      ) { "the sum of \(shape)" })
    var results = [Double](repeating: 0, count: blocks)
    try results.withUnsafeMutableBytes { try driver.read(sums.address, into: $0) }
    return results.reduce(0, +)
  }

  // MARK: Small sums

  public func multiply(
    _ alpha: Double, _ first: Matrix, _ second: Matrix, _ beta: Double, _ target: inout Tensor
  ) throws {
    guard target.count > 0 else { return }
    var call = MatrixKernelCall()
    (call.firstOffset, call.firstRow, call.firstColumn) = Self.steps(first)
    (call.secondOffset, call.secondRow, call.secondColumn) = Self.steps(second)
    call.rows = target.shape[0]
    call.columns = target.shape[1]
    call.inner = first.tensor.shape.dimensions.suffix(2)[first.tensor.shape.rank - (first.isTransposed ? 2 : 1)]
    call.firstType = first.tensor.dtype.kernelType
    call.secondType = second.tensor.dtype.kernelType
    call.targetType = target.dtype.kernelType
    call.alpha = UInt(alpha.bitPattern)
    call.beta = UInt(beta.bitPattern)
    let shape = target.shape
    try launch(
      "multiply", .float32, items: target.count,
      [first.tensor, second.tensor, target].map(\.storage.address), call
    ) { "a product of matrices, \(shape)" }
  }

  /// Where a matrix begins, and how far apart its rows and its columns are.
  private static func steps(_ matrix: Matrix) -> (Int, Int, Int) {
    let extents = matrix.tensor.shape.dimensions.suffix(2)
    let (height, width) = (extents[extents.startIndex], extents[extents.startIndex + 1])
    return (
      matrix.slice * height * width, matrix.isTransposed ? 1 : width, matrix.isTransposed ? width : 1
    )
  }

  public func accumulate(_ alpha: Double, _ sums: Tensor, row: Int, _ beta: Double, _ target: inout Tensor) throws {
    guard target.count > 0 else { return }
    var call = MapKernelCall()
    call.images = sums.shape[1]
    call.maps = sums.shape[2]
    call.row = row
    call.targetType = target.dtype.kernelType
    call.a = UInt(alpha.bitPattern)
    call.b = UInt(beta.bitPattern)
    let shape = target.shape
    try launch(
      "accumulate", .float32, items: call.maps, [sums.storage.address, target.storage.address], call
    ) { "the gradient of a parameter, \(shape)" }
  }

  public func track(
    mean: Tensor, invStd: Tensor, epsilon: Double, count: Int, momentum: Double, runningMean: inout Tensor,
    runningVariance: inout Tensor
  ) throws {
    guard mean.count > 0 else { return }
    var call = MapKernelCall()
    call.images = mean.shape[0]
    call.maps = mean.shape[1]
    call.count = count
    call.a = UInt(momentum.bitPattern)
    call.b = UInt(epsilon.bitPattern)
    try launch(
      "track", .float32, items: call.maps,
      [mean, invStd, runningMean, runningVariance].map(\.storage.address), call
    ) { "moving running statistics" }
  }

  public func recall(
    mean: Tensor, variance: Tensor, epsilon: Double, intoMean planeMean: inout Tensor, invStd: inout Tensor
  ) throws {
    guard planeMean.count > 0 else { return }
    var call = MapKernelCall()
    call.images = planeMean.shape[0]
    call.maps = planeMean.shape[1]
    call.b = UInt(epsilon.bitPattern)
    try launch(
      "recall", .float32, items: planeMean.count, [mean, variance, planeMean, invStd].map(\.storage.address), call
    ) { "looking up running statistics" }
  }

  // MARK: Launching

  /// Queues a kernel that goes over vectors of the last tensor's values.
  private func launch(
    _ kernel: StaticString, _ tensors: [Tensor], _ call: ElementKernelCall, _ purpose: StaticString
  ) throws {
    guard call.count > 0, let last = tensors.last else { return }
    let (dtype, shape) = (last.dtype, last.shape)
    let lanes = Int(VECTOR_BYTES) / dtype.byteCount
    try launch(
      kernel, dtype, items: (call.count + lanes - 1) / lanes, tensors.map(\.storage.address), call
    ) { "\(purpose) on \(shape)" }
  }

  /// Queues a kernel with a thread for each item.
  func launch(
    _ kernel: StaticString, _ dtype: DType, items: Int, _ buffers: [UnsafeMutableRawPointer?],
    _ call: any KernelCall, purpose: @escaping () -> String
  ) throws {
    let threads = 256
    try queue(
      KernelLaunch(
        kernel, dtype, blocks: (items + threads - 1) / threads, threads: threads, buffers: buffers, call: call,
        purpose: purpose))
  }
}
