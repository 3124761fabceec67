import InstanceNorm

/// y = x where x > 0, else slope x; the slope is trained.
final class PReLU: Module {
  private let slope: Variable

  init(slope: Float = 0.25, name: String? = nil) throws {
    self.slope = try Variable(name: "slope", data: Tensor([slope]))
    super.init(name: name)
    setVar(self.slope)
  }

  override func forward(_ x: Tensor) throws -> Tensor {
    try x.relu() - slope.data.to(x.dtype) * (-x).relu()
  }
}
