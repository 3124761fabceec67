import Calls
import Tensors

/// y = f(x), value by value.
struct Pointwise: Operation {
  let function: PointwiseFunction
  var input: Tensor

  init(_ function: PointwiseFunction, _ input: Tensor) {
    self.function = function
    self.input = input
  }

  func form() -> TensorForm { TensorForm(like: input) }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }

  mutating func run(into result: inout Tensor) throws {
    try withExtendedLifetime((input, result)) {
      try PointwiseCall(
        function, input.dtype, count: input.count, input: input.storage.address, output: result.storage.address
      ).run(on: input.storage.backend)
    }
  }

  var pullbackReads: PullbackReads {
    switch function {
    // Linear functions need neither x nor y.
    case .negate, .affine: []
    default: function.slopeIsOfOutput ? .result : .operands
    }
  }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    switch function {
    case .negate: try sums.add(-gradient, to: input)
    case .affine(let scale, _): try sums.add(scale * gradient, to: input)
    default:
      try sums.add(
        PointwiseGradient(function, gradient, at: function.slopeIsOfOutput ? result : input).result(), to: input)
    }
  }
}

/// dx = dy f'(x), value by value.
struct PointwiseGradient: Operation {
  let function: PointwiseFunction
  var gradient: Tensor
  /// y where the slope is computed from that, else x.
  var value: Tensor

  init(_ function: PointwiseFunction, _ gradient: Tensor, at value: Tensor) {
    self.function = function
    self.gradient = gradient
    self.value = value
  }

  func form() throws -> TensorForm {
    try value.requireSame(gradient, "a gradient of \(function)")
    return TensorForm(like: value)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&gradient)
    try body(&value)
  }

  mutating func run(into result: inout Tensor) throws {
    try withExtendedLifetime((gradient, value, result)) {
      try PointwiseGradientCall(
        function, value.dtype, count: value.count, gradient: gradient.storage.address, value: value.storage.address,
        output: result.storage.address
      ).run(on: value.storage.backend)
    }
  }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(PointwiseGradient(function, gradient, at: value).result(), to: self.gradient)
    guard sums.needs(value), let change = try function.slopeDerivative(at: value) else { return }
    try sums.add(gradient * self.gradient * change, to: value)
  }
}

extension PointwiseFunction {
  /// How the slope changes with what it is computed from, y or x; nil where it is constant but for jumps.
  fileprivate func slopeDerivative(at value: Tensor) throws -> Tensor? {
    switch self {
    case .activation, .absolute, .clamp, .negate, .affine: return nil
    // By y:
    case .tanh, .reciprocal: return try -2 * value
    case .sigmoid: return try 1 - 2 * value
    case .exp: return try 0 * value + 1
    case .squareRoot: return try -0.5 / value.square()
    // By x:
    case .log: return try -1 / value.square()
    case .square: return try 0 * value + 2
    case .softplus:
      let share = try value.sigmoid()
      return try share * (1 - share)
    case .silu:
      // s (1 + x (1 - s)), with s' = s (1 - s)
      let share = try value.sigmoid()
      let change = try share * (1 - share)
      return try change * (2 + value * (1 - 2 * share))
    case .gelu:
      // Phi(x) + x phi(x), with phi' = -x phi
      let density = try (1 / (2 * Double.pi).squareRoot()) * (-0.5 * value.square()).exp()
      return try density * (2 - value.square())
    }
  }
}
