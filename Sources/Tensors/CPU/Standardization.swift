#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a plane's values x become xhat: `xhat = (x prescale - shift) gain`.
///
/// `prescale` is 1 except for float64 planes so large or small that squares of their values leave float64's
/// range; there it is a power of two that brings them near 1, which loses nothing.
struct Standardization {
  var prescale = 1.0
  /// The mean, times `prescale`.
  var shift: Double
  /// 1 / sqrt(variance + epsilon), over `prescale`. 0 where variance and epsilon are both 0, so that xhat is.
  var gain: Double

  /// From the moments of the values times `prescale`.
  init(_ moments: Moments, epsilon: Double, prescale: Double) {
    self.prescale = prescale
    shift = moments.mean
    let spread = moments.variance + epsilon * prescale * prescale
    gain = spread == 0 ? 0 : 1 / spread.squareRoot()
  }

  /// From what a forward call saved.
  init(mean: Double, invStd: Double) {
    if mean.magnitude > 1e150 || invStd > 1e150 || (invStd < 1e-150 && invStd > 0) {
      prescale = Self.powerOfTwo(nearest: invStd)
    }
    shift = mean * prescale
    gain = invStd / prescale
  }

  var mean: Double { shift / prescale }
  var invStd: Double { gain * prescale }

  /// Whether these moments, taken with a prescale of 1, may have lost squares to overflow or underflow.
  static func leftRange(_ moments: Moments, epsilon: Double) -> Bool {
    !moments.squaredDeviations.isFinite || (moments.variance < 1e-280 && epsilon < 1e-280)
  }

  /// The prescale for values no larger than `magnitude`.
  static func prescale(magnitude: Double, epsilon: Double) -> Double {
    let largest = max(magnitude, epsilon.squareRoot())
    guard largest > 0, largest.isFinite else { return 1 }
    return powerOfTwo(nearest: 1 / max(largest, 0x1p-1022))
  }

  private static func powerOfTwo(nearest value: Double) -> Double {
    guard value > 0, value.isFinite else { return 1 }
    return scalbn(1.0, max(-1022, min(1022, Int(value.exponent))))
  }
}
