import InstanceNorm

/// y = x where x > 0, else slope x; the slope is trained.
final class PReLU: Module {
  private let slope: Variable

  init(slope: Float = 0.25, name: String? = nil) throws {
    self.slope = try Variable(name: "slope", data: Tensor([slope]))
    super.init(name: name)
    setVar(self.slope)
  }

  override func updateData(_ data: Tensor) throws -> Tensor {
    let slope = Float(try slope.data[0])
    let x = try data.array(of: Float.self)
    return try Tensor(x.map { $0 > 0 ? $0 : slope * $0 }, shape: data.shape)
  }

  override func updateGrad(_ grad: Tensor) throws -> Tensor {
    let slope = Float(try slope.data[0])
    let (x, dy) = try operands(grad)
    return try Tensor(zip(x, dy).map { $0 > 0 ? $1 : slope * $1 }, shape: grad.shape)
  }

  override func accGradParams(_ grad: Tensor, scale: Double, momentum: Double) throws {
    let (x, dy) = try operands(grad)
    let slopeGrad = zip(x, dy).reduce(0) { $0 + min($1.0, 0) * $1.1 }
    try slope.grad.combine(scale, Tensor([slopeGrad]), beta: momentum)
  }

  private func operands(_ grad: Tensor) throws -> (x: [Float], dy: [Float]) {
    guard let inData else { throw ModuleError.backwardBeforeForward(module: label) }
    return (try inData.array(of: Float.self), try grad.array(of: Float.self))
  }
}
