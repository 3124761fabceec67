import ArgumentParser
import ArrayFiles
import Foundation
import Training

struct TrainPairs: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pairs",
    abstract: "Train a network to make one picture of a pair of the other, as pix2pix.",
    discussion: """
      The pictures of a pair have the same name in two folders, or stand side by side, the input on the left, in the \
      pictures of one folder. The result is a model for `instnorm stylize`.
      """)

  @Argument(help: "The folder of the inputs, or of the pairs side by side.")
  var inputs: String

  @Argument(help: "The folder of what is to be made of them.")
  var targets: String?

  @Option(parsing: .unconditional, help: "How much results are held to the target itself.")
  var targetWeight = 100.0

  @Option(help: "How generator and discriminator are played against each other.")
  var adversarial = AdversarialLoss.crossEntropy

  @Option(parsing: .unconditional, help: "Maps at half of the size: more make better pictures, and take longer.")
  var width = 64

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    try TrainingOptions.require("--target-weight", targetWeight, "0 or more") { $0 >= 0 }
    try options.requireSizes(width: width)
  }

  func run() throws {
    try AtomicFile.check(options.output)
    let device = try options.place.device()
    let (size, steps) = (options.size ?? 256, options.steps ?? 20_000)
    let session = TrainingSession(options)
    let augmentation = try Augmentation(size: size, scale: 1...1.12)
    func loader(_ augmentation: Augmentation, batchSize: Int) throws -> PairLoader {
      let (seed, report) = (options.seed, session.report(broken:))
      guard let targets else {
        return try PairLoader(
          halves: inputs, batchSize: batchSize, augmentation: augmentation, seed: seed, onBroken: report)
      }
      return try PairLoader(
        inputs: inputs, targets: targets, batchSize: batchSize, augmentation: augmentation, seed: seed, onBroken: report
      )
    }
    let (generator, discriminator) = try withInitialValues(seed: options.seed, scheme: .gaussian, wscale: 0.02) {
      (
        // Down to one pixel, or as near as the size allows.
        try UNetGenerator(width: width, depth: min(max(Int(log2(Double(size))), 2), 8), norm: .instance),
        try PatchDiscriminator(width: width, depth: size < 128 ? 2 : 3, inMaps: 6)
      )
    }
    try generator.to(device)
    try discriminator.to(device)
    let pairs = try loader(augmentation, batchSize: options.batch ?? 1)
    let trainer = try PairTrainer(
      generator: generator, discriminator: discriminator, pairs: pairs, adversarial: adversarial,
      targetWeight: targetWeight, learnRate: options.learnRate ?? 2e-4,
      schedule: .linearDecay(after: steps / 2, over: steps - steps / 2))
    let shown = try loader(.centered(height: size, width: size), batchSize: 1)
    var originals: [Tensor] = []
    for _ in 0..<min(4, shown.count) {
      let pair = try shown.next()
      trainer.samplePictures.append(pair.input)
      originals.append(try .concatenated([pair.input, pair.target], along: 3))
    }
    try session.train(
      trainer, steps: steps, saving: [(generator, options.output)],
      title: [inputs, targets].compactMap { $0 }.map { ($0 as NSString).lastPathComponent }
        .joined(separator: " to "),
      originals: originals)
  }
}

extension AdversarialLoss: ExpressibleByArgument {}
