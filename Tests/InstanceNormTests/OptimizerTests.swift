import InstanceNorm
import TestSupport
import Testing

@Suite struct OptimizerTests {
  /// A module of one variable, given its gradients by hand.
  private final class Point: Module {
    let point: Variable

    init(_ start: Tensor) throws {
      point = Variable(name: "point", data: start)
      super.init()
      setVar(point)
    }
  }

  @Test(arguments: ["sgd", "momentum", "nesterov", "adam"]) func `steps are PyTorch's`(name: String) throws {
    let file = try SafetensorsFile(contentsOf: golden("optimizers.safetensors"))
    let module = try Point(file.tensor(named: "start"))
    let grads = try file.tensor(named: "grads").doubles
    let path = try file.tensor(named: name).doubles
    let optimizer: Optimizer =
      switch name {
      case "sgd": try SGD(learnRate: 0.05)
      case "momentum": try SGD(learnRate: 0.05, momentum: 0.9)
      case "nesterov": try SGD(learnRate: 0.05, momentum: 0.9, nesterov: true)
      default: try Adam(learnRate: 0.05, beta1: 0.8, beta2: 0.99, epsilon: 1e-6)
      }
    try optimizer.setup(on: module)
    for step in 0..<6 {
      module.point.grad = try Tensor(Array(grads[step * 5..<(step + 1) * 5]))
      try optimizer.update()
      for (value, expected) in zip(try module.point.data.doubles, path[(step * 5)...]) {
        #expect(abs(value - expected) < 1e-14)
      }
    }
    #expect(optimizer.stepCount == 6)
  }

  @Test(arguments: 0..<4) func `training recovers the scale and bias behind a target`(index: Int) throws {
    let optimizer: Optimizer = [
      try SGD(learnRate: 0.3), try SGD(learnRate: 0.05, momentum: 0.8),
      try SGD(learnRate: 0.05, momentum: 0.8, nesterov: true), try Adam(learnRate: 0.1),
    ][index]
    let x = try Tensor.randomNormal([2, 3, 16, 16], mean: 4, deviation: 2, seed: 1)
    let teacher = try InstanceNorm2D(numOfMaps: 3)
    teacher.scale?.data = try Tensor([0.5, 2, -1] as [Float])
    teacher.bias?.data = try Tensor([-1, 0.25, 3] as [Float])
    let target = try teacher(x)

    let norm = try InstanceNorm2D(numOfMaps: 3)
    try optimizer.setup(on: norm)
    var losses: [Double] = []
    for _ in 0..<300 {
      let (loss, grad) = try valueAndGradient(by: norm(x)) { try meanSquaredError($0, target) }
      losses.append(try loss.scalar())
      try norm.backward(grad)
      try optimizer.update()
    }
    #expect(losses[0] > 1 && losses[299] < 1e-3 * losses[0])
    for (value, expected) in zip(try #require(norm.scale).data.doubles, [0.5, 2, -1]) {
      #expect(abs(value - expected) < 0.02)
    }
    for (value, expected) in zip(try #require(norm.bias).data.doubles, [-1, 0.25, 3]) {
      #expect(abs(value - expected) < 0.02)
    }
  }

  @Test func `what does not fit throws`() throws {
    #expect(throws: OptimizerError.notSetUp) { try SGD().update() }
    #expect(throws: OptimizerError.self) { try SGD(learnRate: -1) }
    #expect(throws: OptimizerError.self) { try SGD(learnRate: .nan) }
    #expect(throws: OptimizerError.self) { try SGD(momentum: 1) }
    #expect(throws: OptimizerError.self) { try SGD(nesterov: true) }
    #expect(throws: OptimizerError.self) { try Adam(beta2: 1) }
    #expect(throws: OptimizerError.self) { try Adam(epsilon: 0) }

    let norm = try InstanceNorm2D(numOfMaps: 3)
    let adam = try Adam()
    try adam.setup(on: norm)
    try norm.calcMode(.float64)
    #expect(throws: TensorError.self) { try adam.update() }
    try adam.setup(on: norm)
    #expect(throws: Never.self) { try adam.update() }
  }

  @Test func `steps change their state in place`() throws {
    final class Watcher: Optimizer {
      var addresses: [UnsafeMutableRawPointer] = []
      override var stateTensorCount: Int { 1 }
      override func step(_ variable: Variable, state: inout [Tensor], number: Int) throws {
        let before = state[0].storage.address
        try state[0].combine(1, gradient(of: variable, beside: state))
        #expect(state[0].storage.address == before)
        addresses.append(before)
      }
    }
    let watcher = try Watcher(learnRate: 1)
    let norm = try InstanceNorm2D(numOfMaps: 2)
    try watcher.setup(on: norm)
    var gradients = Gradients()
    for (_, variable) in norm.variables {
      variable.grad = try .zeros(variable.data.shape)
      gradients[variable] = variable.grad
    }
    for _ in 0..<3 {
      try watcher.update()
      try watcher.update(gradients)
    }
    #expect(watcher.addresses.count == 12 && Set(watcher.addresses).count == 2)
  }

  @Test func `a step that cannot be taken whole is not taken`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    let sgd = try SGD(learnRate: 1)
    try sgd.setup(on: norm)
    norm.bias?.grad = try Tensor([1, 1] as [Float])
    norm.scale?.grad = try .zeros([3])
    #expect(throws: TensorError.self) { try sgd.update() }
    #expect(try #require(norm.bias).data.doubles == [0, 0] && sgd.stepCount == 0)
    final class Empty: Optimizer {}
    let empty = try Empty(learnRate: 1)
    norm.scale?.grad = try .zeros([2])
    try empty.setup(on: norm)
    #expect(throws: ModuleError.notOverridden(module: "Empty", method: "step")) { try empty.update() }
  }

  @Test func `the loss of half-width tensors is computed in a wider type`() throws {
    let (a, b) = (try Tensor([300, 0] as [Float16]), try Tensor([0, 0] as [Float16]))
    let (loss, grad) = try valueAndGradient(by: a) { try meanSquaredError($0, b) }
    #expect(try loss.dtype == .float32 && loss.scalar() == 45_000)
    #expect(grad.dtype == .float16)
    #expect(try grad.doubles == [300, 0])
    #expect(throws: TensorError.self) { try meanSquaredError(a, Tensor([0, 0] as [Float])) }
  }

  @Test func `a gradient of NaN from before setup does not stay`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 1)
    norm.scale?.grad = try Tensor([.nan] as [Float])
    let adam = try Adam()
    try adam.setup(on: norm)
    try norm.zeroGradParams()
    try adam.update()
    #expect(try #require(norm.scale).data.doubles == [1])
  }
}
