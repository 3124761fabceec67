import Operations
import Tensors

/// The values' bits in the order of memory; of every NaN the same.
func bits(_ tensor: Tensor) throws -> [UInt64] {
  func read<S: Scalar>(_ type: S.Type) throws -> [UInt64] {
    try tensor.withUnsafeBuffer(of: S.self) { $0.map { $0.double.isNaN ? .max : $0.double.bitPattern } }
  }
  return try read(tensor.dtype.scalarType)
}

/// Normal values, the same for each seed.
func normal(
  _ shape: Shape, _ dtype: DType = .float32, _ layout: Layout = .nchw, deviation: Double = 1, seed: UInt64
) throws -> Tensor {
  try (Tensor.randomNormal(shape, seed: seed).to(.float64) * deviation).to(dtype).to(layout)
}

/// A normalisation without parameters.
func normalized(_ x: Tensor, _ sharing: MomentSharing = .instance) throws -> Tensor {
  try Normalize(x, .init(sharing)).result()
}

/// Doubles its input, and gives a tensor of its own making rather than the one that it gets.
struct Doubled: Operation {
  var input: Tensor

  func form() -> TensorForm { TensorForm(like: input) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
  mutating func run(into result: inout Tensor) throws { result = try input + input }
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(2 * gradient, to: input)
  }
}
