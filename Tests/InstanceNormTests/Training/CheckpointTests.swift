import InstanceNorm
import TestSupport
import Testing

/// What is saved goes on to the same bits, and what does not fit changes nothing.
@Suite struct CheckpointTests {
  private let folder = TemporaryFolder()

  /// A convolution and a normalisation that tracks statistics, with all numbers drawn.
  private func network(seed: UInt64, maps: Int = 4) throws -> Sequential {
    let model = try Sequential([
      Conv2D(inMaps: 3, outMaps: maps, size: 3, name: "conv"),
      BatchNorm2D(numOfMaps: maps, name: "norm"),
    ])
    for (index, (_, variable)) in model.variables.enumerated() {
      variable.data = try Tensor.randomNormal(variable.data.shape, seed: seed + UInt64(index))
    }
    return model
  }

  private func train(_ model: Module, _ optimizer: Optimizer, steps: Range<Int>) throws {
    for step in steps {
      let x = try Tensor.randomNormal([2, 3, 6, 6], seed: UInt64(1000 + step))
      let (_, gradients) = try valueAndGradients(of: model) { try model(x).square().mean() }
      try optimizer.update(gradients)
    }
  }

  private func state(_ model: Module) throws -> [[UInt64]] {
    let attributes = model.children.flatMap { $0.attrs.sorted { $0.key < $1.key }.map(\.value) }
    return try (model.variables.map(\.variable.data) + attributes).map { try bits($0) }
  }

  static let optimizers: [@Sendable () throws -> Optimizer] = [
    { try Adam(learnRate: 0.01) }, { try AdamW(learnRate: 0.01) }, { try SGD(learnRate: 0.01, momentum: 0.9) },
    { try SGD(learnRate: 0.01) },
  ]

  @Test(arguments: optimizers.indices) func `a run that stopped goes on to the same bits`(index: Int) throws {
    let path = folder.file("run.safetensors")
    let (model, optimizer) = try (network(seed: 1), Self.optimizers[index]())
    try optimizer.setup(on: model)
    let average = try WeightAverage(of: model, decay: 0.9)
    try train(model, optimizer, steps: 0..<3)
    try average.update()
    optimizer.learnRate = 0.1 / 3
    var generator = SeededGenerator(seed: .max)
    _ = generator.next()
    var checkpoint = try Checkpoint(of: ["model": model, "optimizer": optimizer, "average": average])
    try checkpoint.set(generator, for: "random state")
    try checkpoint.set([Double.infinity, -0.0, 0.1, .leastNonzeroMagnitude], for: "losses")
    // What changes after the checkpoint was made is not in it.
    try train(model, optimizer, steps: 3..<6)
    try average.update()
    try checkpoint.write(to: path)

    let (again, other) = try (network(seed: 50), Self.optimizers[index]())
    try other.setup(on: again)
    let otherAverage = try WeightAverage(of: again, decay: 0.9)
    let read = try Checkpoint(contentsOf: path)
    try read.restore(["model": again, "optimizer": other, "average": otherAverage])
    #expect(other.stepCount == 3 && other.learnRate == 0.1 / 3)
    try train(again, other, steps: 3..<6)
    try otherAverage.update()
    #expect(try state(again) == state(model))
    try average.apply(to: model)
    try otherAverage.apply(to: again)
    #expect(try state(again) == state(model))
    var restored = try read.value(SeededGenerator.self, for: "random state")
    #expect(restored.next() == generator.next())
    let losses = try read.value([Double].self, for: "losses")
    #expect(losses.map(\.bitPattern) == [Double.infinity, -0.0, 0.1, .leastNonzeroMagnitude].map(\.bitPattern))
  }

  @Test func `tensors come back in the type, layout and device they had`() throws {
    let far = Device(FarBackend())
    for dtype in DType.allCases {
      let module = try Named(Tensor.randomNormal([2, 3, 4, 5], seed: 1, dtype: dtype).to(.nhwc))
      let other = try Named(Tensor(repeating: 0, shape: [2, 3, 4, 5], dtype: dtype, layout: .nhwc))
      for module in [module, other] { try module.to(far) }
      let path = folder.file("\(dtype).safetensors")
      try Checkpoint(of: ["m": module]).write(to: path)
      try Checkpoint(contentsOf: path).restore(["m": other])
      let data = other.point.data
      #expect(data.dtype == dtype && data.layout == .nhwc && data.device == far)
      #expect(try bits(data) == bits(module.point.data))
    }
  }

  private final class Named: Module {
    let point: Variable
    init(_ data: Tensor) throws {
      point = Variable(name: "point", data: data)
      super.init()
      setVar(point)
    }
  }

  @Test func `a checkpoint that does not fit changes nothing, and says why`() throws {
    let path = folder.file("run.safetensors")
    let (model, adam) = (try network(seed: 1), try Adam())
    try adam.setup(on: model)
    try train(model, adam, steps: 0..<1)
    try Checkpoint(of: ["model": model, "optimizer": adam]).write(to: path)
    let checkpoint = try Checkpoint(contentsOf: path)

    // The model comes first, and would fit.
    let (other, sgd) = (try network(seed: 9), try SGD(momentum: 0.5))
    try sgd.setup(on: other)
    let before = try state(other)
    #expect(
      throws: CheckpointError.mismatch(
        path: path, name: "optimizer", expected: "the state of SGD", got: "of Adam")
    ) { try checkpoint.restore(["model": other, "optimizer": sgd]) }
    #expect(try state(other) == before && sgd.stepCount == 0)

    #expect(
      throws: CheckpointError.mismatch(
        path: path, name: "model/conv.bias", expected: "shape (5,), float32", got: "shape (4,), float32")
    ) { try checkpoint.restore(["model": network(seed: 9, maps: 5)]) }
    #expect(
      throws: CheckpointError.mismatch(
        path: path, name: "model/norm.bias", expected: "no such tensor, as 'model' has no place for it",
        got: "shape (4,), float32")
    ) { try checkpoint.restore(["model": Sequential([Conv2D(inMaps: 3, outMaps: 4, size: 3, name: "conv")])]) }
    let error = #expect(throws: CheckpointError.self) { try checkpoint.restore(["modal": other]) }
    #expect("\(try #require(error))".hasPrefix("\(path): no 'modal/conv.bias'; nearest of its"))
    #expect(throws: CheckpointError.self) { try checkpoint.value(Int.self, for: "optimizer") }
    #expect(throws: CheckpointError.self) { try Adam().load(from: path) }
    #expect(throws: CheckpointError.self) { try Checkpoint(of: ["adam": Adam()]) }
    #expect(throws: CheckpointError.self) { try Checkpoint(of: ["norm": InstanceNorm2D()]) }
    #expect(throws: FileError.self) { try Checkpoint(contentsOf: folder.file("none")) }
    var twice = try Checkpoint(of: ["model": model])
    #expect(throws: CheckpointError.twice(name: "model/conv.bias")) { try twice.save(["model": model]) }
  }

  @Test func `an optimizer's state has a file of its own`() throws {
    let path = folder.file("adam.safetensors")
    let (model, adam) = (try network(seed: 1), try Adam(learnRate: 0.02))
    try adam.setup(on: model)
    try train(model, adam, steps: 0..<2)
    try adam.save(to: path)
    let other = try Adam()
    try other.setup(on: model)
    try other.load(from: path)
    #expect(other.stepCount == 2 && other.learnRate == 0.02)
    try other.save(to: folder.file("again.safetensors"))
    #expect(try bytes(of: path) == bytes(of: folder.file("again.safetensors")))
  }
}
