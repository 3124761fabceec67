import Tensors

/// A function of one value. NaN stays NaN in all of them.
public enum PointwiseFunction: Hashable, Sendable {
  /// ReLU and its like, which a normalisation can have as well.
  case activation(Activation)
  case tanh
  /// 1 / (1 + exp(-x)).
  case sigmoid
  case exp
  /// The natural logarithm.
  case log
  case squareRoot
  /// |x|. The slope at 0 is 0.
  case absolute
  case square
  /// The nearest number within the two. The slope is 1 between them and at both, 0 outside.
  case clamp(Double, Double)
  /// log(1 + exp(x)).
  case softplus
  /// x times the normal distribution's share below x (Hendrycks and Gimpel, 2016), exactly, by erf.
  case gelu
  /// x sigmoid(x).
  case silu
  case negate
  /// 1 / x.
  case reciprocal
  /// scale x + offset.
  case affine(scale: Double, offset: Double)

  /// Whether the slope is computed from the function's value, and not from its argument.
  package var slopeIsOfOutput: Bool {
    switch self {
    case .tanh, .sigmoid, .exp, .squareRoot, .reciprocal: true
    // Which keeps signs, so that y says on which side of 0 x was.
    case .activation(let activation): activation.negativeSlope >= 0
    default: false
    }
  }
}

extension PointwiseFunction {
  /// max(x, 0). The slope at 0 is 0.
  public static let relu = PointwiseFunction.activation(.relu)

  /// x above 0, `slope` x below and at 0.
  public static func leakyReLU(slope: Double) -> PointwiseFunction { .activation(.leakyReLU(slope: slope)) }
}

extension PointwiseFunction: CustomStringConvertible {
  public var description: String {
    switch self {
    case .activation(.relu): "relu"
    case .activation(.leakyReLU(let slope)): "leakyReLU(slope: \(slope))"
    case .activation(.none): "identity"
    case .tanh: "tanh"
    case .sigmoid: "sigmoid"
    case .exp: "exp"
    case .log: "log"
    case .squareRoot: "squareRoot"
    case .absolute: "absolute"
    case .square: "square"
    case .clamp(let least, let most): "clamp(\(least), \(most))"
    case .softplus: "softplus"
    case .gelu: "gelu"
    case .silu: "silu"
    case .negate: "negate"
    case .reciprocal: "reciprocal"
    case .affine(let scale, let offset): "affine(scale: \(scale), offset: \(offset))"
    }
  }
}

/// output = f(input), value by value, as they lie in memory.
package struct PointwiseCall: Call {
  package var function: PointwiseFunction
  package var dtype: DType
  package var count: Int
  package var input: UnsafeMutableRawPointer
  /// May be the input.
  package var output: UnsafeMutableRawPointer

  package init(
    _ function: PointwiseFunction, _ dtype: DType, count: Int, input: UnsafeMutableRawPointer,
    output: UnsafeMutableRawPointer
  ) {
    self.function = function
    self.dtype = dtype
    self.count = count
    self.input = input
    self.output = output
  }
}

/// output = gradient f'(x), value by value.
package struct PointwiseGradientCall: Call {
  package var function: PointwiseFunction
  package var dtype: DType
  package var count: Int
  package var gradient: UnsafeMutableRawPointer
  /// f(x) where the function's slope is of its output, else x.
  package var value: UnsafeMutableRawPointer
  /// May be one of the two.
  package var output: UnsafeMutableRawPointer

  package init(
    _ function: PointwiseFunction, _ dtype: DType, count: Int, gradient: UnsafeMutableRawPointer,
    value: UnsafeMutableRawPointer, output: UnsafeMutableRawPointer
  ) {
    self.function = function
    self.dtype = dtype
    self.count = count
    self.gradient = gradient
    self.value = value
    self.output = output
  }
}
