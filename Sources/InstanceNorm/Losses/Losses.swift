import Operations
import Tensors

/// The mean of the squared differences of two tensors: a tensor of one value, on their device. For half-width types it is
/// computed, and is, in float32.
///
/// - Throws: `TensorError` or `DeviceError` when the two do not have one shape, dtype and device, or no values.
public func meanSquaredError(_ prediction: Tensor, _ target: Tensor) throws -> Tensor {
  try difference(prediction, target, "the mean squared error").square().mean()
}

/// The mean of the magnitudes of their differences, likewise ("L1").
public func meanAbsoluteError(_ prediction: Tensor, _ target: Tensor) throws -> Tensor {
  try difference(prediction, target, "the mean absolute error").absolute().mean()
}

/// The mean of a cost that is half the square of small differences d, and grows as their magnitude from `delta` on:
///
///     d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2)
///
/// As PyTorch's `huber_loss`. Source: Huber, "Robust estimation of a location parameter", 1964.
///
/// - Throws: also `TensorError.argument(name:expected:got:)` unless delta is more than 0.
public func huberLoss(_ prediction: Tensor, _ target: Tensor, delta: Double = 1) throws -> Tensor {
  guard delta > 0 else { throw TensorError.argument(name: "delta", expected: "more than 0", got: "\(delta)") }
  let difference = try difference(prediction, target, "the Huber loss")
  // With c the difference cut off at delta, both are c (d - c / 2).
  let cut = try difference.clamped(to: -delta...delta)
  return try (cut * (difference - 0.5 * cut)).mean()
}

/// The mean of -log p where the target is 1 and of -log(1 - p) where it is 0, for p = sigmoid(logits), computed without
/// overflow: what a discriminator is trained by.
///
/// - Parameters:
///   - logits: of any shape.
///   - target: likewise, from 0 to 1.
public func binaryCrossEntropy(logits: Tensor, _ target: Tensor) throws -> Tensor {
  let wide = logits.dtype.parameterDType
  let operation = "the binary cross entropy"
  try logits.requireLike(target, operation)
  try requireValues(logits, operation)
  let (x, t) = (try logits.to(wide), try target.to(wide).to(logits.layout))
  // -t log sigmoid(x) - (1 - t) log sigmoid(-x)
  return try (x.softplus() - t * x).mean()
}

private func difference(_ prediction: Tensor, _ target: Tensor, _ operation: String) throws -> Tensor {
  let wide = prediction.dtype.parameterDType
  try prediction.requireLike(target, operation)
  try requireValues(prediction, operation)
  return try prediction.to(wide) - target.to(wide)
}

func requireValues(_ tensor: Tensor, _ operation: String) throws {
  guard tensor.count > 0 else {
    throw TensorError.invalidShape(tensor.shape, reason: "\(operation) is a mean of one value or more")
  }
}
