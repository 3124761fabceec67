import InstanceNorm

/// y = path(x) + x.
final class Residual: Module {
  private let path: Sequential

  init(_ path: Sequential, name: String? = nil) {
    self.path = path
    super.init(name: name)
  }

  override var children: [Module] { [path] }
  override func updateData(_ data: Tensor) throws -> Tensor { try path(data) + data }
  override func updateGrad(_ grad: Tensor) throws -> Tensor {
    try path.backward(grad, updParamGrads: false) + grad
  }
  override func accGradParams(_ grad: Tensor, scale: Double, momentum: Double) throws {
    try path.accGradParams(grad, scale: scale, momentum: momentum)
  }
}
