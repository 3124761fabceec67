import Foundation
import InstanceNorm
import TestSupport
import Testing

/// The life of a module, as its parent class promises it.
@Suite struct ModuleTests {
  /// Notes what the parent calls, in order.
  private final class Recorder: Module {
    var calls: [String] = []
    var fails = false
    struct Failure: Error {}

    override func checkDataShape(_ shape: Shape) throws { calls.append("checkDataShape \(shape)") }
    override func checkDataType(_ dtype: DType) throws {
      calls.append("checkDataType \(dtype)")
      try super.checkDataType(dtype)
    }
    override func updateData(_ data: Tensor) throws -> Tensor {
      calls.append("updateData \(inData != nil) \(self.data == nil)")
      if fails { throw Failure() }
      return try 2 * data
    }
    override func checkGradShape(_ shape: Shape) throws {
      calls.append("checkGradShape \(shape)")
      try super.checkGradShape(shape)
    }
    override func checkGradType(_ dtype: DType) throws { calls.append("checkGradType \(dtype)") }
    override func updateGrad(_ grad: Tensor) throws -> Tensor {
      calls.append("updateGrad")
      return try 2 * grad
    }
    override func accGradParams(_ grad: Tensor, scale: Double, momentum: Double) throws {
      calls.append("accGradParams \(scale) \(momentum)")
    }
  }

  @Test func `a call checks, keeps, computes, keeps and returns`() throws {
    let module = Recorder()
    let out = try module(Tensor([1, 2] as [Float]))
    #expect(module.calls == ["checkDataShape (2,)", "checkDataType float32", "updateData true true"])
    #expect(try out.doubles == [2, 4])
    #expect(try #require(module.inData).doubles == [1, 2])
    #expect(try #require(module.data).doubles == [2, 4])

    module.calls = []
    let grad = try module.backward(Tensor([3, 4] as [Float]), scale: 0.5, momentum: 0.9)
    #expect(
      module.calls == ["checkGradShape (2,)", "checkGradType float32", "updateGrad", "accGradParams 0.5 0.9"])
    #expect(try grad.doubles == [6, 8])
    #expect(try #require(module.grad).doubles == [6, 8])
  }

  @Test func `each half of a backward pass can be left out`() throws {
    let module = Recorder()
    try module(Tensor([1] as [Float]))
    let dy = try Tensor([1] as [Float])
    module.calls = []
    let nothing = try module.backward(dy, updGrad: false)
    #expect(nothing.map(\.count) == nil)
    #expect(module.calls.suffix(1) == ["accGradParams 1.0 0.0"] && module.grad.map(\.count) == nil)
    #expect(!module.calls.contains("updateGrad"))

    module.calls = []
    try module.backward(dy, updParamGrads: false)
    #expect(module.calls.last == "updateGrad")

    module.evalMode()
    #expect(!module.train && module.data == nil)
    try module(Tensor([1] as [Float]))
    module.calls = []
    try module.backward(dy, updGrad: true)
    #expect(module.calls.last == "updateGrad")
    module.trainMode()
    #expect(module.train)
  }

  @Test func `a refused call changes nothing, a failed one leaves the module reset`() throws {
    let module = Recorder()
    try module(Tensor([1] as [Float]))
    #expect(throws: ModuleError.dataType(module: "Recorder", expected: .float32, got: .float64)) {
      try module(Tensor([1.0]))
    }
    #expect(module.data != nil && module.inData?.dtype == .float32)
    module.fails = true
    #expect(throws: Recorder.Failure.self) { try module(Tensor([1] as [Float])) }
    #expect(module.data.map(\.count) == nil && module.inData.map(\.count) == nil)
    #expect(throws: ModuleError.backwardBeforeForward(module: "Recorder")) {
      try module.backward(Tensor([1] as [Float]))
    }
  }

  @Test func `a module that overrides nothing says what it lacks`() throws {
    final class Empty: Module {}
    #expect(throws: ModuleError.notOverridden(module: "Empty", method: "updateData")) {
      try Empty()(Tensor([1] as [Float]))
    }
    #expect(throws: ModuleError.unsupportedType(module: "Empty", got: .float16, supported: [.float32])) {
      try Empty().calcMode(.float16)
    }
    #expect(try Empty().dataShape(from: [1, 2]) == [1, 2])
    #expect(try Empty().gradShape(from: [1, 2]) == [1, 2])
    #expect(Empty(name: "e").description == "Empty e")
  }

  @Test func `parameter gradients become scale new + momentum old`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    let x = try Tensor.randomNormal([2, 2, 3, 3], seed: 1)
    let dy = try Tensor.randomNormal([2, 2, 3, 3], seed: 2)
    let (scale, bias) = (try #require(norm.scale), try #require(norm.bias))
    try norm(x)
    try norm.backward(dy)
    let (newScale, newBias) = (try scale.grad.doubles, try bias.grad.doubles)

    scale.grad = try Tensor([10, 20] as [Float])
    bias.grad = try Tensor([30, 40] as [Float])
    try norm.backward(dy, scale: 2, momentum: 0.5)
    for map in 0..<2 {
      #expect(abs(try scale.grad[map] - (2 * newScale[map] + [5, 10][map])) < 1e-5)
      #expect(abs(try bias.grad[map] - (2 * newBias[map] + [15, 20][map])) < 1e-5)
    }
    // With momentum 0 what was there does not matter.
    scale.grad = try Tensor([.nan, .infinity] as [Float])
    try norm.backward(dy, updGrad: false)
    #expect(try scale.grad.doubles == newScale)
    try norm.zeroGradParams()
    #expect(try scale.grad.doubles + bias.grad.doubles == [0, 0, 0, 0])
  }

  @Test func `in evaluation and without affine nothing is accumulated`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    norm.evalMode()
    try norm(Tensor.randomNormal([2, 2, 3, 3], seed: 1))
    try norm.backward(Tensor.randomNormal([2, 2, 3, 3], seed: 2))
    #expect(try #require(norm.scale).grad.doubles == [0, 0])

    let plain = try InstanceNorm2D(numOfMaps: 2, affine: false)
    try plain(Tensor.randomNormal([2, 2, 3, 3], seed: 1))
    try plain.backward(Tensor.randomNormal([2, 2, 3, 3], seed: 2))
    #expect(plain.vars.isEmpty && plain.scale == nil && plain.bias == nil && plain.numOfParams == 0)
  }

  @Test func `accGradParams takes the gradient that it is given, whatever came before`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    try norm(Tensor.randomNormal([1, 2, 3, 3], seed: 1))
    let (first, second) = (
      try Tensor.randomNormal([1, 2, 3, 3], seed: 2), try Tensor.randomNormal([1, 2, 3, 3], seed: 3)
    )
    try norm.backward(second)
    let expected = try #require(norm.scale).grad.doubles
    _ = try norm.updateGrad(first)
    try norm.accGradParams(second, scale: 1, momentum: 0)
    #expect(try #require(norm.scale).grad.doubles == expected)
  }

  @Test func `a gradient that was written to since counts as another`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    try norm(Tensor.randomNormal([1, 2, 8, 8], seed: 1))
    var dy = try Tensor.randomNormal([1, 2, 8, 8], seed: 2)
    try norm.backward(dy, updParamGrads: false)
    try dy.fill(with: 1)
    try norm.backward(dy, updGrad: false)
    #expect(try #require(norm.bias).grad.doubles == [64, 64])
  }

  @Test func `updateParams descends`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    norm.scale?.grad = try Tensor([1, -2] as [Float])
    try norm.updateParams(learnRate: 0.5)
    #expect(try #require(norm.scale).data.doubles == [0.5, 2])
  }

  @Test func `counts, sizes, names and the description`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 512, name: "norm1")
    #expect(norm.numOfParams == 1024)
    #expect(norm.paramSize() == 4096)
    #expect(norm.paramSize(unit: .kib) == 4)
    #expect(norm.paramSize(unit: .mib) == 4.0 / 1024)
    #expect(norm.vars.keys.sorted() == ["bias", "scale"])
    #expect("\(norm)" == "InstanceNorm2D norm1(numOfMaps: 512, epsilon: 1e-05, affine: true)")
    #expect(try norm.dataShape(from: [1, 512, 7, 7]) == [1, 512, 7, 7])
  }

  @Test(arguments: DType.allCases) func `calcMode changes the type of data and keeps parameters wide`(dtype: DType)
    throws
  {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    norm.scale?.data = try Tensor([1.5, 2] as [Float])
    try norm.calcMode(dtype)
    #expect(norm.calcType == dtype)
    #expect(norm.scale?.data.dtype == (dtype == .float64 ? .float64 : .float32))
    let out = try norm(Tensor.randomNormal([1, 2, 4, 4], seed: 1, dtype: dtype))
    #expect(out.dtype == dtype)
    #expect(try norm.backward(out).dtype == dtype)
    try norm.calcMode(.float32)
    #expect(try #require(norm.scale).data.doubles == [1.5, 2])
  }

  @Test func `layers of other ranks are the same layer`() throws {
    let x = try Tensor.randomNormal([2, 3, 4, 6], seed: 1)
    let expected = try bits(InstanceNorm2D(numOfMaps: 3)(x))
    #expect(try bits(InstanceNorm1D(numOfMaps: 3)(x.reshaped(to: [2, 3, 24]))) == expected)
    #expect(try bits(InstanceNorm3D(numOfMaps: 3)(x.reshaped(to: [2, 3, 2, 2, 6]))) == expected)
  }

  @Test func `a gradient of the other layout is understood`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let dy = try Tensor.randomNormal([2, 3, 4, 6], seed: 2)
    try norm(Tensor.randomNormal([2, 3, 4, 6], seed: 1).to(.nhwc))
    #expect(try bits(norm.backward(dy)) == bits(norm.backward(dy.to(.nhwc))))
  }

  @Test func `the module of the documentation learns, and the article shows it as it is`() throws {
    let module = try PReLU(slope: 0.3, name: "act")
    let x = try Tensor([-2, 3, -1] as [Float])
    let dy = try Tensor([1, 10, 5] as [Float])
    #expect(try module(x).array(of: Float.self) == [-0.6, 3, -0.3])
    #expect(try module.backward(dy).array(of: Float.self) == [0.3, 10, 1.5])
    #expect(try #require(module.vars["slope"]).grad.doubles == [-7])
    let folder = TemporaryFolder()
    try module.save(to: folder.file("act.safetensors"))
    let other = try PReLU(name: "act")
    try other.load(from: folder.file("act.safetensors"))
    #expect(try #require(other.vars["slope"]).data.array(of: Float.self) == [0.3])

    try expectShown("PReLU.swift", in: "WritingAModule.md")
  }

  @Test func `a module of modules works as the article says, and the article shows it as it is`() throws {
    let path = try Sequential([InstanceNorm2D(numOfMaps: 3, name: "norm"), ReLU()])
    let block = Residual(path, name: "r")
    #expect(block.variables.map(\.name) == ["r.0.norm.bias", "r.0.norm.scale"])
    let x = try Tensor.randomNormal([2, 3, 4, 5], seed: 1)
    let dy = try Tensor.randomNormal([2, 3, 4, 5], seed: 2)
    let norm = try InstanceNorm2D(numOfMaps: 3, activation: .relu)
    #expect(try bits(block(x)) == bits(norm(x, residual: x)))
    let dx = try block.backward(dy)
    #expect(try bits(dx) == bits(norm.backward(dy) + dy))
    #expect(try bits(block.variables[1].variable.grad) == bits(#require(norm.scale).grad))
    // It computes in what its parts do, and a part that is frozen has no gradients.
    try block.calcMode(.float16)
    #expect(try block(x.to(.float16)).dtype == .float16)
    try block.calcMode(.float32)
    try block.zeroGradParams()
    path.modules[0].evalMode()
    try block(x)
    try block.backward(dy)
    try path.modules[0].accGradParams(dy, scale: 1, momentum: 0)
    #expect(try block.variables.allSatisfy { try $0.variable.grad.doubles.allSatisfy { $0 == 0 } })
    block.trainMode()
    // In a Sequential, and without the gradient by the data.
    let model = try Sequential([block, Tanh()])
    let optimizer = try Adam(learnRate: 0.05)
    try optimizer.setup(on: model)
    var losses: [Double] = []
    for _ in 0..<60 {
      let (loss, grad) = try meanSquaredError(model(x), Tensor.zeros([2, 3, 4, 5]))
      losses.append(loss)
      try model.backward(grad, updGrad: false)
      try optimizer.update()
    }
    #expect(losses[59] < 0.9 * losses[0])
    try expectShown("Residual.swift", in: "BuildingModels.md")
  }

  private func expectShown(_ source: String, in article: String) throws {
    let text = try String(contentsOfFile: "\(packageFolder)/Tests/InstanceNormTests/\(source)", encoding: .utf8)
    let article = try String(
      contentsOfFile: "\(packageFolder)/Sources/InstanceNorm/InstanceNorm.docc/\(article)", encoding: .utf8)
    let lines = Set(article.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
    for line in text.split(separator: "\n") where !line.hasPrefix("///") && line != "import InstanceNorm" {
      #expect(lines.contains(line.trimmingCharacters(in: .whitespaces)), "\(line)")
    }
  }
}
