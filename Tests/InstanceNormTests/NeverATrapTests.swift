import InstanceNorm
import TestSupport
import Testing

/// What a caller can get wrong with a layer throws an error that says what was expected and what came.
@Suite struct NeverATrapTests {
  @Test func `tensors of two types are not put together`() throws {
    let (narrow, wide) = (try Tensor([1] as [Float]), try Tensor([1] as [Double]))
    #expect(throws: TensorError.dtypeMismatch(operation: "concatenating", expected: .float32, got: .float64)) {
      try Tensor.concatenated([narrow, wide], along: 0)
    }
  }

  @Test func `constructor arguments`() throws {
    for maps in [0, -1, Int.min] {
      #expect(
        throws: ModuleError.argument(module: "InstanceNorm2D", name: "numOfMaps", expected: "1 or more", got: "\(maps)")
      ) {
        try InstanceNorm2D(numOfMaps: maps)
      }
    }
    for epsilon in [-1e-5, .nan, .infinity, -.infinity] {
      #expect(throws: ModuleError.self) { try InstanceNorm2D(numOfMaps: 3, epsilon: epsilon) }
    }
    #expect(throws: TensorError.self) { try InstanceNorm2D(numOfMaps: Int.max) }
    #expect(throws: Never.self) { try InstanceNorm2D(numOfMaps: 3, epsilon: 0) }
  }

  @Test func `rank and channel count`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let expected = "(N, 3, H, W) or (3, H, W)"
    for shape in [[4, 3, 4], [2, 4, 4, 4], [3, 4], [3], [], [1, 3, 2, 2, 2], [3, 2, 4, 4]] as [Shape] {
      #expect(throws: ModuleError.dataShape(module: "InstanceNorm2D", expected: expected, got: shape)) {
        try norm(Tensor.zeros(shape))
      }
    }
    #expect(throws: ModuleError.self) { try InstanceNorm1D(numOfMaps: 3)(Tensor.zeros([1, 3, 4, 4])) }
    #expect(throws: ModuleError.self) { try InstanceNorm3D(numOfMaps: 3)(Tensor.zeros([1, 3, 4, 4])) }
    #expect(
      "\(ModuleError.dataShape(module: "InstanceNorm2D", expected: expected, got: [4, 3, 4]))"
        == "InstanceNorm2D: expected data of shape (N, 3, H, W) or (3, H, W), got (4, 3, 4)")
  }

  @Test func `planes of nothing, however many they are`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    for shape in [[1 << 62, 3, 1, 0], [1 << 40, 3, 0, 4]] as [Shape] {
      norm.trainMode()
      // Their statistics are more than there is memory for.
      #expect(throws: TensorError.self) { try norm(Tensor.zeros(shape)) }
      norm.evalMode()
      if shape[0] == 1 << 40 {
        #expect(try norm(Tensor.zeros(shape)).shape == shape)
      } else {
        #expect(throws: TensorError.invalidShape(shape, reason: "the number of planes overflows")) {
          try norm(Tensor.zeros(shape))
        }
      }
    }
  }

  @Test func `dtype of data and gradient`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    #expect(throws: ModuleError.dataType(module: "InstanceNorm2D", expected: .float32, got: .float16)) {
      try norm(Tensor.zeros([1, 3, 4, 4], dtype: .float16))
    }
    try norm(Tensor.zeros([1, 3, 4, 4]))
    #expect(throws: ModuleError.gradType(module: "InstanceNorm2D", expected: .float32, got: .float64)) {
      try norm.backward(Tensor.zeros([1, 3, 4, 4], dtype: .float64))
    }
  }

  @Test func `gradient shape, and backward before forward`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let dy = try Tensor.zeros([1, 3, 4, 4])
    #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) { try norm.backward(dy) }
    #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) {
      try norm.backward(dy, updGrad: false)
    }
    #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) { try norm.updateGrad(dy) }
    #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) {
      try norm.accGradParams(dy, scale: 1, momentum: 0)
    }
    try norm(dy)
    #expect(throws: ModuleError.gradShape(module: "InstanceNorm2D", expected: [1, 3, 4, 4], got: [1, 3, 4, 5])) {
      try norm.backward(Tensor.zeros([1, 3, 4, 5]))
    }
    #expect(throws: ModuleError.self) { try norm.updateGrad(Tensor.zeros([1, 3, 2, 2])) }
    norm.reset()
    #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) { try norm.backward(dy) }
  }

  @Test func `variables that no longer fit`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let x = try Tensor.zeros([1, 3, 4, 4])
    norm.scale?.data = try Tensor([1, 2] as [Float])
    #expect(
      throws: ModuleError.variable(
        module: "InstanceNorm2D", name: "scale", expected: "shape (3,), float32", got: "(2,), float32")
    ) { try norm(x) }
    norm.scale?.data = try Tensor([1.0, 2.0, 3.0])
    #expect(throws: ModuleError.self) { try norm(x) }
    norm.scale?.data = try .ones([3])
    try norm(x)
    norm.bias?.grad = try .zeros([1])
    #expect(throws: ModuleError.self) { try norm.backward(x) }
  }

  @Test func `open methods called past the parent`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    for shape in [[], [3], [1, 3], [1, 50_000, 2, 2]] as [Shape] {
      #expect(throws: ModuleError.self) { try norm.forward(.ones(shape)) }
    }
    #expect(throws: ModuleError.self) { try norm.forward(.ones([1, 3, 2, 2], dtype: .float64)) }
    // Statistics of other data than the last call's.
    let large = try Tensor.randomNormal([9, 3, 8, 8], seed: 1)
    try norm(large)
    _ = try norm.forward(.ones([1, 3, 2, 2]))
    #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) { try norm.backward(large) }

    let variable = try Variable(name: "v", data: .ones([3]))
    for optimizer in [try SGD(momentum: 0.5), try Adam()] as [Optimizer] {
      var fitting = try (0..<optimizer.stateTensorCount).map { _ in try Tensor.ones([3]) }
      #expect(throws: OptimizerError.self) { try optimizer.step(variable, state: &fitting, number: 1) }
    }
    variable.grad = try .ones([3])
    for optimizer in [try SGD(momentum: 0.5), try Adam()] as [Optimizer] {
      var none: [Tensor] = []
      #expect(throws: OptimizerError.self) { try optimizer.step(variable, state: &none, number: 1) }
      var wrong = [try Tensor.ones([300]), try Tensor.ones([300])].prefix(optimizer.stateTensorCount).map { $0 }
      #expect(throws: TensorError.self) { try optimizer.step(variable, state: &wrong, number: 1) }
    }
    var state = [try Tensor.ones([3]), try Tensor.ones([3])]
    #expect(throws: OptimizerError.self) { try Adam().step(variable, state: &state, number: 0) }
    let sgd = try SGD()
    try sgd.setup(on: norm)
    sgd.learnRate = .nan
    #expect(throws: OptimizerError.self) { try sgd.update() }
  }

  @Test func `what changes between the two halves of a backward pass`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let x = try Tensor.randomNormal([1, 3, 4, 4], seed: 1)
    try norm(x)
    _ = try norm.updateGrad(x)
    norm.bias?.grad = try .zeros([1])
    #expect(throws: ModuleError.self) { try norm.accGradParams(x, scale: 1, momentum: 0) }
    norm.bias?.grad = try .zeros([3])
    norm.scale?.grad = try .zeros([3], dtype: .float64)
    #expect(throws: ModuleError.self) { try norm.accGradParams(x, scale: 1, momentum: 0) }
    norm.scale?.grad = try .zeros([3])
    // The same memory under another shape.
    #expect(throws: ModuleError.self) { try norm.accGradParams(x.reshaped(to: [3, 1, 4, 4]), scale: 1, momentum: 0) }
    #expect(throws: Never.self) { try norm.accGradParams(x, scale: 1, momentum: 0) }
  }

  @Test func `devices`() throws {
    #expect(throws: TensorError.self) { try Device.cpu(threads: 0) }
    #expect(throws: DeviceError.unknown(name: "warp:9", available: Device.available)) { try Device(named: "warp:9") }
    #expect(throws: DeviceError.self) { try Device(named: "cuda:99") }
    #expect(try Device(named: "cpu") == .cpu)
    #expect(try Device(named: "auto") == .default)
    #expect(Device.available.contains(.default))
    if !Device.available.contains(where: \.isGPU) {
      #expect(throws: DeviceError.noGPU(lookedAt: Device.available)) { try Tensor.zeros([1]).toGPU() }
    }
    #expect("\(DeviceError.noGPU(lookedAt: [.cpu]))" == "no GPU was found; looked at the devices at hand: cpu")
  }
}
