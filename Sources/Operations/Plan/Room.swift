import Tensors

/// Memory that a later step of a plan fills beside its result, and others read: statistics of what a convolution gives.
struct Room: WritingOperation {
  let room: TensorForm

  func form() -> TensorForm { room }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {}
  mutating func run(into result: inout Tensor) {}
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    throw PlanError.noGradient
  }
}
