import Foundation
import TestSupport
import Testing
import Training

/// Runs of all trainers on small pictures.
@Suite struct TrainingRunTests {
  enum Kind: CaseIterable { case style, pairs, cycle }

  /// A trainer of small networks on pictures of 32 x 32, and the loss of it that falls.
  private struct Case {
    let trainer: any Trainer
    let networks: [Network]
    let loss: String

    var variables: [[UInt64]] {
      get throws { try networks.flatMap { try $0.variables.map { try bits($0.variable.data) } } }
    }
  }

  private let folder = TemporaryFolder()

  private func pictures(_ name: String, count: Int = 5) throws -> String {
    let path = folder.file(name)
    if FileManager.default.fileExists(atPath: path) { return path }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for number in 0..<count {
      let rough = try Tensor.randomUniform([1, 3, 6, 6], seed: UInt64(10 * number + name.count))
      try Picture(colors: rough.resized(to: [36 + number, 40], mode: .smooth)).write(to: "\(path)/\(number).png")
    }
    return path
  }

  private func make(_ kind: Kind, on device: Device = .cpu) throws -> Case {
    try withInitialValues(seed: 5) {
      func loader(_ name: String, seed: UInt64, batch: Int) throws -> PictureLoader {
        try PictureLoader(
          folders: [pictures(name)], batchSize: batch, augmentation: Augmentation(size: 32, scale: 1...1.3), seed: seed)
      }
      let (trainer, networks, loss): (any Trainer, [Network], String)
      switch kind {
      case .style:
        let network = try ConditionalTransformerNet(numOfStyles: 2, width: 4, blocks: 1, valueRange: .signed)
        let judge = try SmallVGG19(width: 4)
        for network in [network, judge] as [Network] { try network.to(device) }
        let styles = try (1...2).map { try Tensor.randomUniform([1, 3, 24, 40], seed: $0).to(device) }
        trainer = try StyleTrainer(
          network: network, loss: StyleLoss(network: judge, styles: styles),
          pictures: loader("photos", seed: 1, batch: 2), learnRate: 0.01)
        (networks, loss) = ([network], "style")
      case .pairs:
        let generator = try UNetGenerator(width: 4, depth: 3, norm: .instance)
        let discriminator = try PatchDiscriminator(width: 4, depth: 2, inMaps: 6)
        for network in [generator, discriminator] as [Network] { try network.to(device) }
        trainer = try PairTrainer(
          generator: generator, discriminator: discriminator,
          pairs: PairLoader(
            inputs: pictures("inputs"), targets: pictures("targets"), batchSize: 2,
            augmentation: Augmentation(size: 32),
            seed: 2),
          learnRate: 2e-3, schedule: .linearDecay(after: 12, over: 12))
        (networks, loss) = ([generator, discriminator], "distance")
      case .cycle:
        let generators = try (0..<2).map { _ in try ResNetGenerator(width: 4, blocks: 1) }
        let discriminators = try (0..<2).map { _ in try PatchDiscriminator(width: 4, depth: 2) }
        for network in generators + discriminators as [Network] { try network.to(device) }
        trainer = try CycleTrainer(
          forth: generators[0], back: generators[1], discriminatorOfA: discriminators[0],
          discriminatorOfB: discriminators[1], picturesOfA: loader("days", seed: 1, batch: 1),
          picturesOfB: loader("evenings", seed: 2, batch: 1), poolSize: 3, learnRate: 2e-3)
        (networks, loss) = (generators + discriminators, "cycle")
      }
      return Case(trainer: trainer, networks: networks, loss: loss)
    }
  }

  private func run(_ kind: Case, in folder: String? = nil) throws -> TrainingRun {
    try TrainingRun(of: kind.trainer.parts, settings: kind.trainer.settings, in: folder, every: 7)
  }

  @Test(arguments: Kind.allCases) func `a loss falls, with the same bits on one thread and two`(kind: Kind) throws {
    var found: [[[UInt64]]] = []
    for threads in [1, 2] {
      let one = try make(kind, on: .cpu(threads: threads))
      let run = try run(one)
      #expect(try run.take(24, one.trainer.step) == .finished)
      found.append(try one.variables)
      let losses = try #require(run.history).values(of: one.loss)
      #expect(losses.count == 24)
      let (first, last) = (losses.prefix(6).reduce(0, +), losses.suffix(6).reduce(0, +))
      #expect(last < 0.9 * first, "\(losses)")
    }
    #expect(found[0] == found[1])
  }

  @Test(arguments: Kind.allCases)
  func `steps keep variables and Adam's averages, no gradients, and each needs as much as the last`(kind: Kind) throws {
    let backend = MeteredBackend()
    let one = try make(kind, on: Device(backend))
    let before = backend.inUse
    // CycleGAN's pools are full after three.
    for step in 1...3 { _ = try one.trainer.step(step) }
    let between = backend.inUse
    #expect(kind == .cycle || between == before)
    var needed: Set<Int> = []
    for step in 4...7 {
      backend.most = 0
      _ = try one.trainer.step(step)
      #expect(backend.inUse == between)
      needed.insert(backend.most)
    }
    #expect(needed.count == 1 && needed.first ?? 0 > between)
  }

  @Test(arguments: Kind.allCases)
  func `stopped and resumed it comes to the bits of one that never was`(kind: Kind) throws {
    let whole = try make(kind)
    try run(whole).take(20, whole.trainer.step)

    let path = folder.file("run")
    let first = try make(kind)
    let begun = try run(first, in: path)
    #expect(try !begun.resume())
    begun.onStep = { if $0.step == 10 { begun.stopSignal.raise() } }
    #expect(try begun.take(20, first.trainer.step) == .stopped)
    #expect(begun.steps == 10 && begun.lastCheckpoint == 10)

    let second = try make(kind)
    let resumed = try run(second, in: path)
    #expect(try resumed.resume() && resumed.steps == 10 && resumed.lastCheckpoint == 10)
    #expect(try second.variables == first.variables)
    #expect(try resumed.take(20, second.trainer.step) == .finished)
    #expect(try second.variables == whole.variables)
    #expect(resumed.history?.count == 20)
  }

  @Test func `a run that dies goes on from its last checkpoint`() throws {
    let whole = try make(.style)
    try run(whole).take(20, whole.trainer.step)
    let path = folder.file("run")
    let first = try make(.style)
    let begun = try run(first, in: path)
    #expect(throws: CancellationError.self) {
      try begun.take(20) { number in
        if number == 17 { throw CancellationError() }
        return try first.trainer.step(number)
      }
    }
    let second = try make(.style)
    let resumed = try run(second, in: path)
    #expect(try resumed.resume() && resumed.steps == 14)
    try resumed.take(20, second.trainer.step)
    #expect(try second.variables == whole.variables)
  }

  @Test func `what is not finite stops the run by name, and the last checkpoint stays`() throws {
    let path = folder.file("run")
    let one = try make(.style)
    let run = try run(one, in: path)
    try run.take(7, one.trainer.step)
    let before = try bytes(of: try #require(run.checkpointPath))
    let variable = try #require(one.networks[0].variables.first { $0.name.hasPrefix("deconv3") }).variable
    variable.data = try Tensor(repeating: .nan, shape: variable.data.shape)
    #expect(throws: TrainingError.notFinite(step: 8, tensor: "the painting", lastCheckpoint: 7)) {
      try run.take(20, one.trainer.step)
    }
    #expect(run.steps == 7)
    #expect(try bytes(of: try #require(run.checkpointPath)) == before)
    // A loop of one's own is watched too.
    #expect(throws: TrainingError.notFinite(step: 1, tensor: "the loss 'loss', inf", lastCheckpoint: nil)) {
      try TrainingRun(of: [:]).take(1) { _ in ["loss": .infinity] }
    }
  }

  @Test func `a checkpoint of other settings or other networks is refused, and nothing changes`() throws {
    let path = folder.file("run")
    let one = try make(.style)
    try run(one, in: path).take(7, one.trainer.step)
    let other = try make(.pairs)
    #expect {
      try TrainingRun(of: other.trainer.parts, settings: one.trainer.settings, in: path).resume()
    } throws: { $0 is CheckpointError }
    var settings = one.trainer.settings
    settings["style weight"] = "7"
    let again = try make(.style)
    let before = try again.variables
    #expect {
      try TrainingRun(of: again.trainer.parts, settings: settings, in: path).resume()
    } throws: {
      guard case .settings(_, "style weight", _, "7") = $0 as? TrainingError else { return false }
      return true
    }
    // So is one that had a setting which is no more.
    settings = one.trainer.settings
    settings["style weight"] = nil
    #expect {
      try TrainingRun(of: again.trainer.parts, settings: settings, in: path).resume()
    } throws: {
      guard case .settings(_, "style weight", _, "none") = $0 as? TrainingError else { return false }
      return true
    }
    #expect(try again.variables == before)
  }

  @Test func `each pool of earlier results draws for itself`() throws {
    let parts = try make(.cycle).trainer.parts
    let pools = try ["poolOfA", "poolOfB"].map { try #require(parts[$0] as? PicturePool) }
    let shown = try pools.map { pool in
      try (0..<60).map { try pool.exchange(Tensor([Float($0)], shape: [1, 1, 1, 1])).scalar() }
    }
    #expect(shown[0] != shown[1])
  }

  @Test func `a loop of one's own is the README's`() throws {
    let painter = try withInitialValues(seed: 1) { try TransformerNet(width: 2, blocks: 0, valueRange: .unit) }
    let optimizer = try Adam(learnRate: 0.01)
    try optimizer.setup(on: painter)
    let pictures = try PictureLoader(
      folders: [pictures("photos")], batchSize: 2, augmentation: Augmentation(size: 16), seed: 1)
    let folder = folder.file("run")
    // As the README has it, but for the folder and the number of steps.
    let run = try TrainingRun(of: ["painter": painter, "optimizer": optimizer, "pictures": pictures], in: folder)
    try run.resume()
    try run.take(20) { step in
      let picture = try pictures.next()
      let (loss, gradients) = try valueAndGradients(of: painter) { try meanAbsoluteError(painter(picture), picture) }
      try optimizer.update(gradients)
      return ["loss": try loss.scalar()]
    }
    // The end of it.
    func lines(_ text: String) -> [String] {
      text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let here = lines(String(decoding: try bytes(of: #filePath), as: UTF8.self))
    let first = try #require(here.firstIndex { $0.hasPrefix("// As the README has it") }) + 1
    let end = try #require(here.firstIndex { $0 == "// The end of it." })
    let loop = here[first..<end].map {
      $0.replacing("in: folder)", with: "in: \"run\")").replacing("take(20)", with: "take(2000)")
    }
    let readme = lines(String(decoding: try bytes(of: "\(packageFolder)/README.md"), as: UTF8.self))
    #expect(readme.indices.contains { readme[$0...].starts(with: loop) }, "\(loop.joined(separator: "\n"))")
    let losses = try #require(run.history).values(of: "loss")
    #expect(losses[19] < losses[0])
  }
}
