import CTensors
import Calls
import Tensors

/// How a plane's values x become xhat: `xhat = (x prescale - shift) gain`.
///
/// `prescale` is 1 except for float64 planes so large or small that squares of their values leave float64's
/// range; there it is a power of two that brings them near 2^100, which loses nothing.
struct Standardization {
  var prescale = 1.0
  /// The mean, times `prescale`.
  var shift: Double
  /// `invStd / prescale`.
  var gain: Double
  /// 1 / sqrt(variance + epsilon). 0 where variance and epsilon are both 0, so that xhat is.
  var invStd: Double

  var mean: Double { shift / prescale }

  /// From the moments of the values times `prescale`.
  init(_ moments: Moments, epsilon: Double, prescale: Double) {
    self.prescale = prescale
    shift = moments.mean
    if prescale == 1 {
      let spread = moments.variance + epsilon
      invStd = spread == 0 ? 0 : 1 / spread.squareRoot()
      gain = invStd
    } else {
      // The root of a sum of squares, either of which may be beyond the range.
      let (deviation, floor) = (moments.variance.squareRoot(), epsilon.squareRoot() * prescale)
      let (larger, smaller) = (max(deviation, floor), min(deviation, floor))
      let ratio = larger == 0 ? 0 : smaller / larger
      let root = larger * (1 + ratio * ratio).squareRoot()
      gain = root == 0 ? 0 : Self.finite(1 / root)
      invStd = Self.finite(gain * prescale)
    }
  }

  /// From what a forward call saved.
  init(mean: Double, invStd: Double) {
    self.invStd = invStd
    if mean.magnitude > 1e150 || invStd > 1e150 || (invStd < 1e-150 && invStd > 0) {
      prescale = Self.prescale(magnitude: max(mean.magnitude, invStd > 0 ? 1 / invStd : 0))
    }
    shift = mean * prescale
    gain = prescale == 1 ? invStd : Self.finite(invStd / prescale)
  }

  /// Whether these moments, taken with a prescale of 1, may have lost squares to overflow or underflow.
  static func leftRange(_ moments: Moments, epsilon: Double) -> Bool {
    !moments.squaredDeviations.isFinite || (moments.variance < 1e-280 && epsilon < 1e-280)
  }

  /// The power of two that brings values of some magnitude near 2^100: far enough from both ends of the range for
  /// squares and sums of them.
  static func prescale(magnitude: Double) -> Double {
    guard magnitude > 0, magnitude.isFinite else { return 1 }
    return scalbn(1.0, Int32(max(-1022, min(1022, 100 - Int(magnitude.exponent)))))
  }

  /// An infinite gain would make NaN of a deviation of 0.
  private static func finite(_ value: Double) -> Double {
    value.isInfinite ? .greatestFiniteMagnitude : value
  }
}
