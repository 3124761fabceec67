import Calls
import Tensors

// What changes a tensor in place: the steps of optimizers. None of it is recorded.

extension Tensor {
  /// `self = alpha x + beta self`, in place. With `beta` 0 what was there does not matter, NaN included.
  ///
  /// - Throws: `TensorError` or `DeviceError` when the two do not have one shape, dtype and device; then nothing has
  ///   changed.
  public mutating func combine(_ alpha: Double = 1, _ x: Tensor, beta: Double = 1) throws {
    try Recording.requireNoPlan(for: "combining in place")
    let x = try Recording.pause { try agreeing(x, "combining") }
    try makeUnique()
    try withExtendedLifetime(x) {
      try CombineCall(
        dtype, count: count, alpha: alpha, x: x.storage.address, beta: beta, target: storage.address
      ).run(on: storage.backend)
    }
  }

  /// `self = factor self`, in place.
  package mutating func scale(by factor: Double) throws {
    try makeUnique()
    try CombineCall(dtype, count: count, alpha: factor, x: storage.address, beta: 0, target: storage.address)
      .run(on: storage.backend)
  }
}

extension AdamStep {
  /// Takes the step on a parameter and its two moving averages, all of one shape, dtype, layout and device.
  package func callAsFunction(
    gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws {
    try parameter.makeUnique()
    try firstMoment.makeUnique()
    try secondMoment.makeUnique()
    try withExtendedLifetime(gradient) {
      try AdamCall(
        self, parameter.dtype, count: parameter.count, gradient: gradient.storage.address,
        parameter: parameter.storage.address, firstMoment: firstMoment.storage.address,
        secondMoment: secondMoment.storage.address
      ).run(on: parameter.storage.backend)
    }
  }
}
