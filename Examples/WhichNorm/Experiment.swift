import InstanceNorm

/// The types of normalisation that are compared.
enum Norm: String, CaseIterable, Sendable {
  case none, batch, layer, group, instance

  func layer(maps: Int) throws -> Module {
    switch self {
    case .none: Identity()
    case .batch: try BatchNorm2D(numOfMaps: maps)
    case .layer: try LayerNorm2D(numOfMaps: maps)
    case .group: try GroupNorm2D(groups: 3, numOfMaps: maps)
    case .instance: try InstanceNorm2D(numOfMaps: maps)
    }
  }
}

/// What all runs have in common.
struct Plan: Sendable {
  var steps = 2000
  var seeds = 5
  var learnRate = 0.003
  var batchSizes = [1, 8]
  /// Height and width of the pictures.
  var size = 24
  /// Whether each map of a picture has a contrast and brightness of its own.
  var isEachMap = false
  /// How many pictures the held-out loss is of.
  var heldOut = 64
  /// How many points a curve has.
  var points = 50

  /// A moment's, to see that everything runs.
  static let quick = Plan(steps: 4, seeds: 2, size: 10, heldOut: 8, points: 2)
}

/// A run: one model, trained.
struct Run: Sendable {
  let norm: Norm
  let batchSize: Int
  /// The number of the step at each point of the curves.
  var steps: [Int] = []
  /// The mean training loss since the point before.
  var training: [Double] = []
  /// The loss on the held-out pictures, in evaluation mode.
  var heldOut: [Double] = []
  /// The median training loss of the last tenth of the steps.
  var lastTraining = Double.nan
  /// The last held-out loss, in training mode: a batch normalisation then takes the batches' own statistics.
  var heldOutInTraining = Double.nan
  /// The median time of a step: forward, backward, update.
  var secondsPerStep = Double.nan

  /// Trains from the seed's weights on the seed's pictures, both the same for every type of normalisation.
  init(_ norm: Norm, batchSize: Int, seed: UInt64, plan: Plan) throws {
    self.norm = norm
    self.batchSize = batchSize
    let model = try Self.model(norm, seed: seed)
    let optimizer = try Adam(learnRate: plan.learnRate)
    try optimizer.setup(on: model)
    var pictures = Pictures(size: plan.size, isEachMap: plan.isEachMap, seed: 1000 + seed)
    // The same for every run, and no part of what it trains on.
    var others = Pictures(size: plan.size, isEachMap: plan.isEachMap, seed: 999)
    let heldOutBatches = try (0..<plan.heldOut / batchSize).map { _ in try others.next(batchSize) }
    func heldOutLoss() throws -> Double {
      mean(try heldOutBatches.map { try meanSquaredError(model($0.input), $0.target).scalar() })
    }

    var losses: [Double] = []
    var times: [Double] = []
    for step in 1...plan.steps {
      let (input, target) = try pictures.next(batchSize)
      let time = try ContinuousClock().measure {
        let (loss, gradients) = try valueAndGradients(of: model) { try meanSquaredError(model(input), target) }
        try optimizer.update(gradients)
        losses.append(try loss.scalar())
      }
      times.append(time / .seconds(1))
      // The points lie evenly, and the last one on the last step.
      if step * plan.points / plan.steps > (step - 1) * plan.points / plan.steps {
        training.append(mean(losses[(steps.last ?? 0)...]))
        steps.append(step)
        model.evalMode()
        heldOut.append(try heldOutLoss())
        model.trainMode()
      }
    }
    lastTraining = median(losses.suffix(max(1, plan.steps / 10)))
    secondsPerStep = median(times)
    // Last of all, as it moves the running statistics.
    heldOutInTraining = try heldOutLoss()
  }

  /// Three convolutions, the first two each with a normalisation and an activation. The third alone decides about the
  /// contrast and brightness of the result.
  static func model(_ norm: Norm, seed: UInt64) throws -> Sequential {
    let maps = 12
    return try Sequential([
      Convolution2D(inMaps: Pictures.maps, outMaps: maps, seed: 10 * seed),
      norm.layer(maps: maps),
      LeakyReLU(slope: 0.2),
      Convolution2D(inMaps: maps, outMaps: maps, seed: 10 * seed + 1),
      norm.layer(maps: maps),
      LeakyReLU(slope: 0.2),
      Convolution2D(inMaps: maps, outMaps: Pictures.maps, seed: 10 * seed + 2),
    ])
  }
}

/// All runs of the plan, by type, batch size and seed. Several at a time, each on its own: what comes out does not
/// depend on how many.
func runs(of plan: Plan) async throws -> [Run] {
  let cases = Norm.allCases.flatMap { norm in
    plan.batchSizes.flatMap { size in (1...plan.seeds).map { (norm, size, UInt64($0)) } }
  }
  return try await withThrowingTaskGroup(of: (Int, Run).self) { group in
    for (index, (norm, size, seed)) in cases.enumerated() {
      group.addTask { (index, try Run(norm, batchSize: size, seed: seed, plan: plan)) }
    }
    return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
  }
}

func mean(_ values: some Collection<Double>) -> Double {
  values.reduce(0, +) / Double(values.count)
}

func median(_ values: some Collection<Double>) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return .nan }
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
