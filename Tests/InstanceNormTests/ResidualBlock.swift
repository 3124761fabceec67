import InstanceNorm

/// y = norm2(relu(norm1(x))) + x.
final class ResidualBlock: Module {
  private let norm1: InstanceNorm2D
  private let norm2: InstanceNorm2D

  init(maps: Int, name: String? = nil) throws {
    norm1 = try InstanceNorm2D(numOfMaps: maps, activation: .relu)
    norm2 = try InstanceNorm2D(numOfMaps: maps)
    super.init(name: name)
  }

  override func forward(_ x: Tensor) throws -> Tensor {
    try norm2(norm1(x), residual: x)
  }
}
