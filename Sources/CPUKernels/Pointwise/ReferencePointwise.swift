import CTensors
import Calls
import Tensors

// The functions and their slopes as textbooks have them, in float64.

package struct ReferencePointwise {
  private let call: PointwiseCall

  package init(_ call: PointwiseCall) {
    var call = call
    // As a layer's activation has it.
    if case .activation(let activation) = call.function {
      call.function = .activation(activation.rounded(for: call.dtype))
    }
    self.call = call
  }

  package func run(_ places: Range<Int>) {
    let (input, output) = (Values(call.input, call.dtype), Values(call.output, call.dtype))
    for index in places { output[index] = call.function.value(of: input[index]) }
  }
}

package struct ReferencePointwiseGradient {
  private let call: PointwiseGradientCall

  package init(_ call: PointwiseGradientCall) { self.call = call }

  package func run(_ places: Range<Int>) {
    let (gradient, value) = (Values(call.gradient, call.dtype), Values(call.value, call.dtype))
    let output = Values(call.output, call.dtype)
    for index in places { output[index] = call.function.gradient(gradient[index], at: value[index]) }
  }
}

extension PointwiseFunction {
  /// The function's value for x. NaN stays NaN, and where a factor is 0 and the other infinite, it is the limit.
  func value(of x: Double) -> Double {
    if x.isNaN { return x }
    switch self {
    case .activation(let activation): return activation(x)
    case .tanh: return CTensors.tanh(x)
    case .sigmoid: return 1 / (1 + CTensors.exp(-x))
    case .exp: return CTensors.exp(x)
    case .log: return x < 0 ? .nan : CTensors.log(x)
    case .squareRoot: return x.squareRoot()
    case .absolute: return x.magnitude
    case .square: return x * x
    case .clamp(let least, let most): return x < least ? least : x > most ? most : x
    case .softplus: return Swift.max(x, 0) + log1p(CTensors.exp(-x.magnitude))
    case .gelu: return x == -.infinity ? 0 : x * normalShare(below: x)
    case .silu: return x == -.infinity ? 0 : x / (1 + CTensors.exp(-x))
    case .negate: return -x
    case .reciprocal: return 1 / x
    case .affine(let scale, let offset): return scale * x + offset
    }
  }

  /// dy times the slope, which is that of `v` as an argument or, where ``slopeIsOfOutput``, as a value. Where functions
  /// have a kink, a case is chosen and nothing multiplied, so that 0 is 0 whatever dy is.
  func gradient(_ dy: Double, at v: Double) -> Double {
    switch self {
    case .activation(let activation): return activation.gradient(dy, at: v)
    case .tanh: return dy * (1 - v * v)
    case .sigmoid: return dy * (v * (1 - v))
    case .exp: return dy * v
    case .log: return dy / v
    case .squareRoot: return dy * 0.5 / v
    case .absolute: return v > 0 ? dy : v < 0 ? -dy : 0
    case .square: return dy * (2 * v)
    case .clamp(let least, let most): return v >= least && v <= most ? dy : 0
    case .softplus: return dy * (1 / (1 + CTensors.exp(-v)))
    case .gelu: return dy * geluSlope(v)
    case .silu: return dy * siluSlope(v)
    case .negate: return -dy
    case .reciprocal: return -dy * (v * v)
    case .affine(let scale, _): return dy * scale
    }
  }
}

/// The normal distribution's share below x.
private func normalShare(below x: Double) -> Double { 0.5 * erfc(-x * 0.5.squareRoot()) }

private func geluSlope(_ x: Double) -> Double {
  // Beyond, the product is 0 and would be of an infinite factor.
  if x.magnitude > 50 { return x > 0 ? 1 : 0 }
  return normalShare(below: x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
}

private func siluSlope(_ x: Double) -> Double {
  if x.magnitude > 800 { return x > 0 ? 1 : 0 }
  let share = 1 / (1 + exp(-x))
  return share * (1 + x / (1 + exp(x)))
}
