import InstanceNorm

// What the promises' cases are made of.

/// Numbers from the normal distribution, float64.
func normal(_ shape: Shape, mean: Double = 0, deviation: Double = 1, seed: UInt64 = 1) throws -> Tensor {
  try .randomNormal(shape, mean: mean, deviation: deviation, seed: seed, dtype: .float64)
}

/// Numbers of alternating sign and magnitudes from half of `reach` to `reach`, so that none is near 0; float64.
func lobes(_ shape: Shape, reach: Double = 2, seed: UInt64 = 1) throws -> Tensor {
  let values = try Tensor.randomUniform(shape, in: 0.5..<1, seed: seed, dtype: .float64).array(of: Double.self)
  return try Tensor(values.enumerated().map { ($0 % 2 == 0 ? reach : -reach) * $1 }, shape: shape)
}

/// Random numbers in float32, the same million of them again and again: to draw hundreds of millions would take longer
/// than all measurements together.
package func repeated(_ shape: Shape, seed: UInt64) throws -> Tensor {
  let some = try Tensor.randomNormal([1 << 20], mean: 1, seed: seed).array(of: Float.self)
  return try Tensor(shape: shape) { (buffer: UnsafeMutableBufferPointer<Float>) in
    for index in buffer.indices { buffer[index] = some[index % some.count] }
  }
}

extension Tensor {
  /// In a type and a layout, on a device.
  func placed(_ dtype: DType, _ layout: Layout, _ device: Device) throws -> Tensor {
    try to(dtype).to(layout).to(device)
  }
}

extension Device {
  /// Every type that the device computes in, in every layout.
  var typesAndLayouts: [(dtype: DType, layout: Layout)] {
    supportedTypes.flatMap { dtype in Layout.allCases.map { (dtype, $0) } }
  }

  /// Instance normalisation that computes in a type.
  func instanceNorm(maps: Int, _ dtype: DType) throws -> InstanceNorm2D {
    let norm = try InstanceNorm2D(numOfMaps: maps)
    try norm.calcMode(dtype)
    try norm.to(self)
    return norm
  }
}

/// Chooses a style for the layers that have one.
func giveStyle(_ norm: Normalization, _ device: Device) throws {
  if let conditional = norm as? ConditionalInstanceNorm2D {
    try conditional.select(weights: Tensor([0.1, 0.2, 0.3, 0.4], shape: [1, 4]))
  } else if let adaptive = norm as? AdaptiveInstanceNorm2D {
    try adaptive.setStyle(
      // Through the narrowest type, so that the numbers are the same in every type.
      normal([1, 6, 8, 8], mean: 2, deviation: 3, seed: 5).to(.bfloat16).to(norm.calcType).to(device))
  }
}

/// A small model for 8 maps, with layers of several kinds.
func trainee() throws -> Sequential {
  try Sequential([
    InstanceNorm2D(numOfMaps: 8), LeakyReLU(slope: 0.25), GroupNorm2D(groups: 2, numOfMaps: 8), Tanh(),
    BatchNorm2D(numOfMaps: 8, trackRunningStats: false),
  ])
}
