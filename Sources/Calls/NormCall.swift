import Tensors

/// y = activation(n) and a residual, n = scale (x - mean) invStd + bias.
package struct NormCall: Call {
  package var planes: Planes
  package var input: UnsafeMutableRawPointer
  /// May be the input; nil where only the statistics are asked for.
  package var output: UnsafeMutableRawPointer?
  package var scale: ParameterValues
  package var bias: ParameterValues
  package var epsilon: Double
  package var activation: Activation
  package var residual: UnsafeMutableRawPointer?
  package var place: ResidualPlace
  /// Which planes share the statistics that are taken; nil where these are given.
  package var sharing: MomentSharing?
  /// (N, C), of the sets that the planes belong to. May be nil only for planes that share with no other, where nobody
  /// asks.
  package var mean: UnsafeMutablePointer<Double>?
  package var invStd: UnsafeMutablePointer<Double>?
  /// Whether they are (1, C), of the first picture for all: possible on processors where ``Planes/areOnePicture(_:_:_:)``.
  package var statisticsAreOfFirst = false

  package init(
    planes: Planes, input: UnsafeMutableRawPointer, output: UnsafeMutableRawPointer?,
    scale: ParameterValues = .none(1), bias: ParameterValues = .none(0), epsilon: Double,
    activation: Activation = .none, residual: UnsafeMutableRawPointer? = nil, place: ResidualPlace = .afterActivation,
    sharing: MomentSharing? = .instance, mean: UnsafeMutablePointer<Double>? = nil,
    invStd: UnsafeMutablePointer<Double>? = nil
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
    self.sharing = sharing
    self.mean = mean
    self.invStd = invStd
  }
}

extension NormCall {
  /// Whether the output takes the place of what is read.
  package var isInPlace: Bool { output == input || output == residual }
}

/// The gradient of a ``NormCall``: dn is dy times the activation's slope, and
///
///     dx = invStd (scale dn - mean of (scale dn) - xhat mean of (scale dn xhat))
///
/// with means over the planes that share their moments; without them where the statistics were given.
package struct NormGradientCall: Call {
  package var planes: Planes
  package var gradient: UnsafeMutableRawPointer
  package var input: UnsafeMutableRawPointer
  package var scale: ParameterValues
  package var bias: ParameterValues
  package var activation: Activation
  package var residual: UnsafeMutableRawPointer?
  package var place: ResidualPlace
  /// As it was forward.
  package var sharing: MomentSharing?
  package var mean: UnsafePointer<Double>
  package var invStd: UnsafePointer<Double>
  /// Room for (2, N, C) sums over each plane of dn and of dn xhat, which the gradients by scale and bias are made of. What
  /// is there in the end means something only for planes that share with no other.
  package var sums: UnsafeMutablePointer<Double>
  /// dx; nil where only the sums are asked for.
  package var inputGradient: UnsafeMutableRawPointer?
  /// dn; nil where nobody asks. Needs an `inputGradient`.
  package var residualGradient: UnsafeMutableRawPointer?
  /// The gradient of the scale, sums of dn xhat, of the scale's grain and the data's `parameterDType`; nil where nobody
  /// asks. May be the scale itself unless that is by element.
  package var scaleGradient: UnsafeMutableRawPointer?
  /// The gradient of the bias, sums of dn, likewise. By element both are asked for, or neither.
  package var biasGradient: UnsafeMutableRawPointer?

  package init(
    planes: Planes, gradient: UnsafeMutableRawPointer, input: UnsafeMutableRawPointer, scale: ParameterValues,
    bias: ParameterValues, activation: Activation = .none, residual: UnsafeMutableRawPointer? = nil,
    place: ResidualPlace = .afterActivation, sharing: MomentSharing? = .instance, mean: UnsafePointer<Double>,
    invStd: UnsafePointer<Double>, sums: UnsafeMutablePointer<Double>, inputGradient: UnsafeMutableRawPointer?,
    residualGradient: UnsafeMutableRawPointer? = nil, scaleGradient: UnsafeMutableRawPointer? = nil,
    biasGradient: UnsafeMutableRawPointer? = nil
  ) {
    self.planes = planes
    self.gradient = gradient
    self.input = input
    self.scale = scale
    self.bias = bias
    self.activation = activation
    self.residual = residual
    self.place = place
    self.sharing = sharing
    self.mean = mean
    self.invStd = invStd
    self.sums = sums
    self.inputGradient = inputGradient
    self.residualGradient = residualGradient
    self.scaleGradient = scaleGradient
    self.biasGradient = biasGradient
  }

  /// The gradients of a scale and a bias by element.
  package var elementGradients: (scale: UnsafeMutableRawPointer, bias: UnsafeMutableRawPointer)? {
    guard let scaleGradient, let biasGradient, scale.grain == .element || bias.grain == .element else { return nil }
    return (scaleGradient, biasGradient)
  }

  /// Whether dx takes the place of what is read.
  package var isInPlace: Bool {
    guard let inputGradient else { return false }
    return inputGradient == gradient || inputGradient == input || inputGradient == residual
  }

  /// Whether the residual decides the activation's slope.
  package var readsResidual: Bool {
    residual != nil && place == .beforeActivation && activation != .none
  }
}

/// Scale or bias: float32 or float64 values, or one value for all where there are none.
package struct ParameterValues {
  /// What there is a value for.
  package enum Grain: Sendable {
    /// Each map: (C).
    case map
    /// Each map of each picture: (N, C).
    case plane
    /// Each place of a picture: (C, H, W), row by row.
    case element
  }

  package let base: UnsafeRawPointer?
  package let isDouble: Bool
  package let grain: Grain
  package let constant: Double

  /// - Parameter absent: what the value is where `base` is nil.
  package init(_ base: UnsafeMutableRawPointer?, isDouble: Bool, grain: Grain = .map, absent: Double) {
    self.base = UnsafeRawPointer(base)
    self.isDouble = isDouble
    self.grain = grain
    constant = absent
  }

  /// Whether there is a value for each map, or one for all.
  package var isByMap: Bool { base == nil || grain == .map }

  package static func none(_ absent: Double) -> ParameterValues {
    ParameterValues(nil, isDouble: false, absent: absent)
  }

  package init(_ tensor: Tensor?, absent: Double) {
    let grain: Grain =
      switch tensor?.shape.rank {
      case nil, 1: .map
      case 2: .plane
      default: .element
      }
    self.init(tensor?.storage.address, isDouble: tensor?.dtype == .float64, grain: grain, absent: absent)
  }

  /// Whether values differ within a plane.
  package var isByElement: Bool { base != nil && grain == .element }
}
