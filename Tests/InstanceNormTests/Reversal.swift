import InstanceNorm

/// Its input, whose gradient comes back with the other sign (Ganin and Lempitsky, 2015).
struct Reversal: Operation {
  var input: Tensor

  func form() -> TensorForm { TensorForm(like: input) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
  mutating func run(into result: inout Tensor) throws { result = input }
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(-gradient, to: input)
  }
}
