import Tensors

/// What becomes of several values.
public enum ReductionFunction: Hashable, Sendable {
  /// Their sum, taken in float64.
  case sum
  /// Their mean, likewise; NaN of none.
  case mean
  /// The greatest; NaN where one is, -infinity of none.
  case max
}

/// One value for each place of `kept`, of all places of `reduced`.
package struct ReductionCall: Call {
  package var function: ReductionFunction
  package var kept: Axes
  package var reduced: Axes
  /// Its strides are for `kept` and, after these, for `reduced`.
  package var input: View
  /// Of the input's dtype or of float64. Its strides are for `kept`.
  package var output: View

  package init(_ function: ReductionFunction, kept: Axes, reduced: Axes, input: View, output: View) {
    self.function = function
    self.kept = kept
    self.reduced = reduced
    self.input = input
    self.output = output
  }
}
