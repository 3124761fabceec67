// What the layer asks of the CPU, on raw memory: tensors and callers from other languages come to the same.

/// y = activation(n) and a residual, n = scale (x - mean) invStd + bias.
package struct NormCall {
  package var planes: Planes
  package var input: UnsafeMutableRawPointer
  /// May be the input.
  package var output: UnsafeMutableRawPointer
  package var scale: ParameterValues
  package var bias: ParameterValues
  package var epsilon: Double
  package var activation: Activation
  package var residual: UnsafeMutableRawPointer?
  package var place: ResidualPlace
  /// (N, C); nil where nobody asks.
  package var mean: UnsafeMutablePointer<Double>?
  package var invStd: UnsafeMutablePointer<Double>?

  package init(
    planes: Planes, input: UnsafeMutableRawPointer, output: UnsafeMutableRawPointer, scale: ParameterValues,
    bias: ParameterValues, epsilon: Double, activation: Activation = .none,
    residual: UnsafeMutableRawPointer? = nil, place: ResidualPlace = .afterActivation,
    mean: UnsafeMutablePointer<Double>? = nil, invStd: UnsafeMutablePointer<Double>? = nil
  ) {
    self.planes = planes
    self.input = input
    self.output = output
    self.scale = scale
    self.bias = bias
    self.epsilon = epsilon
    self.activation = activation
    self.residual = residual
    self.place = place
    self.mean = mean
    self.invStd = invStd
  }
}

extension NormCall {
  /// Whether the output takes the place of what is read.
  var isInPlace: Bool { output == input || output == residual }
}

/// The gradient of a ``NormCall``: dn is dy times the activation's slope, and
///
///     dx = scale invStd (dn - sum of dn / (H W) - xhat sum of (dn xhat) / (H W))
package struct NormGradientCall {
  package var planes: Planes
  package var gradient: UnsafeMutableRawPointer
  package var input: UnsafeMutableRawPointer
  package var scale: ParameterValues
  package var bias: ParameterValues
  package var activation: Activation
  package var residual: UnsafeMutableRawPointer?
  package var place: ResidualPlace
  package var mean: UnsafePointer<Double>
  package var invStd: UnsafePointer<Double>
  /// (2, N, C): sums of dn, sums of dn xhat.
  package var sums: UnsafeMutablePointer<Double>
  /// dx; nil where only the sums are asked for.
  package var inputGradient: UnsafeMutableRawPointer?
  /// dn; nil where nobody asks. Needs an `inputGradient`.
  package var residualGradient: UnsafeMutableRawPointer?

  package init(
    planes: Planes, gradient: UnsafeMutableRawPointer, input: UnsafeMutableRawPointer, scale: ParameterValues,
    bias: ParameterValues, activation: Activation = .none, residual: UnsafeMutableRawPointer? = nil,
    place: ResidualPlace = .afterActivation, mean: UnsafePointer<Double>, invStd: UnsafePointer<Double>,
    sums: UnsafeMutablePointer<Double>, inputGradient: UnsafeMutableRawPointer?,
    residualGradient: UnsafeMutableRawPointer? = nil
  ) {
    self.planes = planes
    self.gradient = gradient
    self.input = input
    self.scale = scale
    self.bias = bias
    self.activation = activation
    self.residual = residual
    self.place = place
    self.mean = mean
    self.invStd = invStd
    self.sums = sums
    self.inputGradient = inputGradient
    self.residualGradient = residualGradient
  }

  /// Whether dx takes the place of what is read.
  var isInPlace: Bool {
    guard let inputGradient else { return false }
    return inputGradient == gradient || inputGradient == input || inputGradient == residual
  }

  /// Whether the residual decides the activation's slope.
  var readsResidual: Bool {
    residual != nil && place == .beforeActivation && activation != .none
  }
}

/// A parameter's values by map, float32 or float64; one value for all maps where there are none.
package struct ParameterValues {
  private let base: UnsafeRawPointer?
  private let isDouble: Bool
  private let constant: Double

  /// - Parameter absent: what the value is where `base` is nil.
  package init(_ base: UnsafeRawPointer?, isDouble: Bool, absent: Double) {
    self.base = base
    self.isDouble = isDouble
    constant = absent
  }

  init(_ tensor: Tensor?, absent: Double) {
    self.init(tensor.map { UnsafeRawPointer($0.storage.address) }, isDouble: tensor?.dtype == .float64, absent: absent)
  }

  subscript(map: Int) -> Double {
    guard let base else { return constant }
    return isDouble
      ? base.load(fromByteOffset: map * 8, as: Double.self)
      : Double(base.load(fromByteOffset: map * 4, as: Float.self))
  }
}
