import Calls
import Tensors

extension Tensor {
  /// The values rounded to another dtype; the tensor itself when it has that dtype.
  public func to(_ dtype: DType) throws -> Tensor {
    if dtype == self.dtype { return self }
    return try Rearrange(self, dtype: dtype).result()
  }

  /// The values in another order in memory; the tensor itself when it has that layout.
  ///
  /// - Throws: `TensorError.layout(_:shape:)` when the layout does not exist for the tensor's rank.
  public func to(_ layout: Layout) throws -> Tensor {
    if layout == self.layout { return self }
    return try Rearrange(self, layout: layout).result()
  }

  /// The values on another device; the tensor itself when it is there.
  public func to(_ device: Device) throws -> Tensor {
    if device.backend === storage.backend { return self }
    return try Transfer(input: self, target: device).result()
  }
}

/// The same values on another device.
private struct Transfer: Operation {
  var input: Tensor
  let target: Device

  func form() -> TensorForm { TensorForm(like: input) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
  func alias() throws -> Tensor? { try input.copied(to: target) }
  mutating func run(into result: inout Tensor) {}
  var pullbackReads: PullbackReads { [] }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(gradient.to(input.device), to: input)
  }
}
