import Calls
import Tensors

/// A convolution in one of its directions. It is bilinear, so that its gradients are the other two.
struct Convolution: Operation {
  typealias Direction = ConvolutionCall.Direction

  let direction: Direction
  let geometry: ConvolutionGeometry
  /// x, or the gradient by y of `byData`.
  var first: Tensor
  /// w, or the gradient by y of `byWeights`.
  var second: Tensor
  /// Of `forward` alone.
  var bias: Tensor?
  /// The result's: of a gradient by w, what w has.
  let layout: Layout

  init(
    _ direction: Direction, _ geometry: ConvolutionGeometry, _ first: Tensor, _ second: Tensor, bias: Tensor? = nil,
    layout: Layout? = nil
  ) {
    self.direction = direction
    self.geometry = geometry
    self.first = first
    self.second = second
    self.bias = bias
    self.layout = layout ?? first.layout
  }

  func form() throws -> TensorForm {
    let operation = "convolving"
    let shapes = (x: geometry.inputShape, w: geometry.weightShape, y: geometry.outputShape)
    let (expected, secondExpected, result) =
      switch direction {
      case .forward: (shapes.x, shapes.w, shapes.y)
      case .byData: (shapes.y, shapes.w, shapes.x)
      case .byWeights: (shapes.x, shapes.y, shapes.w)
      }
    for (tensor, shape) in [(first, expected), (second, secondExpected)] where tensor.shape != shape {
      throw TensorError.shapeMismatch(operation: operation, expected: shape, got: tensor.shape)
    }
    let wide = first.dtype.parameterDType
    let secondDType = direction == .byWeights ? first.dtype : wide
    guard second.dtype == secondDType else {
      throw TensorError.dtypeMismatch(
        operation: direction == .byWeights ? operation : "the weights of a convolution of \(first.dtype)",
        expected: secondDType, got: second.dtype)
    }
    if let bias { try ConvolutionGeometry.check(bias: bias, maps: geometry.outputMaps, of: first.dtype) }
    return TensorForm(result, direction == .byWeights ? wide : first.dtype, layout)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&first)
    try body(&second)
    if bias != nil { try body(&bias!) }
  }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    // Of no pictures; every other extent is 1 or more.
    guard geometry.images > 0 else { return try result.fillMemory(with: 0) }
    func operand(_ tensor: Tensor) -> ConvolutionCall.Operand {
      .init(tensor.storage.address, tensor.dtype, tensor.layout)
    }
    let (x, w, y) =
      switch direction {
      case .forward: (first, second, result)
      case .byData: (result, second, first)
      case .byWeights: (first, result, second)
      }
    try withExtendedLifetime((first, second, bias, result)) {
      try ConvolutionCall(
        direction, geometry, x: operand(x), w: operand(w), y: operand(y), bias: bias?.storage.address
      ).run(on: result.storage.backend)
    }
  }

  var pullbackReads: PullbackReads { .operands }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    func part(_ direction: Direction, _ first: Tensor, _ second: Tensor, like operand: Tensor) throws -> Tensor {
      try Convolution(direction, geometry, first, second, layout: operand.layout).result()
    }
    switch direction {
    case .forward:
      try sums.add(part(.byData, gradient, second, like: first), to: first)
      try sums.add(part(.byWeights, first, gradient, like: second), to: second)
      // Rounded once, as the sums over places that weights get.
      try sums.add(gradient.to(gradient.dtype.parameterDType).sum(over: [0, 2, 3]), to: bias)
    case .byData:
      try sums.add(part(.forward, gradient, second, like: first), to: first)
      try sums.add(part(.byWeights, gradient, first, like: second), to: second)
    case .byWeights:
      try sums.add(part(.byData, second, gradient, like: first), to: first)
      try sums.add(part(.forward, first, gradient, like: second), to: second)
    }
  }
}
