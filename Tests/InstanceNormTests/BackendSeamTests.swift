import InstanceNorm
import TestSupport
import Testing

@Suite struct BackendSeamTests {
  private let far = Device(FarBackend())

  @Test func `a layer trains, saves and loads wherever its tensors are`() throws {
    func train(on device: Device) throws -> [UInt64] {
      let norm = try InstanceNorm2D(numOfMaps: 3)
      try norm.to(device)
      let x = try Tensor.randomNormal([2, 3, 20, 20], seed: 1).to(device)
      let target = try Tensor.randomNormal([2, 3, 20, 20], seed: 2).to(device)
      let optimizer = try Adam(learnRate: 0.1)
      try optimizer.setup(on: norm)
      for _ in 0..<5 {
        let out = try norm(x)
        #expect(out.device == device && norm.saveMean?.device == device)
        let (_, grad) = try valueAndGradient(by: out) { try meanSquaredError($0, target) }
        try norm.backward(grad)
        try optimizer.update()
      }
      #expect(norm.scale?.data.device == device && norm.scale?.grad?.device == device)
      let folder = TemporaryFolder()
      try norm.save(to: folder.file("a.safetensors"))
      let other = try InstanceNorm2D(numOfMaps: 3)
      try other.load(from: folder.file("a.safetensors"))
      return try bits(other(x.toHost()))
    }
    #expect(try train(on: far) == train(on: .cpu))
  }

  @Test func `the whole family trains wherever its tensors are`() throws {
    func train(on device: Device) throws -> [[UInt64]] {
      let styled = try ConditionalInstanceNorm2D(numOfMaps: 4, numOfStyles: 3)
      try styled.select(weights: Tensor([0.2, 0.3, 0.5], shape: [1, 3]))
      let adaptive = try AdaptiveInstanceNorm2D(strength: 0.7)
      let model = try Sequential([
        BatchNorm2D(), LeakyReLU(slope: 0.2), LayerNorm2D(numOfMaps: 4), Tanh(), GroupNorm2D(groups: 2, numOfMaps: 4),
        InstanceNorm2D(numOfMaps: 4, trackRunningStats: true), styled, LayerNorm2D(numOfMaps: 4, perElement: (6, 5)),
        adaptive, ReLU(),
      ])
      try model.to(device)
      let style = try Tensor.randomNormal([1, 4, 3, 3], mean: 2, seed: 3).to(device)
      try adaptive.setStyle(style)
      let x = try Tensor.randomNormal([3, 4, 6, 5], seed: 1).to(device)
      let target = try Tensor.randomNormal([3, 4, 6, 5], seed: 2).to(device)
      try model(x)
      model.reset()
      let optimizer = try SGD(learnRate: 0.1)
      try optimizer.setup(on: model)
      for _ in 0..<3 {
        let (_, grad) = try valueAndGradient(by: model(x)) { try meanSquaredError($0, target) }
        try model.backward(grad)
        try optimizer.update()
      }
      #expect(model.variables.allSatisfy { $0.variable.data.device == device })
      var results = try [#require(model.grad), #require((model["0"] as? BatchNorm2D)?.runningVar)]
      // By the weights and the style of calls that were given them.
      try styled(x, weights: Tensor([0.5, 0.1, 0.4], shape: [1, 3]).to(device))
      try adaptive(x, style: style)
      for layer in [styled, adaptive] as [Module] {
        try layer.backward(target)
        results += try layer.grads.map { try #require($0) }
      }
      model.evalMode()
      return try (results + [model(x)]).map(bits)
    }
    #expect(try train(on: far) == train(on: .cpu))
  }

  @Test func `variables that a file brings are where the layer was put`() throws {
    let folder = TemporaryFolder()
    let trained = try BatchNorm2D(numOfMaps: 3)
    try trained.save(to: folder.file("b.safetensors"))
    let lazy = try BatchNorm2D()
    try lazy.to(far)
    try lazy.load(from: folder.file("b.safetensors"))
    #expect(lazy.scale?.data.device == far && lazy.runningVar?.device == far)
    try lazy(Tensor.randomNormal([2, 3, 4, 4], seed: 1).to(far))
  }

  @Test func `values are read and written through the device`() throws {
    var tensor = try Tensor.randomNormal([2, 3, 4, 5], seed: 1).to(far)
    let host = try tensor.toHost()
    #expect(tensor.device == far && host.device == .cpu)
    #expect(try tensor[1, 2, 3, 4] == host[1, 2, 3, 4])
    #expect("\(tensor)" == "\(host)")
    try tensor.set(8, at: 0, 0, 0, 1)
    #expect(tensor.device == far)
    #expect(try tensor[0, 0, 0, 1] == 8)
    try tensor.withUnsafeMutableBuffer(of: Float.self) { $0[0] = 5 }
    #expect(try tensor.array(of: Float.self).prefix(2) == [5, 8])
    #expect(try tensor.planeSummaries().count == 6)
    #expect(try tensor.to(Device(FarBackend())).device == far)
  }

  @Test func `tensors on two devices in one call throw, naming both`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let x = try Tensor.zeros([1, 3, 2, 2])
    let error = #expect(throws: DeviceError.self) { try norm(x.to(far)) }
    let text = "\(try #require(error))"
    #expect(text.contains("far:0") && text.contains("cpu") && text.contains("scale"))
    try norm(x)
    #expect(throws: DeviceError.mismatch(operation: "InstanceNorm2D, backward", expected: .cpu, got: far)) {
      try norm.backward(x.to(far))
    }
    #expect(throws: DeviceError.self) { try x + x.to(far) }
  }
}
