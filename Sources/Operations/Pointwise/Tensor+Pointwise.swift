import Calls
import Tensors

extension Tensor {
  /// max(x, 0). NaN stays NaN, here and in all that follow. The slope at 0 is 0.
  public func relu() throws -> Tensor { try Pointwise(.relu, self).result() }

  /// x above 0, `slope` x below and at 0.
  ///
  /// - Throws: `TensorError.argument(name:expected:got:)` when the slope is not finite.
  public func leakyReLU(slope: Double = 0.01) throws -> Tensor {
    guard slope.isFinite else {
      throw TensorError.argument(name: "slope", expected: "a finite number", got: "\(slope)")
    }
    return try Pointwise(.leakyReLU(slope: slope), self).result()
  }

  /// x above 0, a slope for each map, (C), times x below and at 0 (He, Zhang, Ren and Sun, "Delving deep into
  /// rectifiers", 2015).
  public func prelu(slope: Tensor) throws -> Tensor { try relu() - slope * (-self).relu() }

  public func tanh() throws -> Tensor { try Pointwise(.tanh, self).result() }

  /// 1 / (1 + exp(-x)).
  public func sigmoid() throws -> Tensor { try Pointwise(.sigmoid, self).result() }

  public func exp() throws -> Tensor { try Pointwise(.exp, self).result() }

  /// The natural logarithm: -infinity of 0, NaN of what is less.
  public func log() throws -> Tensor { try Pointwise(.log, self).result() }

  /// NaN of what is less than 0. The slope at 0 is infinite.
  public func squareRoot() throws -> Tensor { try Pointwise(.squareRoot, self).result() }

  /// |x|. The slope at 0 is 0.
  public func absolute() throws -> Tensor { try Pointwise(.absolute, self).result() }

  public func square() throws -> Tensor { try Pointwise(.square, self).result() }

  /// The nearest number within a range. The slope is 1 in it and 0 outside.
  ///
  /// - Throws: `TensorError.argument(name:expected:got:)` when an end is NaN.
  public func clamped(to range: ClosedRange<Double>) throws -> Tensor {
    try Pointwise(.clamp(range.lowerBound, range.upperBound), self).result()
  }

  /// log(1 + exp(x)), without overflow.
  public func softplus() throws -> Tensor { try Pointwise(.softplus, self).result() }

  /// x times the normal distribution's share below x, by the error function (Hendrycks and Gimpel, "Gaussian error
  /// linear units", 2016).
  public func gelu() throws -> Tensor { try Pointwise(.gelu, self).result() }

  /// x sigmoid(x) (Elfwing, Uchibe and Doya, 2018).
  public func silu() throws -> Tensor { try Pointwise(.silu, self).result() }

  public static prefix func - (tensor: Tensor) throws -> Tensor { try Pointwise(.negate, tensor).result() }

  // Arithmetic with numbers, which are rounded to the type that the tensor is computed in.

  public static func + (tensor: Tensor, number: Double) throws -> Tensor { try tensor.affine(1, number) }
  public static func + (number: Double, tensor: Tensor) throws -> Tensor { try tensor.affine(1, number) }
  public static func - (tensor: Tensor, number: Double) throws -> Tensor { try tensor.affine(1, -number) }
  public static func - (number: Double, tensor: Tensor) throws -> Tensor { try tensor.affine(-1, number) }
  public static func * (tensor: Tensor, factor: Double) throws -> Tensor { try tensor.affine(factor, 0) }
  public static func * (factor: Double, tensor: Tensor) throws -> Tensor { try tensor.affine(factor, 0) }
  public static func / (tensor: Tensor, divisor: Double) throws -> Tensor { try tensor.affine(1 / divisor, 0) }
  public static func / (number: Double, tensor: Tensor) throws -> Tensor {
    try Pointwise(.reciprocal, tensor).result().affine(number, 0)
  }

  /// scale x + offset.
  private func affine(_ scale: Double, _ offset: Double) throws -> Tensor {
    try Pointwise(.affine(scale: scale, offset: offset), self).result()
  }
}
