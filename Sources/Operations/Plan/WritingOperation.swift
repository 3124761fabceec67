import Tensors

/// An operation that writes its result into the memory that it is given, leaves it there and has nothing to do with it
/// or with its operands' memory afterwards. So a plan can give it memory that it shares out beforehand.
protocol WritingOperation: Operation {
  /// Whether each value is written when all that is read from the same place of an operand has been, so that the result
  /// may take the memory of an operand of its form.
  var runsInPlace: Bool { get }
}

extension WritingOperation {
  var runsInPlace: Bool { false }
}

extension Pointwise: WritingOperation {
  var runsInPlace: Bool { true }
}
extension PointwiseGradient: WritingOperation {
  var runsInPlace: Bool { true }
}
extension Binary: WritingOperation {
  var runsInPlace: Bool { true }
}
extension Normalize: WritingOperation {
  package var runsInPlace: Bool { true }
}
extension PlaneStatistics: WritingOperation {}
extension Reduction: WritingOperation {}
extension Gram: WritingOperation {}
extension MatrixProduct: WritingOperation {}
extension Convolution: WritingOperation {}
extension MaxPooling: WritingOperation {}
extension Rearrange: WritingOperation {}
extension Broadcast: WritingOperation {}
extension Concatenation: WritingOperation {}
