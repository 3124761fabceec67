// What optimizers, losses and tests need, and no more. All of it runs where the tensors are.

extension Tensor {
  /// The sum of two tensors of one shape, dtype and device, in the first one's layout.
  ///
  /// - Throws: ``TensorError/shapeMismatch(operation:expected:got:)``,
  ///   ``TensorError/dtypeMismatch(operation:expected:got:)`` or ``DeviceError/mismatch(operation:expected:got:)``.
  public static func + (first: Tensor, second: Tensor) throws -> Tensor {
    try first.applying(.add, "adding", second)
  }

  /// The difference of two tensors; throws as `+` does.
  public static func - (first: Tensor, second: Tensor) throws -> Tensor {
    try first.applying(.subtract, "subtracting", second)
  }

  /// The products value by value of two tensors; throws as `+` does.
  public static func * (first: Tensor, second: Tensor) throws -> Tensor {
    try first.applying(.multiply, "multiplying", second)
  }

  /// Every value times a number.
  public static func * (factor: Double, tensor: Tensor) throws -> Tensor {
    var result = try Tensor(uninitializedLike: tensor)
    try tensor.storage.backend.combine(factor, tensor, 0, &result)
    return result
  }

  /// `self = alpha x + beta self`, in place. With `beta` 0 what was there does not matter, NaN included.
  ///
  /// - Throws: as `+` does; then nothing has changed.
  public mutating func combine(_ alpha: Double = 1, _ x: Tensor, beta: Double = 1) throws {
    let x = try agreeing(x, "combining")
    try makeUnique()
    try storage.backend.combine(alpha, x, beta, &self)
  }

  /// Sets every value, in place.
  public mutating func fill(with value: Double) throws {
    try makeUnique()
    try storage.backend.fill(&self, with: value)
  }

  /// The sum of all values, added in float64 in a fixed order.
  public func sum() throws -> Double {
    try storage.backend.sum(self)
  }

  private func applying(_ operation: Elementwise, _ name: String, _ other: Tensor) throws -> Tensor {
    let other = try agreeing(other, name)
    var result = try Tensor(uninitializedLike: self)
    try storage.backend.apply(operation, self, other, into: &result)
    return result
  }

  /// Another tensor in this one's layout, once it is known to have its shape and dtype and to be where it is.
  ///
  /// - Parameter operation: what errors call the operation; made only for them.
  package func agreeing(_ other: Tensor, _ operation: @autoclosure () -> String) throws -> Tensor {
    guard other.shape == shape else {
      throw TensorError.shapeMismatch(operation: operation(), expected: shape, got: other.shape)
    }
    guard other.dtype == dtype else {
      throw TensorError.dtypeMismatch(operation: operation(), expected: dtype, got: other.dtype)
    }
    guard isBeside(other) else {
      throw DeviceError.mismatch(operation: operation(), expected: device, got: other.device)
    }
    return try other.to(layout)
  }
}
