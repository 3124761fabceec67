import InstanceNorm
import TestSupport
import Testing

/// Decay, clipping, schedules and averages are PyTorch's; what is not finite changes nothing.
@Suite struct StepTests {
  /// A module of several variables, given their gradients by hand.
  private final class Points: Module {
    init(_ starts: [Tensor]) throws {
      super.init()
      for (index, start) in starts.enumerated() { setVar(Variable(name: "point\(index)", data: start)) }
    }

    var points: [Variable] { variables.map(\.variable) }
  }

  private static let optimizers: [String: @Sendable () throws -> Optimizer] = [
    "adam": { try Adam(learnRate: 0.05, beta1: 0.8, beta2: 0.99, weightDecay: 0.1) },
    "adamw": { try AdamW(learnRate: 0.05, beta1: 0.8, beta2: 0.99, weightDecay: 0.1) },
    "sgd": { try SGD(learnRate: 0.05, weightDecay: 0.1) },
    "momentum": { try SGD(learnRate: 0.05, momentum: 0.9, weightDecay: 0.1) },
    "nesterov": { try SGD(learnRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.1) },
  ]

  @Test(arguments: optimizers.keys.sorted(), [nil, 1.5])
  func `steps with decay, a schedule and clipped gradients are PyTorch's`(name: String, clipNorm: Double?) throws {
    let file = try GoldenFile("training")
    let make = try #require(Self.optimizers[name])
    for device in [Device.cpu, Device(FarBackend())] {
      let module = try Points([file["start.0"], file["start.1"]])
      try module.to(device)
      let optimizer = try make()
      optimizer.schedule = try .cosine(over: 4, floor: 0.1)
      optimizer.clipNorm = clipNorm
      try optimizer.setup(on: module)
      for step in 0..<3 {
        var gradients = Gradients()
        for (index, point) in module.points.enumerated() {
          let gradient = try file["grads.\(index)"].sliced(along: 0, step..<step + 1)
          gradients[point] = try gradient.reshaped(to: point.data.shape).to(device)
        }
        try optimizer.update(gradients)
      }
      for (index, point) in module.points.enumerated() {
        try file.expect(point.data, is: "\(name)\(clipNorm == nil ? "" : ".clipped").\(index)", within: 1e-13)
      }
    }
  }

  @Test func `gradients that together are short are not clipped, and huge ones are`() throws {
    let module = try Points([.zeros([2]), .zeros([1])])
    let sgd = try SGD(learnRate: 1)
    sgd.clipNorm = 5.1
    try sgd.setup(on: module)
    module.points[0].grad = try Tensor([3, 0] as [Float])
    module.points[1].grad = try Tensor([4] as [Float])
    try sgd.update()
    #expect(try module.points.map { try $0.data.doubles } == [[-3, 0], [-4]])
    // Their squares are more than float32 holds.
    module.points[0].grad = try Tensor([3e30, 0] as [Float])
    module.points[1].grad = try Tensor([4e30] as [Float])
    try sgd.update()
    #expect(try abs(module.points[0].data.doubles[0] + 3 + 0.6 * 5.1) < 1e-5)
    #expect(try abs(module.points[1].data.doubles[0] + 4 + 0.8 * 5.1) < 1e-5)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `a gradient that is not finite is named, and changes nothing`(value: Float) throws {
    let module = try Points([.zeros([2]), .zeros([3]), .zeros([1])])
    let adam = try Adam()
    adam.checksGradients = true
    try adam.setup(on: module)
    try adam.update()
    var gradients = Gradients()
    // Their sum is more than float32 holds, and they are finite.
    gradients[module.points[0]] = try Tensor([3e38, 3e38] as [Float])
    gradients[module.points[1]] = try Tensor([1, value, 1] as [Float])
    gradients[module.points[2]] = try Tensor([value] as [Float])
    #expect(throws: OptimizerError.notFinite(variable: "point1", step: 2)) { try adam.update(gradients) }
    for point in module.points {
      #expect(try point.data.doubles.allSatisfy { $0 == 0 } && point.grad == nil)
    }
    #expect(adam.stepCount == 1)
    // One that no step would take does not matter.
    module.points[1].isTrained = false
    gradients[module.points[0]] = try Tensor([0, 1] as [Float])
    gradients[module.points[2]] = nil
    try adam.update(gradients)
    #expect(try module.points[0].data.doubles[1] < 0 && adam.stepCount == 2)
  }

  @Test func `a step by given gradients leaves those of backward passes as they were`() throws {
    let module = try Points([.zeros([2]), .zeros([1])])
    let own = try Tensor([3, 4] as [Float])
    module.points[0].grad = own
    let sgd = try SGD(learnRate: 1)
    try sgd.setup(on: module)
    var gradients = Gradients()
    gradients[module.points[0]] = try Tensor([1, 2] as [Float])
    gradients[module.points[1]] = try Tensor([5] as [Float])
    try sgd.update(gradients)
    #expect(try module.points[0].data.doubles == [-1, -2] && module.points[1].data.doubles == [-5])
    #expect(try #require(module.points[0].grad).doubles == [3, 4] && module.points[1].grad == nil)
  }

  @Test func `schedules are PyTorch's`() throws {
    let file = try GoldenFile("training")
    for (name, schedule) in [
      ("linear", try LearnRateSchedule.linearDecay(after: 5, over: 8)), ("cosine", try .cosine(over: 20, floor: 0.1)),
      ("steps", try .steps(at: [15, 7, 3, 7], factor: 0.5)), ("warm", try .warmUp(over: 4, then: .cosine(over: 16))),
    ] {
      for (step, rate) in try file["schedule.\(name)"].doubles.enumerated() {
        #expect(abs(schedule.factor(at: step) - rate) < 1e-14, "\(name), \(step)")
      }
    }
    let cosine = try LearnRateSchedule.cosine(over: 4, floor: 0.25)
    #expect((4...9).allSatisfy { cosine.factor(at: $0) == 0.25 } && cosine.factor(at: 0) == 1)
    #expect(throws: OptimizerError.self) { try LearnRateSchedule.linearDecay(after: 0, over: 0) }
    #expect(throws: OptimizerError.self) { try LearnRateSchedule.cosine(over: 1, floor: 2) }
    #expect(throws: OptimizerError.self) { try LearnRateSchedule.steps(at: [-1]) }
    #expect(throws: OptimizerError.self) { try LearnRateSchedule.warmUp(over: -1) }
  }

  @Test(arguments: [false, true]) func `averages of weights are PyTorch's`(correctsBias: Bool) throws {
    let file = try GoldenFile("training")
    let values = try file["average.values"]
    let module = try Points([values.sliced(along: 0, 0..<1).reshaped(to: [5])])
    let average = try WeightAverage(of: module, decay: 0.9, correctsBias: correctsBias)
    for step in 1..<6 {
      module.points[0].data = try values.sliced(along: 0, step..<step + 1).reshaped(to: [5])
      try average.update()
    }
    let last = try module.points[0].data.doubles
    let name = correctsBias ? "average.corrected" : "average.plain"
    try average.withAverages { try file.expect(module.points[0].data, is: name, within: 1e-14) }
    #expect(try module.points[0].data.doubles == last)
    struct Failure: Error {}
    #expect(throws: Failure.self) { try average.withAverages { throw Failure() } }
    #expect(try module.points[0].data.doubles == last)
    let other = try Points([.zeros([5], dtype: .float64)])
    try average.apply(to: other)
    try file.expect(other.points[0].data, is: name, within: 1e-14)
    #expect(throws: ModuleError.self) { try average.apply(to: Points([.zeros([5])])) }
    #expect(throws: ModuleError.self) { try average.apply(to: Points([])) }
    #expect(throws: OptimizerError.self) { try WeightAverage(of: module, decay: 1) }
    #expect(throws: OptimizerError.self) { try WeightAverage(of: InstanceNorm2D()) }
  }

  @Test func `what does not fit an optimizer throws`() throws {
    #expect(throws: OptimizerError.self) { try Adam(weightDecay: -1) }
    #expect(throws: OptimizerError.self) { try AdamW(weightDecay: .nan) }
    #expect(throws: OptimizerError.self) { try SGD(weightDecay: .infinity) }
    let (module, sgd) = (try Points([.zeros([1])]), try SGD())
    sgd.clipNorm = 0
    try sgd.setup(on: module)
    #expect(throws: OptimizerError.argument(name: "clipNorm", expected: "more than 0", got: "0.0")) {
      try sgd.update()
    }
  }
}
