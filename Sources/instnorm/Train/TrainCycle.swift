import ArgumentParser
import ArrayFiles
import Foundation
import Training

struct TrainCycle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cycle",
    abstract: "Train networks to turn one folder's kind of pictures into another's and back, as CycleGAN.",
    discussion: """
      No picture needs a partner. The results are two models for `instnorm stylize`.
      """)

  @Argument(help: "A folder of pictures of one kind.")
  var first: String

  @Argument(help: "A folder of pictures of the other kind.")
  var second: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The network of the way back, to write. (default: the model's name with -back)", valueName: "model.safetensors"))
  var backOutput: String?

  @Option(parsing: .unconditional, help: "How much there and back has to lead to where it began.")
  var cycleWeight = 10.0

  @Option(parsing: .unconditional, help: "How much, of that, a picture of the other kind already has to stay as it is.")
  var identityWeight = 0.5

  @Option(help: "How generators and discriminators are played against each other.")
  var adversarial = AdversarialLoss.leastSquares

  @Option(parsing: .unconditional, help: "Maps at full size: more make better pictures, and take longer.")
  var width = 64

  @Option(parsing: .unconditional, help: "Residual blocks of a generator. (default: 9, or 6 for sizes below 256)")
  var blocks: Int?

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    for (name, weight) in [("--cycle-weight", cycleWeight), ("--identity-weight", identityWeight)] {
      try TrainingOptions.require(name, weight, "0 or more") { $0 >= 0 }
    }
    try options.requireSizes(width: width)
    try TrainingOptions.require("--blocks", blocks, 0...64)
    guard wayBack.lowercased().hasSuffix(".safetensors"), wayBack != options.output else {
      throw ValidationError(
        "--back-output: expected another name that ends in .safetensors; got '\(wayBack.shown)'")
    }
  }

  private var wayBack: String {
    backOutput ?? (options.output as NSString).deletingPathExtension + "-back.safetensors"
  }

  func run() throws {
    try AtomicFile.check(options.output)
    try AtomicFile.check(wayBack)
    let device = try options.place.device()
    let (size, steps) = (options.size ?? 256, options.steps ?? 20_000)
    let session = TrainingSession(options)
    let augmentation = try Augmentation(size: size, scale: 1...1.12)
    func loader(_ folder: String, seed: UInt64) throws -> PictureLoader {
      try PictureLoader(
        folders: [folder], batchSize: options.batch ?? 1, augmentation: augmentation, seed: seed,
        onBroken: session.report(broken:))
    }
    let networks = try withInitialValues(seed: options.seed, scheme: .gaussian, wscale: 0.02) {
      let blocks = blocks ?? (size < 256 ? 6 : 9)
      return (
        forth: try ResNetGenerator(width: width, blocks: blocks),
        back: try ResNetGenerator(width: width, blocks: blocks),
        ofFirst: try PatchDiscriminator(width: width, depth: size < 128 ? 2 : 3),
        ofSecond: try PatchDiscriminator(width: width, depth: size < 128 ? 2 : 3)
      )
    }
    for network in [networks.forth, networks.back, networks.ofFirst, networks.ofSecond] as [Network] {
      try network.to(device)
    }
    let trainer = try CycleTrainer(
      forth: networks.forth, back: networks.back, discriminatorOfA: networks.ofFirst,
      discriminatorOfB: networks.ofSecond, picturesOfA: loader(first, seed: options.seed),
      picturesOfB: loader(second, seed: options.seed &+ 1), adversarial: adversarial, cycleWeight: cycleWeight,
      identityWeight: identityWeight, learnRate: options.learnRate ?? 2e-4,
      schedule: .linearDecay(after: steps / 2, over: steps - steps / 2), seed: options.seed)
    trainer.samplePictures = (
      try TrainingSession.samples(of: trainer.picturesOfA.files, count: 3, size: size),
      try TrainingSession.samples(of: trainer.picturesOfB.files, count: 3, size: size)
    )
    try session.train(
      trainer, steps: steps, saving: [(networks.forth, options.output), (networks.back, wayBack)],
      title: [first, second].map { ($0 as NSString).lastPathComponent }.joined(separator: " and "),
      originals: trainer.samplePictures.a + trainer.samplePictures.b)
  }
}
