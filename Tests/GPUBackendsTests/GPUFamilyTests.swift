import GPUBackends
import InstanceNorm
import TestSupport
import Testing

/// All that the library has, on every device as on the CPU.
@Suite struct GPUFamilyTests {
  @Test(arguments: DevicesUnderTest.all, Layout.allCases) func `every type of normalisation`(
    device: Device, layout: Layout
  ) throws {
    for shape in [[3, 6, 9, 7], [2, 6, 80, 90], [4, 6, 1, 1], [1, 24, 16, 16]] as [Shape] {
      let maps = shape[1]
      try expectLikeCPU(shape, layout, on: device) { try InstanceNorm2D(numOfMaps: maps) }
      try expectLikeCPU(shape, layout, on: device) { try BatchNorm2D(numOfMaps: maps) }
      try expectLikeCPU(shape, layout, on: device) { try LayerNorm2D(numOfMaps: maps, activation: .relu) }
      try expectLikeCPU(shape, layout, on: device) { try GroupNorm2D(groups: 3, numOfMaps: maps) }
      try expectLikeCPU(shape, layout, on: device) {
        try LayerNorm2D(numOfMaps: maps, perElement: (shape[2], shape[3]), activation: .leakyReLU(slope: 0.3))
      }
      try expectLikeCPU(shape, layout, on: device) {
        let styled = try ConditionalInstanceNorm2D(numOfMaps: maps, numOfStyles: 3)
        try styled.select(weights: Tensor([0.2, 0.3, 0.5], shape: [1, 3]))
        return styled
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all, [DType.float16, .bfloat16]) func `in half-width types`(
    device: Device, dtype: DType
  ) throws {
    for layout in Layout.allCases {
      try expectLikeCPU([2, 6, 9, 7], layout, dtype: dtype, on: device, tolerance: 1e-2) {
        try Sequential([BatchNorm2D(numOfMaps: 6), ReLU(), GroupNorm2D(groups: 2, numOfMaps: 6), Tanh()])
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all, DType.allCases) func `where vectors and planes are even`(
    device: Device, dtype: DType
  ) throws {
    guard device.supportedTypes.contains(dtype) else { return }
    let tolerance = dtype == .float16 || dtype == .bfloat16 ? 1e-2 : 2e-5
    for layout in Layout.allCases {
      // Maps of one tile and of several, small planes and large ones.
      for shape in [[2, 16, 8, 8], [1, 40, 4, 6], [1, 24, 48, 64], [1, 3, 96, 112]] as [Shape] {
        try expectLikeCPU(shape, layout, dtype: dtype, on: device, tolerance: tolerance) {
          try InstanceNorm2D(numOfMaps: shape[1], activation: .leakyReLU(slope: 0.3))
        }
        try expectLikeCPU(shape, layout, dtype: dtype, on: device, tolerance: tolerance) {
          try BatchNorm2D(numOfMaps: shape[1], activation: .relu)
        }
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all, Layout.allCases) func `types that come to the same have the same bits`(
    device: Device, layout: Layout
  ) throws {
    func run(_ norm: Normalization, _ shape: Shape) throws -> [[UInt64]] {
      try norm.to(device)
      let x = try Tensor.randomNormal(shape, mean: 3, seed: 1).to(layout).to(device)
      let dy = try Tensor.randomNormal(shape, seed: 2).to(layout).to(device)
      return try [bits(norm(x)), bits(norm.backward(dy)), bits(#require(norm.saveInvVar))]
    }
    let shape: Shape = [3, 6, 9, 7]
    #expect(try run(GroupNorm2D(groups: 1, numOfMaps: 6), shape) == run(LayerNorm2D(numOfMaps: 6), shape))
    #expect(try run(GroupNorm2D(groups: 6, numOfMaps: 6), shape) == run(InstanceNorm2D(numOfMaps: 6), shape))
    #expect(try run(BatchNorm2D(numOfMaps: 6), [1, 6, 9, 7]) == run(InstanceNorm2D(numOfMaps: 6), [1, 6, 9, 7]))
  }

  @Test(arguments: DevicesUnderTest.all) func `running statistics`(device: Device) throws {
    func run(on device: Device) throws -> [Double] {
      let norm = try BatchNorm2D(numOfMaps: 4)
      try norm.to(device)
      for seed in 1...5 as ClosedRange<UInt64> {
        var x = try Tensor.randomNormal([3, 4, 5, 6], mean: Double(seed), deviation: 2, seed: seed)
        // Of a map that is not finite nothing is taken.
        if seed == 3 { try x.set(.nan, at: 0, 2, 0, 0) }
        try norm(x.to(device))
      }
      norm.evalMode()
      let x = try Tensor.randomNormal([2, 4, 5, 6], seed: 9).to(device)
      let y = try norm(x)
      let dx = try gradients(of: (norm(x) * y).sum(), by: x)
      return try #require(norm.runningMean).doubles + #require(norm.runningVar).doubles + y.doubles + dx.doubles
    }
    let (own, expected) = (try run(on: device), try run(on: .cpu))
    #expect(zip(own, expected).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test(arguments: DevicesUnderTest.all) func `rounding makes no variance negative`(device: Device) throws {
    for epsilon in [1e-5, 3e-5, 1e-3, 0.1, 0.2, 0.7] {
      let norm = try BatchNorm2D(numOfMaps: 1, epsilon: epsilon, momentum: 1)
      try norm.to(device)
      for _ in 0..<2 { try norm(Tensor.ones([2, 1, 3, 3]).to(device)) }
      #expect(try #require(norm.runningVar).doubles[0] >= 0, "\(epsilon)")
    }
  }

  @Test(arguments: DevicesUnderTest.all) func `training comes to the same losses`(device: Device) throws {
    func train(_ optimizer: Optimizer, on device: Device) throws -> [Double] {
      let adaptive = try AdaptiveInstanceNorm2D(strength: 0.7)
      let model = try Sequential([
        BatchNorm2D(), LeakyReLU(slope: 0.2), LayerNorm2D(numOfMaps: 4), Tanh(), GroupNorm2D(groups: 2, numOfMaps: 4),
        InstanceNorm2D(numOfMaps: 4, trackRunningStats: true), LayerNorm2D(numOfMaps: 4, perElement: (20, 17)),
        adaptive, ReLU(),
      ])
      try model.to(device)
      try adaptive.setStyle(Tensor.randomNormal([1, 4, 3, 3], mean: 2, seed: 3).to(device))
      let x = try Tensor.randomNormal([3, 4, 20, 17], seed: 1).to(device)
      let target = try Tensor.randomNormal([3, 4, 20, 17], seed: 2).to(device)
      try model(x)
      model.reset()
      try optimizer.setup(on: model)
      return try (0..<25).map { _ in
        let (loss, grad) = try valueAndGradient(by: model(x)) { try meanSquaredError($0, target) }
        try model.backward(grad)
        try optimizer.update()
        return try loss.scalar()
      }
    }
    for make in [{ try Adam(learnRate: 0.02) }, { try SGD(learnRate: 0.1, momentum: 0.9, nesterov: true) }]
      as [() throws -> Optimizer]
    {
      let (own, expected) = (try train(make(), on: device), try train(make(), on: .cpu))
      #expect(zip(own, expected).allSatisfy { abs($0 - $1) < 1e-4 * $1 }, "\(own.last ?? 0), \(expected.last ?? 0)")
      #expect(try #require(own.last) < own[0])
    }
  }

  @Test(arguments: DevicesUnderTest.few) func `a model may move between steps, and its optimizer follows`(
    device: Device
  ) throws {
    func train(_ places: [Device]) throws -> [Double] {
      let norm = try InstanceNorm2D(numOfMaps: 3)
      let optimizer = try Adam(learnRate: 0.1)
      try optimizer.setup(on: norm)
      let x = try Tensor.randomNormal([2, 3, 8, 8], seed: 1)
      let target = try Tensor.randomNormal([2, 3, 8, 8], mean: 1, seed: 2)
      return try places.map { place in
        try norm.to(place)
        let (loss, grad) = try valueAndGradient(by: norm(x.to(place))) { try meanSquaredError($0, target.to(place)) }
        try norm.backward(grad)
        try optimizer.update()
        return try loss.scalar()
      }
    }
    let moved = try train([.cpu, .cpu, device, device, .cpu, device])
    let stayed = try train(Array(repeating: .cpu, count: 6))
    #expect(zip(moved, stayed).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test(arguments: DevicesUnderTest.all) func `what one device saves another loads`(device: Device) throws {
    let folder = TemporaryFolder()
    let trained = try BatchNorm2D(numOfMaps: 3)
    try trained.to(device)
    let x = try Tensor.randomNormal([2, 3, 8, 8], mean: 2, seed: 1)
    let optimizer = try Adam(learnRate: 0.1)
    try optimizer.setup(on: trained)
    try trained(x.to(device))
    try trained.backward(x.to(device))
    try optimizer.update()
    try trained.save(to: folder.file("a.safetensors"))
    let (host, back) = (try BatchNorm2D(numOfMaps: 3), try BatchNorm2D())
    try host.load(from: folder.file("a.safetensors"))
    try back.to(device)
    try back.load(from: folder.file("a.safetensors"))
    for module in [trained, host, back] { module.evalMode() }
    #expect(back.scale?.data.device == device)
    #expect(try bits(back(x.to(device))) == bits(trained(x.to(device))))
    #expect(try bits(#require(host.runningVar)) == bits(#require(trained.runningVar)))
    #expect(try zip(host(x).doubles, trained(x.to(device)).doubles).allSatisfy { abs($0 - $1) < 1e-5 })
  }
}
