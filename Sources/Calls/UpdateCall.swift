import Tensors

/// target = alpha x + beta target, value by value. With `beta` 0 the target is not read.
package struct CombineCall: Call {
  package var dtype: DType
  package var count: Int
  package var alpha: Double
  package var x: UnsafeMutableRawPointer
  package var beta: Double
  package var target: UnsafeMutableRawPointer

  package init(
    _ dtype: DType, count: Int, alpha: Double, x: UnsafeMutableRawPointer, beta: Double,
    target: UnsafeMutableRawPointer
  ) {
    self.dtype = dtype
    self.count = count
    self.alpha = alpha
    self.x = x
    self.beta = beta
    self.target = target
  }
}

/// One step of Adam on a parameter and its two moving averages.
package struct AdamCall: Call {
  package var step: AdamStep
  package var dtype: DType
  package var count: Int
  package var gradient: UnsafeMutableRawPointer
  package var parameter: UnsafeMutableRawPointer
  package var firstMoment: UnsafeMutableRawPointer
  package var secondMoment: UnsafeMutableRawPointer

  package init(
    _ step: AdamStep, _ dtype: DType, count: Int, gradient: UnsafeMutableRawPointer,
    parameter: UnsafeMutableRawPointer, firstMoment: UnsafeMutableRawPointer, secondMoment: UnsafeMutableRawPointer
  ) {
    self.step = step
    self.dtype = dtype
    self.count = count
    self.gradient = gradient
    self.parameter = parameter
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
  }
}

/// The numbers of one step of Adam (Kingma and Ba, 2015, algorithm 1).
public struct AdamStep: Sendable {
  public var learnRate: Double
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// t: 1 for the first step.
  public var number: Int

  public init(learnRate: Double, beta1: Double, beta2: Double, epsilon: Double, number: Int) {
    self.learnRate = learnRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.number = number
  }

  /// 1 - beta1^t, by which the first moment is divided, since it began at 0.
  package var correction1: Double { 1 - Self.power(beta1, number) }
  /// 1 - beta2^t likewise.
  package var correction2: Double { 1 - Self.power(beta2, number) }

  /// base^exponent by squaring: the same bits on every platform, which `pow` does not promise.
  package static func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}
