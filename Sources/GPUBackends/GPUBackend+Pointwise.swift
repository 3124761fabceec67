import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// - Throws: `DeviceError`.
  package func run(_ call: PointwiseCall) throws {
    try check(call.dtype, "\(call.function)")
    try launch(
      .pointwise, "pointwise", call.dtype, values: call.count, [call.input, call.output],
      PointwiseKernelCall(call.function, count: call.count)
    ) { "\(call.function) of \(call.count) values" }
  }

  /// - Throws: `DeviceError`.
  package func run(_ call: PointwiseGradientCall) throws {
    try check(call.dtype, "the gradient of \(call.function)")
    try launch(
      .pointwise, "pointwise_gradient", call.dtype, values: call.count, [call.gradient, call.value, call.output],
      PointwiseKernelCall(call.function, count: call.count)
    ) { "the gradient of \(call.function) of \(call.count) values" }
  }

  /// - Throws: `DeviceError`.
  package func run(_ call: BinaryCall) throws {
    let dtype = call.output.dtype
    try check(dtype, "\(call.function)")
    guard call.extents.product > 0 else { return }
    let axes = JoinedAxes(
      call.extents, [call.first.strides, call.second.strides, call.output.strides], leader: 2)
    var kernelCall = BinaryKernelCall()
    kernelCall.count = call.extents.product
    kernelCall.setFunction(call.function)
    let (first, second, output) = (place(of: call.first), place(of: call.second), place(of: call.output))
    let buffers = [first.buffer, second.buffer, output.buffer]
    let isAligned = [call.first, call.second, call.output].allSatisfy {
      Int(bitPattern: $0.address) % Int(VECTOR_BYTES) == 0
    }
    func purpose() -> String { "\(call.function) of \(call.extents.product) values" }
    if axes.isContiguous, isAligned, first.offset == 0, second.offset == 0, output.offset == 0 {
      return try launch(.binary, "binary", dtype, values: kernelCall.count, buffers, kernelCall, purpose: purpose)
    }
    (kernelCall.firstOffset, kernelCall.secondOffset) = (first.offset, second.offset)
    kernelCall.outputOffset = output.offset
    kernelCall.axes = Int32(axes.extents.count)
    kernelCall.extents = AxisNumbers(axes.extents)
    kernelCall.first = AxisNumbers(axes.strides[0])
    kernelCall.second = AxisNumbers(axes.strides[1])
    kernelCall.output = AxisNumbers(axes.strides[2])
    try launch(.binary, "binary_strided", dtype, items: kernelCall.count, buffers, kernelCall, purpose: purpose)
  }
}

extension PointwiseKernelCall {
  init(_ function: PointwiseFunction, count: Int) {
    self.init()
    self.count = count
    func set<Number: BinaryInteger>(_ function: Number, _ a: Double = 0, _ b: Double = 0) {
      self.function = Int32(function)
      self.a = bits(a)
      self.b = bits(b)
    }
    switch function {
    case .activation(let activation): set(POINTWISE_RECTIFY, activation.negativeSlope)
    case .tanh: set(POINTWISE_TANH)
    case .sigmoid: set(POINTWISE_SIGMOID)
    case .exp: set(POINTWISE_EXP)
    case .log: set(POINTWISE_LOG)
    case .squareRoot: set(POINTWISE_SQUARE_ROOT)
    case .absolute: set(POINTWISE_ABSOLUTE)
    case .square: set(POINTWISE_SQUARE)
    case .clamp(let least, let greatest): set(POINTWISE_CLAMP, least, greatest)
    case .softplus: set(POINTWISE_SOFTPLUS)
    case .gelu: set(POINTWISE_GELU)
    case .silu: set(POINTWISE_SILU)
    case .negate: set(POINTWISE_NEGATE)
    case .reciprocal: set(POINTWISE_RECIPROCAL)
    case .affine(let scale, let offset): set(POINTWISE_AFFINE, scale, offset)
    }
  }
}

extension BinaryKernelCall {
  mutating func setFunction(_ function: BinaryFunction) {
    switch function {
    case .add: self.function = Int32(BINARY_ADD)
    case .subtract: self.function = Int32(BINARY_SUBTRACT)
    case .multiply: self.function = Int32(BINARY_MULTIPLY)
    case .divide: self.function = Int32(BINARY_DIVIDE)
    case .maximum: self.function = Int32(BINARY_MAXIMUM)
    case .minimum: self.function = Int32(BINARY_MINIMUM)
    case .gate(let slope):
      self.function = Int32(BINARY_GATE)
      self.slope = bits(slope)
    }
  }
}
