import Tensors

/// The mean of the squared differences of two tensors, and its gradient by the first: `2 (prediction - target) /
/// count`.
///
/// - Returns: the loss, and the gradient, shaped and typed as the prediction; 0 and nothing for empty tensors.
/// - Throws: `TensorError` or `DeviceError` when the two do not have one shape, dtype and device.
public func meanSquaredError(_ prediction: Tensor, _ target: Tensor) throws -> (loss: Double, grad: Tensor) {
  let difference = try prediction - target
  guard difference.count > 0 else { return (0, difference) }
  let count = Double(difference.count)
  return (try (difference * difference).sum() / count, try (2 / count) * difference)
}
