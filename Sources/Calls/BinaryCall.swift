import Tensors

/// A function of two values.
public enum BinaryFunction: Hashable, Sendable {
  case add
  case subtract
  case multiply
  case divide
  /// The greater one; NaN where either is.
  case maximum
  /// The lesser one; NaN where either is.
  case minimum
  /// gate(a, b): a where b is above 0, else `slope` a, which is exactly 0 for a slope of 0. It is the slope of ReLU
  /// and leaky ReLU at b, times a.
  case gate(slope: Double)
}

/// output = f(first, second) for all places of some extents, all of one dtype. Where an operand's stride is 0 it is
/// repeated along that axis.
package struct BinaryCall: Call {
  package var function: BinaryFunction
  package var extents: Axes
  package var first: View
  package var second: View
  /// May be an operand that is not repeated.
  package var output: View

  package init(_ function: BinaryFunction, extents: Axes, first: View, second: View, output: View) {
    self.function = function
    self.extents = extents
    self.first = first
    self.second = second
    self.output = output
  }
}
