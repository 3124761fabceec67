import Calls
import Tensors

extension Tensor {
  /// A function of each value.
  public func applying(_ function: PointwiseFunction) throws -> Tensor { try Pointwise(function, self).result() }
}
