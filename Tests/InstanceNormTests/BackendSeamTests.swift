import InstanceNorm
import TestSupport
import Testing

/// A device whose memory the host cannot read, made of the CPU: every tensor must come and go through the backend's
/// own copies.
private final class FarBackend: Backend {
  let name = "far:0"
  let summary = "memory out of the host's reach"
  let isGPU = true
  let isHostMemory = false
  private let cpu = CPUBackend.shared

  func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer { try cpu.allocate(byteCount: byteCount) }
  func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) { cpu.deallocate(address, byteCount: byteCount) }
  func copy(from source: UnsafeRawBufferPointer, to destination: Storage) { cpu.copy(from: source, to: destination) }
  func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) {
    cpu.copy(from: source, to: destination)
  }
  func copy(from source: Storage, to destination: Storage) { cpu.copy(from: source, to: destination) }
  func fill(_ tensor: inout Tensor, with value: Double) throws { try cpu.fill(&tensor, with: value) }
  func convert(_ source: Tensor, into destination: inout Tensor) throws { try cpu.convert(source, into: &destination) }
  func apply(_ operation: Elementwise, _ first: Tensor, _ second: Tensor, into output: inout Tensor) throws {
    try cpu.apply(operation, first, second, into: &output)
  }
  func combine(_ alpha: Double, _ x: Tensor, _ beta: Double, _ target: inout Tensor) throws {
    try cpu.combine(alpha, x, beta, &target)
  }
  func adamStep(
    _ step: AdamStep, gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws {
    try cpu.adamStep(
      step, gradient: gradient, parameter: &parameter, firstMoment: &firstMoment, secondMoment: &secondMoment)
  }
  func sum(_ tensor: Tensor) throws -> Double { try cpu.sum(tensor) }
  func apply(_ function: Pointwise, _ input: Tensor, into output: inout Tensor) throws {
    try cpu.apply(function, input, into: &output)
  }
  func applyGradient(
    _ function: Pointwise, _ gradient: Tensor, input: Tensor, output: Tensor, into inputGradient: inout Tensor
  ) throws {
    try cpu.applyGradient(function, gradient, input: input, output: output, into: &inputGradient)
  }
  func multiply(_ alpha: Double, _ first: Matrix, _ second: Matrix, _ beta: Double, _ target: inout Tensor) throws {
    // Callers have brought everything here.
    for tensor in [first.tensor, second.tensor, target] where tensor.storage.backend !== self {
      throw DeviceError.mismatch(operation: "multiplying", expected: Device(self), got: tensor.device)
    }
    func host(_ matrix: Matrix) throws -> Matrix {
      Matrix(try matrix.tensor.toHost(), slice: matrix.slice, isTransposed: matrix.isTransposed)
    }
    try cpu.multiply(alpha, host(first), host(second), beta, &target)
  }
  func normalize(
    _ input: Tensor, over sharing: MomentSharing, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try cpu.normalize(
      input, over: sharing, scale: scale, bias: bias, epsilon: epsilon, epilogue: epilogue, into: &output,
      mean: &mean, invStd: &invStd)
  }
  func normalize(
    _ input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?, epilogue: Epilogue,
    into output: inout Tensor
  ) throws {
    try cpu.normalize(
      input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, into: &output)
  }
  func statistics(
    of input: Tensor, over sharing: MomentSharing, epsilon: Double, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try cpu.statistics(of: input, over: sharing, epsilon: epsilon, mean: &mean, invStd: &invStd)
  }
  func gradientSums(
    _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, sums: inout Tensor
  ) throws {
    try cpu.gradientSums(
      gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, sums: &sums)
  }
  func normalizeGradient(
    _ gradient: Tensor, input: Tensor, over sharing: MomentSharing?, mean: Tensor, invStd: Tensor, scale: Tensor?,
    bias: Tensor?, epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor,
    residualGradient: inout Tensor?
  ) throws {
    try cpu.normalizeGradient(
      gradient, input: input, over: sharing, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue,
      sums: &sums, into: &inputGradient, residualGradient: &residualGradient)
  }
  func accumulateByElement(
    _ alpha: Double, _ gradient: Tensor, input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?,
    epilogue: Epilogue, _ beta: Double, scaleGradient: inout Tensor, biasGradient: inout Tensor
  ) throws {
    try cpu.accumulateByElement(
      alpha, gradient, input: input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, beta,
      scaleGradient: &scaleGradient, biasGradient: &biasGradient)
  }
  func accumulate(_ alpha: Double, _ sums: Tensor, row: Int, _ beta: Double, _ target: inout Tensor) throws {
    try cpu.accumulate(alpha, sums, row: row, beta, &target)
  }
}

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
        try norm.backward(meanSquaredError(out, target).grad)
        try optimizer.update()
      }
      #expect(norm.scale?.data.device == device && norm.scale?.grad.device == device)
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
      let optimizer = try SGD(learnRate: 0.1)
      try optimizer.setup(on: model)
      for _ in 0..<3 {
        try model.backward(meanSquaredError(model(x), target).grad)
        try optimizer.update()
      }
      #expect(model.variables.allSatisfy { $0.variable.data.device == device })
      let dy = try #require(adaptive.data)
      let results = try [
        #require(model.grad), styled.weightsGrad(#require(adaptive.grad)), adaptive.styleGrad(dy),
        #require((model["0"] as? BatchNorm2D)?.runningVar),
      ]
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
