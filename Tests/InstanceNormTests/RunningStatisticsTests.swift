import InstanceNorm
import TestSupport
import Testing

/// What training leaves for evaluation.
@Suite struct RunningStatisticsTests {
  private let folder = TemporaryFolder()

  @Test func `running statistics are for evaluation, and only training moves them`() throws {
    let norm = try BatchNorm2D(numOfMaps: 2)
    let x = try Tensor.randomNormal([8, 2, 16, 16], mean: 3, deviation: 2, seed: 1)
    norm.evalMode()
    let first = try norm(x)
    #expect(try norm.numOfBatches == 0 && abs(first[0, 0, 0, 0] - x[0, 0, 0, 0]) < 1e-4)
    norm.trainMode()
    for _ in 0..<200 { try norm(x) }
    let mean = try #require(norm.runningMean)
    #expect(abs(try mean[0] - 3) < 0.2)
    norm.evalMode()
    let y = try norm(x)
    let summaries = try y.planeSummaries().map(\.moments.mean)
    #expect(abs(summaries.reduce(0, +) / 16) < 1e-3)
    #expect(norm.numOfBatches == 200)
    #expect(try bits(#require(norm.runningMean)) == bits(mean))
    // A picture's result no longer hangs on its batch.
    let alone = try norm(Tensor(x.array(of: Float.self).prefix(512).map { $0 }, shape: [1, 2, 16, 16]))
    #expect(try bits(alone) == Array(bits(y).prefix(512)))

    // By its own statistics, evaluation is training.
    let own = try BatchNorm2D(numOfMaps: 2, trackRunningStats: false)
    let trained = try bits(own(x))
    own.evalMode()
    #expect(try bits(own(x)) == trained && own.runningMean == nil)
  }

  @Test func `what cannot be tracked is not`() throws {
    let norm = try BatchNorm2D(numOfMaps: 3)
    let before = try #require(norm.runningVar)
    // A single value has no variance.
    let expected = "with more than one value for each mean, as a single one has no variance to track"
    #expect(throws: ModuleError.dataShape(module: "BatchNorm2D", expected: expected, got: [1, 3, 1, 1])) {
      try norm(Tensor.ones([1, 3, 1, 1]))
    }
    try norm(Tensor.ones([2, 3, 1, 1]))
    try norm(Tensor.zeros([0, 3, 4, 4]))
    #expect(norm.numOfBatches == 1)
    norm.evalMode()
    try norm(Tensor.ones([1, 3, 1, 1]))
    norm.trainMode()
    let instance = try InstanceNorm2D(numOfMaps: 3, trackRunningStats: true)
    #expect(throws: ModuleError.self) { try instance(Tensor.ones([4, 3, 1, 1])) }
    try InstanceNorm2D(numOfMaps: 3)(Tensor.ones([4, 3, 1, 1]))

    // NaN in one map leaves that map's as they are, and the others' move.
    var x = try Tensor.randomNormal([2, 3, 4, 4], mean: 9, seed: 1)
    try x.set(.nan, at: 1, 1, 2, 2)
    let mean = try #require(norm.runningMean).doubles
    try norm(x)
    let after = try #require(norm.runningMean).doubles
    #expect(after[1] == mean[1] && after[0] > mean[0] && after[2] > mean[2])
    #expect(try #require(norm.runningVar).doubles.allSatisfy(\.isFinite))
    #expect(try before.doubles == [1, 1, 1])
  }

  @Test func `rounding makes no variance negative`() throws {
    for epsilon in [1e-5, 3e-5, 1e-3, 0.1, 0.2, 0.7] {
      let norm = try BatchNorm2D(numOfMaps: 1, epsilon: epsilon, momentum: 1)
      // Of equal values, epsilon is all that the inverse deviation is of. What was there before hides it once.
      for _ in 0..<2 { try norm(Tensor.ones([2, 1, 3, 3])) }
      #expect(try #require(norm.runningVar).doubles[0] >= 0, "\(epsilon)")
    }
  }

  @Test func `running statistics that cannot be are refused`() throws {
    let path = folder.file("r.safetensors")
    let x = try Tensor.randomNormal([2, 3, 4, 4], seed: 1)
    let norm = try BatchNorm2D(numOfMaps: 3)
    try norm.save(to: path)
    let file = try SafetensorsFile(contentsOf: path)
    var tensors: [String: Tensor] = [:]
    for name in file.names { tensors[name] = try file.tensor(named: name) }
    // Without a count, as old files are, it is 0.
    tensors["num_batches_tracked"] = nil
    try SafetensorsFile.write(tensors, to: path)
    try norm(x)
    try norm.load(from: path)
    #expect(norm.numOfBatches == 0)
    // A count of any type will do, and one that a half could not hold.
    for count in try [Tensor([3.0], shape: [1]), Tensor([3 as Float], shape: [1, 1]), Tensor([3.5], shape: [])] {
      tensors["num_batches_tracked"] = count
      try SafetensorsFile.write(tensors, to: path)
      try norm.load(from: path)
      #expect(norm.numOfBatches == 3)
    }
    tensors["num_batches_tracked"] = try Tensor([Double.infinity], shape: []).to(.float16)
    try SafetensorsFile.write(tensors, to: path)
    try norm.load(from: path)
    #expect(norm.numOfBatches == 1 << 53)
    for count in [Double.nan, -1] {
      tensors["num_batches_tracked"] = try Tensor([count], shape: [])
      try SafetensorsFile.write(tensors, to: path)
      #expect(throws: FileError.self) { try norm.load(from: path) }
    }
    tensors["num_batches_tracked"] = nil
    tensors["weight"] = try Tensor([1, 2, 3] as [Double])
    try SafetensorsFile.write(tensors, wholeNumbers: ["weight"], to: path)
    #expect(throws: FileError.self) { try norm.load(from: path) }

    for name in ["runningMean", "runningVar"] {
      for wrong in [try Tensor([1.0]), try Tensor([1, 2, 3, 4, 5, 6] as [Double]), try Tensor([1, 2, 3] as [Float])] {
        let norm = try BatchNorm2D(numOfMaps: 3)
        norm.setAttr(name, wrong)
        let expected = "shape (3,), float64"
        let got = "\(wrong.shape), \(wrong.dtype)"
        let error = ModuleError.variable(module: "BatchNorm2D", name: name, expected: expected, got: got)
        #expect(throws: error) { try norm(x) }
        norm.evalMode()
        #expect(throws: error) { try norm(x) }
      }
    }
    norm.setAttr("numOfBatches", try Tensor([Double.nan], shape: []))
    #expect(norm.numOfBatches == 0)
  }

  @Test func `the running variance is unbiased, also where it is far below epsilon`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 1, trackRunningStats: true, momentum: 1)
    let values = [1e-6, 3e-6, 5e-6, 2e-6].map(Float.init)
    try norm(Tensor(values, shape: [1, 1, 2, 2]))
    let doubles = values.map(Double.init)
    let mean = doubles.reduce(0, +) / 4
    let unbiased = doubles.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 3
    #expect(abs(try #require(norm.runningVar)[0] / unbiased - 1) < 1e-3)
    #expect(try norm.runningVar?.dtype == .float64 && abs(#require(norm.runningMean)[0] - mean) < 1e-13)
  }
}
