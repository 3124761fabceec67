import Foundation
import InstanceNorm
import TestSupport
import Testing

/// The life of a module, as its parent class promises it.
@Suite struct ModuleTests {
  /// y = weight x; notes what the parent calls, in order.
  private final class Recorder: Module {
    let weight: Variable
    var calls: [String] = []
    var fails = false
    struct Failure: Error {}

    init() throws {
      weight = try Variable(name: "weight", data: Tensor([2] as [Float]))
      super.init()
      setVar(weight)
    }

    override func checkDataShape(_ shape: Shape) throws { calls.append("checkDataShape \(shape)") }
    override func checkDataType(_ dtype: DType) throws {
      calls.append("checkDataType \(dtype)")
      try super.checkDataType(dtype)
    }
    override func forward(_ data: Tensor) throws -> Tensor {
      calls.append("forward \(self.data == nil)")
      if fails { throw Failure() }
      return try weight.data * data
    }
    override func checkGradShape(_ shape: Shape) throws {
      calls.append("checkGradShape \(shape)")
      try super.checkGradShape(shape)
    }
    override func checkGradType(_ dtype: DType) throws { calls.append("checkGradType \(dtype)") }
  }

  @Test func `a call checks, keeps, computes, keeps and returns`() throws {
    let module = try Recorder()
    let out = try module(Tensor([1, 2] as [Float]))
    #expect(module.calls == ["checkDataShape (2,)", "checkDataType float32", "forward true"])
    #expect(try out.doubles == [2, 4])
    #expect(try #require(module.inData).doubles == [1, 2])
    #expect(try #require(module.data).doubles == [2, 4])

    module.calls = []
    module.weight.grad = try Tensor([100] as [Float])
    let grad = try module.backward(Tensor([3, 4] as [Float]), scale: 0.5, momentum: 0.25)
    #expect(module.calls == ["checkGradShape (2,)", "checkGradType float32"])
    #expect(try grad.doubles == [6, 8])
    #expect(try #require(module.grad).doubles == [6, 8])
    #expect(try #require(module.weight.grad).doubles == [0.5 * 11 + 25])
  }

  @Test func `each half of a backward pass can be left out`() throws {
    let module = try Recorder()
    try module(Tensor([3] as [Float]))
    let dy = try Tensor([1] as [Float])
    let nothing = try module.backward(dy, updGrad: false)
    #expect(nothing == nil && module.grad == nil && module.grads.isEmpty)
    #expect(try #require(module.weight.grad).doubles == [3])

    try module.weight.grad?.fill(with: 0)
    try module.backward(dy, updParamGrads: false)
    #expect(try #require(module.grad).doubles == [2])
    #expect(try #require(module.weight.grad).doubles == [0])
    // Under PuzzleLib's names.
    #expect(try module.updateGrad(Tensor([2] as [Float])).doubles == [4])
    #expect(try #require(module.weight.grad).doubles == [0])
    try module.accGradParams(dy, scale: 2, momentum: 0)
    #expect(try #require(module.weight.grad).doubles == [6])
  }

  @Test func `in evaluation nothing is kept, and so there is no gradient of it`() throws {
    let module = try Recorder()
    let (x, dy) = (try Tensor([3] as [Float]), try Tensor([1] as [Float]))
    try module(x)
    module.evalMode()
    #expect(!module.train && module.data == nil && module.inData == nil)
    let y = try module(x)
    #expect(try y.doubles == [6])
    #expect(module.data == nil && module.inData == nil && y.origin == nil)
    #expect(throws: ModuleError.backwardBeforeForward(module: "Recorder")) { try module.backward(dy) }
    #expect(throws: ModuleError.backwardBeforeForward(module: "Recorder")) { try module.accGradParams(dy) }
    module.trainMode()
    #expect(module.train)
    #expect(throws: ModuleError.backwardBeforeForward(module: "Recorder")) { try module.backward(dy) }
    try module(x)
    try module.backward(dy)
    #expect(try #require(module.weight.grad).doubles == [3])
  }

  @Test func `the gradient of several calls is not that of the last one`() throws {
    let module = try Recorder()
    let (x, dy) = (try Tensor([3] as [Float]), try Tensor([1] as [Float]))
    // One call and its gradient, over and over; the gradient more than once.
    for _ in 0..<3 {
      try module(x)
      for _ in 0..<2 { try module.backward(dy) }
    }
    for _ in 0..<2 { try module(x) }
    #expect(throws: ModuleError.calledAgain(module: "Recorder", count: 2)) { try module.backward(dy) }
    #expect(throws: ModuleError.calledAgain(module: "Recorder", count: 2)) { try module.updateGrad(dy) }
    module.reset()
    try module(x)
    try module.backward(dy)
    #expect(try #require(module.weight.grad).doubles == [3])
    // All of them together.
    let (value, found) = try valueAndGradients(of: module) { try module(module(module(x))).sum() }
    #expect(try value.scalar() == 24)
    #expect(try #require(found[module.weight]).doubles == [3 * 4 * 3])
    // Which left nothing.
    try module(x)
    try module.backward(dy)
  }

  @Test func `a refused call changes nothing, a failed one leaves the module reset`() throws {
    let module = try Recorder()
    try module(Tensor([1] as [Float]))
    #expect(throws: ModuleError.dataType(module: "Recorder", expected: .float32, got: .float64)) {
      try module(Tensor([1.0]))
    }
    #expect(module.data != nil && module.inData?.dtype == .float32)
    module.fails = true
    #expect(throws: Recorder.Failure.self) { try module(Tensor([1] as [Float])) }
    #expect(module.data == nil && module.inData == nil)
    #expect(throws: ModuleError.backwardBeforeForward(module: "Recorder")) {
      try module.backward(Tensor([1] as [Float]))
    }
  }

  @Test func `a module that overrides nothing says what it lacks`() throws {
    final class Empty: Module {}
    #expect(throws: ModuleError.notOverridden(module: "Empty", method: "forward")) {
      try Empty()(Tensor([1] as [Float]))
    }
    #expect(throws: ModuleError.inputCount(module: "Empty", expected: 1, got: 2)) {
      try Empty()([Tensor([1] as [Float]), Tensor([1] as [Float])])
    }
    #expect(Empty().supportedTypes == DType.allCases)
    #expect(try Empty().dataShape(from: [1, 2]) == [1, 2])
    #expect(try Empty().gradShape(from: [1, 2], data: [1, 2]) == [1, 2])
    #expect(Empty(name: "e").description == "Empty e")
  }

  @Test func `the gradient by data of a layer with a stride has the data's shape`() throws {
    final class Halved: Module {
      override func dataShape(from shape: Shape) -> Shape { [shape[0], (shape[1] + 1) / 2] }
    }
    #expect(try Halved().gradShape(from: [2, 3], data: [2, 5]) == [2, 5])
    #expect(try Halved().gradShape(from: [2, 3], data: [2, 6]) == [2, 6])
    #expect(throws: ModuleError.gradShape(module: "Halved", expected: [2, 4], got: [2, 3])) {
      try Halved().gradShape(from: [2, 3], data: [2, 7])
    }
  }

  @Test func `several inputs and several results`() throws {
    /// (w a b, a + b).
    final class Two: Module {
      let weight = try! Variable(name: "weight", data: Tensor([3] as [Float]))

      override func forward(_ data: [Tensor]) throws -> [Tensor] {
        guard data.count == 2 else { throw ModuleError.inputCount(module: label, expected: 2, got: data.count) }
        return [try weight.data * data[0] * data[1], try data[0] + data[1]]
      }
    }
    let module = Two()
    module.setVar(module.weight)
    let (a, b) = (try Tensor([2, 5] as [Float]), try Tensor([7, 1] as [Float]))
    let results = try module([a, b])
    #expect(try results[0].doubles == [42, 15] && results[1].doubles == [9, 6])
    let grads = try module.backward([Tensor([1, 10] as [Float]), Tensor([100, 1000] as [Float])])
    #expect(try #require(grads[0]).doubles == [3 * 7 + 100, 3 * 1 * 10 + 1000])
    #expect(try #require(grads[1]).doubles == [3 * 2 + 100, 3 * 5 * 10 + 1000])
    #expect(try #require(module.weight.grad).doubles == [14 + 50])
    #expect(throws: ModuleError.inputCount(module: "Two", expected: 2, got: 1)) { try module.backward([a]) }
    #expect(throws: ModuleError.inputCount(module: "Two", expected: 2, got: 3)) { try module([a, b, a]) }
  }

  @Test func `parameter gradients become scale new + momentum old`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    let x = try Tensor.randomNormal([2, 2, 3, 3], seed: 1)
    let dy = try Tensor.randomNormal([2, 2, 3, 3], seed: 2)
    let (scale, bias) = (try #require(norm.scale), try #require(norm.bias))
    try norm(x)
    try norm.backward(dy)
    let (newScale, newBias) = (try #require(scale.grad).doubles, try #require(bias.grad).doubles)

    scale.grad = try Tensor([10, 20] as [Float])
    bias.grad = try Tensor([30, 40] as [Float])
    try norm.backward(dy, scale: 2, momentum: 0.5)
    for map in 0..<2 {
      #expect(abs(try #require(scale.grad)[map] - (2 * newScale[map] + [5, 10][map])) < 1e-5)
      #expect(abs(try #require(bias.grad)[map] - (2 * newBias[map] + [15, 20][map])) < 1e-5)
    }
    // With momentum 0 what was there does not matter.
    scale.grad = try Tensor([.nan, .infinity] as [Float])
    try norm.backward(dy, updGrad: false)
    #expect(try #require(scale.grad).doubles == newScale)
    try norm.zeroGradParams()
    #expect(try #require(scale.grad).doubles + #require(bias.grad).doubles == [0, 0, 0, 0])
  }

  @Test func `frozen variables and layers without any accumulate nothing`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    let (scale, bias) = (try #require(norm.scale), try #require(norm.bias))
    scale.isTrained = false
    try norm(Tensor.randomNormal([2, 2, 3, 3], seed: 1))
    try norm.backward(Tensor.randomNormal([2, 2, 3, 3], seed: 2))
    #expect(try scale.grad == nil && #require(bias.grad).doubles != [0, 0])
    scale.grad = try Tensor([1, 1] as [Float])
    try norm.updateParams(learnRate: 1)
    #expect(try scale.data.doubles == [1, 1])

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
    let expected = try #require(norm.scale?.grad).doubles
    _ = try norm.updateGrad(first)
    try norm.accGradParams(second, scale: 1, momentum: 0)
    #expect(try #require(norm.scale?.grad).doubles == expected)
  }

  @Test func `a gradient is of the parameters that its call had`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2, activation: .relu)
    let (x, dy) = (try Tensor.randomNormal([1, 2, 3, 3], seed: 1), try Tensor.randomNormal([1, 2, 3, 3], seed: 2))
    try norm(x)
    let dx = try bits(norm.backward(dy))
    try norm.updateParams(learnRate: 0.5)
    #expect(try bits(norm.backward(dy)) == dx)
    norm.bias?.data = try Tensor([3, -3] as [Float])
    #expect(try bits(norm.backward(dy)) == dx)
  }

  @Test func `a gradient that was written to since counts as another`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2)
    try norm(Tensor.randomNormal([1, 2, 8, 8], seed: 1))
    var dy = try Tensor.randomNormal([1, 2, 8, 8], seed: 2)
    try norm.backward(dy, updParamGrads: false)
    try dy.fill(with: 1)
    try norm.backward(dy, updGrad: false)
    #expect(try #require(norm.bias?.grad).doubles == [64, 64])
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
}
