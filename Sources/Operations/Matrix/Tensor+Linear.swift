import Tensors

extension Tensor {
  /// x W^T + b along the last axis, as PyTorch's `linear`. For half-width types it is computed in float32 and rounded
  /// once.
  ///
  /// - Parameters:
  ///   - weights: (O, I), of this tensor's `DType.parameterDType`, where this one is (..., I).
  ///   - bias: (O), likewise; nil for 0.
  /// - Returns: (..., O), row by row in memory.
  /// - Throws: `TensorError` when shapes or types do not fit; `DeviceError.mismatch(operation:expected:got:)`.
  public func linear(_ weights: Tensor, bias: Tensor? = nil) throws -> Tensor {
    let wide = dtype.parameterDType
    guard shape.rank > 0, weights.shape.rank == 2, weights.shape[1] == shape[shape.rank - 1] else {
      throw TensorError.shapeMismatch(
        operation: "the weights of a linear map of \(shape)",
        expected: [weights.shape.first ?? 1, shape.last ?? 1], got: weights.shape)
    }
    let outputs = weights.shape[0]
    if let bias, bias.shape != [outputs] {
      throw TensorError.shapeMismatch(operation: "the bias of a linear map", expected: [outputs], got: bias.shape)
    }
    for parameter in [weights, bias].compactMap({ $0 }) where parameter.dtype != wide {
      throw TensorError.dtypeMismatch(
        operation: "the weights and bias of a linear map of \(dtype)", expected: wide, got: parameter.dtype)
    }
    let rows = try Shape(shape.dropLast()).elementCount()
    var y = try MatrixProduct(
      first: to(.nchw).to(wide).reshaped(to: [rows, shape[shape.rank - 1]]), second: weights, transposesSecond: true
    ).result()
    if let bias { y = try y + bias }
    return try y.to(dtype).reshaped(to: Shape(shape.dropLast() + [outputs]))
  }
}
