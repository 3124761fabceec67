import InstanceNorm
import TestSupport
import Testing

/// Modules made of modules.
@Suite struct SequentialTests {
  private let folder = TemporaryFolder()

  private func model() throws -> Sequential {
    try Sequential(
      name: "block",
      [
        InstanceNorm2D(numOfMaps: 4, name: "norm1"), LeakyReLU(slope: 0.2),
        Sequential([GroupNorm2D(groups: 2, numOfMaps: 4, name: "norm2"), Tanh()]),
        BatchNorm2D(numOfMaps: 4), ReLU(name: "last"),
      ])
  }

  private func randomize(_ module: Module) throws {
    for (number, (_, variable)) in module.variables.enumerated() {
      variable.data = try .randomNormal(variable.data.shape, mean: 0.5, seed: UInt64(number)).to(variable.data.dtype)
    }
  }

  private let x = try! Tensor.randomNormal([3, 4, 9, 6], mean: 1, deviation: 2, seed: 11)
  private let dy = try! Tensor.randomNormal([3, 4, 9, 6], seed: 12)

  @Test func `it is its modules, one after another`() throws {
    let model = try model()
    try randomize(model)
    for fuses in [true, false] {
      model.fusesActivations = fuses
      let y = try model(x)
      let dx = try model.backward(dy)
      // By hand, each with a life of its own.
      let other = try self.model()
      try randomize(other)
      var result = x
      let parts = [0, 1, 2, 3, 4].compactMap { try? other.module(at: $0) }
      for part in parts { result = try part(result) }
      var grad = dy
      for part in parts.reversed() { grad = try part.backward(grad) }
      #expect(try bits(y) == bits(result) && bits(dx) == bits(grad), "fuses: \(fuses)")
      for (first, second) in zip(model.variables, other.variables) {
        #expect(first.name == second.name)
        #expect(
          try bits(#require(first.variable.grad)) == bits(#require(second.variable.grad)),
          "\(first.name), fuses: \(fuses)")
      }
      model.modules[0].reset()
    }
  }

  @Test func `a normalisation and the activation after it are one pass`() throws {
    let model = try Sequential([
      InstanceNorm2D(numOfMaps: 4), ReLU(), InstanceNorm2D(numOfMaps: 4, activation: .relu), LeakyReLU(),
      AdaptiveInstanceNorm2D(strength: 0.5), ReLU(),
    ])
    try (model["4"] as? AdaptiveInstanceNorm2D)?.setStyle(x)
    let y = try model(x)
    // The first activation was not called, and what it would have been given does not exist.
    #expect(model.modules[1].inData == nil && model.modules[1].data == nil)
    #expect(try #require(model.modules[0].data).doubles.allSatisfy { $0 >= 0 })
    // One that has an activation already has no room for another, and part of the way to a style has none.
    #expect(model.modules[3].data != nil && model.modules[5].data != nil)
    model.fusesActivations = false
    #expect(try bits(model(x)) == bits(y))
    #expect(try #require(model.modules[0].data).doubles.contains { $0 < 0 })
    #expect(model.modules[1].data != nil)
  }

  @Test(arguments: [DType.float16, .bfloat16, .float64]) func `it computes in every type`(dtype: DType) throws {
    let model = try model()
    try model.calcMode(dtype)
    let y = try model(x.to(dtype))
    let dx = try model.backward(dy.to(dtype))
    #expect(y.dtype == dtype && dx.dtype == dtype)
    #expect(model.variables.allSatisfy { $0.variable.data.dtype == dtype.parameterDType })
    #expect(throws: ModuleError.self) { try model(x) }
    // An added module takes on the type and the mode.
    model.evalMode()
    let added = try InstanceNorm2D(numOfMaps: 4)
    try model.append(added)
    #expect(added.calcType == dtype && !added.train)
  }

  @Test func `a module that does not compute in a type keeps all from it`() throws {
    final class Single: Module {
      override var supportedTypes: [DType] { [.float32] }
    }
    let model = try Sequential([InstanceNorm2D(numOfMaps: 4), Single(name: "s")])
    #expect(throws: ModuleError.unsupportedType(module: "Single 's'", got: .float16, supported: [.float32])) {
      try model.calcMode(.float16)
    }
    #expect(model.calcType == .float32 && model.modules[0].calcType == .float32)
  }

  @Test func `gradients can stop before the data, and at modules that are not trained`() throws {
    let model = try model()
    try randomize(model)
    try model(x)
    try model.backward(dy)
    let whole = try model.variables.map { try bits(#require($0.variable.grad)) }
    try model.zeroGradParams()
    #expect(try model.backward(dy, updGrad: false) == nil)
    #expect(try model.variables.map { try bits(#require($0.variable.grad)) } == whole)
    // Once more, scaled and on top of the old.
    try model.backward(dy, scale: 2, momentum: 1)
    let (_, last) = model.variables[model.variables.count - 1]
    let first = try #require(whole.last).map { Double(bitPattern: $0) }
    #expect(zip(try #require(last.grad).doubles, first).allSatisfy { abs($0 - 3 * $1) <= 1e-5 * abs($1) })

    try model.zeroGradParams()
    model.modules[0].evalMode()
    try model(x)
    try model.backward(dy)
    #expect(try #require((model["norm1"] as? InstanceNorm2D)?.scale?.grad).doubles.allSatisfy { $0 == 0 })
    #expect(try #require(last.grad).doubles.contains { $0 != 0 })
    model.evalMode()
    #expect(model.modules.allSatisfy { !$0.train })
    try model(x)
    #expect(model.modules.allSatisfy { $0.data == nil })
    model.trainMode()
    #expect(throws: ModuleError.backwardBeforeForward(module: "Sequential 'block'")) { try model.backward(dy) }
  }

  @Test func `a part that is frozen does not move, and one that is put back learns`() throws {
    for optimizer in [try SGD(learnRate: 0.1, momentum: 0.9), try Adam(learnRate: 0.1)] as [Optimizer] {
      let model = try Sequential([InstanceNorm2D(numOfMaps: 4, name: "body"), BatchNorm2D(numOfMaps: 4, name: "head")])
      let (body, head) = (try #require(model["body"]), try #require(model["head"]))
      try optimizer.setup(on: model)
      func step() throws {
        let (_, grad) = try valueAndGradient(by: model(x)) { try meanSquaredError($0, dy) }
        try model.backward(grad)
        try optimizer.update()
      }
      func values(_ module: Module) throws -> [[UInt64]] { try module.variables.map { try bits($0.variable.data) } }
      try step()
      head.evalMode()
      var (bodyBefore, headBefore) = (try values(body), try values(head))
      for _ in 0..<3 { try step() }
      #expect(try values(head) == headBefore && values(body) != bodyBefore)
      try model.updateParams(learnRate: 0.1)
      #expect(try values(head) == headBefore)

      model.evalMode()
      head.trainMode()
      (bodyBefore, headBefore) = (try values(body), try values(head))
      for _ in 0..<3 { try step() }
      #expect(try values(head) != headBefore && values(body) == bodyBefore)
    }
  }

  @Test func `a gradient is of the values that its call had`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 4, activation: .relu, name: "a")
    let model = try Sequential([norm, GroupNorm2D(groups: 1, numOfMaps: 4, name: "b")])
    for change in [
      { norm.bias?.data = try Tensor([3, 3, -3, 0] as [Float]) },
      { try norm.bias?.data.combine(2, Tensor([1, 0, 2, 3] as [Float])) },
      { (model["b"] as? GroupNorm2D)?.scale?.data = try Tensor([9, -9, 1, 2] as [Float]) },
    ] as [() throws -> Void] {
      try model(x)
      let dx = try bits(model.backward(dy))
      let grads = try model.variables.map { try bits(#require($0.variable.grad)) }
      try change()
      #expect(try bits(model.backward(dy)) == dx)
      #expect(try model.variables.map { try bits(#require($0.variable.grad)) } == grads)
    }
  }

  @Test func `names nest, and the whole is saved and loaded`() throws {
    let model = try model()
    #expect(
      model.variables.map(\.name) == [
        "block.norm1.bias", "block.norm1.scale", "block.2.norm2.bias", "block.2.norm2.scale", "block.3.bias",
        "block.3.scale",
      ])
    #expect(model.numOfParams == 24 && model.paramSize() == 96)
    try randomize(model)
    for _ in 0..<3 { try model(x) }
    let path = folder.file("model.safetensors")
    try model.save(to: path)
    #expect(
      try SafetensorsFile(contentsOf: path).names == [
        "block.2.norm2.bias", "block.2.norm2.weight", "block.3.bias", "block.3.num_batches_tracked",
        "block.3.running_mean", "block.3.running_var", "block.3.weight", "block.norm1.bias", "block.norm1.weight",
      ])
    let other = try self.model()
    try other.load(from: path)
    for module in [model, other] { module.evalMode() }
    #expect(try bits(model(x)) == bits(other(x)))

    // A file that lacks one tensor changes none.
    var tensors: [String: Tensor] = [:]
    let file = try SafetensorsFile(contentsOf: path)
    for name in file.names where name != "block.3.running_var" { tensors[name] = try .ones(file.entries[name]!.shape) }
    try SafetensorsFile.write(tensors, to: path)
    let before = try other.variables.map { try bits($0.variable.data) }
    #expect(throws: FileError.self) { try other.load(from: path) }
    #expect(try other.variables.map { try bits($0.variable.data) } == before)
  }

  @Test func `it trains as one`() throws {
    let model = try Sequential([
      InstanceNorm2D(numOfMaps: 4), LeakyReLU(slope: 0.3), LayerNorm2D(numOfMaps: 4), PReLU(),
    ])
    let optimizer = try Adam(learnRate: 0.05)
    try optimizer.setup(on: model)
    let teacher = try Sequential([
      InstanceNorm2D(numOfMaps: 4), LeakyReLU(slope: 0.3), LayerNorm2D(numOfMaps: 4), PReLU(slope: 0.6),
    ])
    try randomize(teacher.modules[2])
    let target = try teacher(x)
    var losses: [Double] = []
    for _ in 0..<150 {
      let (loss, grad) = try valueAndGradient(by: model(x)) { try meanSquaredError($0, target) }
      losses.append(try loss.scalar())
      try model.backward(grad, updGrad: false)
      try optimizer.update()
    }
    #expect(losses[149] < 0.05 * losses[0])
  }

  @Test func `a summary has a row for each layer`() throws {
    let model = try model()
    let text = try model.summary(for: [2, 4, 8, 8])
    let expected = """
      name           layer           output        parameters
      -------------------------------------------------------
      block.norm1    InstanceNorm2D  (2, 4, 8, 8)           8
      block.1        LeakyReLU       (2, 4, 8, 8)           0
      block.2.norm2  GroupNorm2D     (2, 4, 8, 8)           8
      block.2.1      Tanh            (2, 4, 8, 8)           0
      block.3        BatchNorm2D     (2, 4, 8, 8)           8
      block.last     ReLU            (2, 4, 8, 8)           0
      -------------------------------------------------------
                                                           24
      """
    #expect(text == expected)
    #expect(throws: ModuleError.self) { try model.summary(for: [2, 3, 8, 8]) }
    #expect(try InstanceNorm2D().summary(for: [1, 3, 2, 2]).contains("from the first data"))
  }

  @Test func `what cannot be put together is refused`() throws {
    let model = try model()
    #expect(throws: ModuleError.self) { try model.append(InstanceNorm2D(numOfMaps: 4, name: "norm1")) }
    #expect(throws: ModuleError.self) { try model.append(ReLU(name: "3")) }
    #expect(throws: ModuleError.self) { try model.append(model) }
    #expect(throws: ModuleError.self) { try model.append(Sequential(name: "outer", [model.modules[1]])) }
    let inner = try Sequential(name: "inner", [])
    let outer = try Sequential([inner])
    #expect(throws: ModuleError.self) { try inner.append(outer) }
    #expect(model.modules.count == 5 && inner.modules.isEmpty)
    #expect(throws: ModuleError.self) { try model.module(at: 5) }
    #expect(model["no"] == nil && model["3"] === model.modules[3])
    #expect(throws: ModuleError.self) { try model(Tensor.zeros([1, 3, 4, 4])) }
    // Without modules it is the identity.
    #expect(try bits(inner(x)) == bits(x))
    #expect(try bits(inner.backward(dy)) == bits(dy))
    #expect("\(try Sequential([Sequential([ReLU()])]))" == "Sequential(\n  0: Sequential(\n    0: ReLU\n  )\n)")
  }
}
