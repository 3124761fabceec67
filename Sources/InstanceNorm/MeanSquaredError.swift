import Tensors

/// The mean of the squared differences of two tensors, and its gradient by the first:
/// `2 (prediction - target) / count`.
///
/// - Returns: the loss, and the gradient, shaped and typed as the prediction; 0 and nothing for empty tensors. For
///   half-width types both are computed in float32.
/// - Throws: `TensorError` or `DeviceError` when the two do not have one shape, dtype and device.
public func meanSquaredError(_ prediction: Tensor, _ target: Tensor) throws -> (loss: Double, grad: Tensor) {
  let wide = prediction.dtype.parameterDType
  let difference = try prediction.to(wide) - prediction.agreeing(target, "the mean squared error").to(wide)
  guard difference.count > 0 else { return (0, prediction) }
  let count = Double(difference.count)
  let loss = try (difference * difference).sum() / count
  return (loss, try ((2 / count) * difference).to(prediction.dtype))
}
