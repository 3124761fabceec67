import InstanceNorm

// What the promises' cases are made of, and how their results are compared.

extension Promise {
  package static let all = exact + alike + kept
}

/// Numbers from the normal distribution, float64.
func normal(_ shape: Shape, mean: Double = 0, deviation: Double = 1, seed: UInt64 = 1) throws -> Tensor {
  try .randomNormal(shape, mean: mean, deviation: deviation, seed: seed, dtype: .float64)
}

/// Numbers of both signs, as many, with none near 0; `reach` is the most that they are.
func lobes(_ shape: Shape, reach: Double = 2, seed: UInt64 = 1) throws -> Tensor {
  let values = try Tensor.randomUniform(shape, in: 0.5..<1, seed: seed, dtype: .float64).array(of: Double.self)
  return try Tensor(values.enumerated().map { ($0 % 2 == 0 ? reach : -reach) * $1 }, shape: shape)
}

extension Tensor {
  /// As float32, on a device.
  func float(_ layout: Layout, _ device: Device) throws -> Tensor {
    try to(.float32).to(layout).to(device)
  }
}

/// A style for the layers that have one.
func giveStyle(_ norm: Normalization, _ device: Device) throws {
  if let conditional = norm as? ConditionalInstanceNorm2D {
    try conditional.select(weights: Tensor([0.1, 0.2, 0.3, 0.4], shape: [1, 4]))
  } else if let adaptive = norm as? AdaptiveInstanceNorm2D {
    try adaptive.setStyle(
      // The same numbers in every type.
      normal([1, 6, 8, 8], mean: 2, deviation: 3, seed: 5).to(.bfloat16).to(norm.calcType).to(device))
  }
}

/// A small model with something of everything.
func trainee() throws -> Sequential {
  try Sequential([
    InstanceNorm2D(numOfMaps: 8), LeakyReLU(slope: 0.25), GroupNorm2D(groups: 2, numOfMaps: 8), Tanh(),
    BatchNorm2D(numOfMaps: 8, trackRunningStats: false),
  ])
}

/// An activation's result and gradient, one after the other.
func outputAndGradient(_ module: Module, _ x: Tensor, _ dy: Tensor) throws -> Tensor {
  try module.calcMode(x.dtype)
  return try Tensor(module(x).array(of: Double.self) + module.backward(dy).array(of: Double.self))
}

func isOutOfMemory(_ error: any Error) -> Bool {
  if case TensorError.outOfMemory = error { return true }
  if case DeviceError.outOfMemory = error { return true }
  return false
}

// MARK: - How results are compared

/// Whether two tensors have the same values to the bit, whatever order they lie in.
func sameBits(_ first: Tensor, _ second: Tensor) throws -> Bool {
  func bits(_ tensor: Tensor) throws -> [UInt64] { try tensor.array(of: Double.self).map(\.bitPattern) }
  return try first.dtype == second.dtype && bits(first) == bits(second)
}

/// The largest difference, relative to numbers of 1 and more, as a fraction of what is allowed.
func worstDifference(_ values: [Double], _ expected: [Double], allowed: Double) -> Double {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { worst, pair in
    let error = pair.0 == pair.1 ? 0 : abs(pair.0 - pair.1) / (allowed * max(1, abs(pair.1)))
    return error <= worst ? worst : error.isNaN ? .infinity : error
  }
}

/// What a result that was rounded a few times may be off by.
func tolerance(of dtype: DType) -> Double {
  switch dtype {
  case .float16: 0x1p-9
  case .bfloat16: 0x1p-6
  case .float32: 1e-6
  case .float64: 1e-14
  }
}
