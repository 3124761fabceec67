import ArgumentParser
import ArrayFiles
import Foundation
import Training

struct TrainStyle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "style",
    abstract: "Train a network that paints pictures in a style, or one for several styles.",
    discussion: """
      The result is a model for `instnorm stylize`. It learns from any photographs, some hundred or more; they are not \
      changed.
      """)

  @Argument(help: "Pictures of the styles, one or several.")
  var styles: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Folders of pictures to learn from; folders inside them count.", valueName: "folder"))
  var pictures: [String]

  @Option(
    help: ArgumentHelp(
      "The network whose features tell styles and contents: a VGG16 or VGG19 of torchvision, or a SmallVGG19. (default: "
        + "one that comes with the package)", valueName: "file"))
  var lossNetwork: String?

  @Option(
    help: ArgumentHelp(
      "Which of 2x2 values a VGG keeps where it halves the size: their average, or the max that it was trained with, which "
        + "leaves rows of dots along edges."))
  var pooling = LossNetwork.Pooling.average

  @Option(parsing: .unconditional, help: "How much paintings are held to the pictures.")
  var contentWeight = 1.0

  @Option(
    parsing: .unconditional,
    help: "How much paintings are held to the style. (default: what is usual with the loss network, 2 or 4)")
  var styleWeight: Double?

  @Option(parsing: .unconditional, help: "How much paintings are kept from noise.")
  var variationWeight = StyleTrainer.defaultVariationWeight

  @Option(
    parsing: .unconditional,
    help: "Pixels of a style's shorter side: smaller makes smaller strokes. Smaller styles stay as they are.")
  var styleSize = 384

  @Option(parsing: .unconditional, help: "The network's maps at full size: more paint better, and take longer.")
  var width = 32

  @Option(
    help: ArgumentHelp(
      "How the network doubles sizes: bilinear, or nearest as in pytorch/examples, which takes a little less time and "
        + "memory, and may leave a lattice of 4 pixels."))
  var upsampling = StyleNetwork.Upsampling.bilinear

  @Option(
    help: ArgumentHelp(
      "A model of the same width and number of styles to begin with. (default: random weights)", valueName: "model"))
  var from: String?

  @OptionGroup var reading: Reading

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    for (name, weight) in [
      ("--content-weight", contentWeight), ("--style-weight", styleWeight ?? 0),
      ("--variation-weight", variationWeight),
    ] { try TrainingOptions.require(name, weight, "0 or more") { $0 >= 0 } }
    try TrainingOptions.require("--style-size", styleSize, 32...8192)
    try TrainingOptions.require("--width", width, 1...1024)
    if let size = options.size, size < 32 { throw ValidationError("--size: expected 32 or more; got \(size)") }
  }

  func run() throws {
    try AtomicFile.check(options.output)
    let device = try options.place.device()
    let judge = try lossNetwork.map { try LossNetwork.load(contentsOf: $0) } ?? LossNetwork.embedded()
    judge.pooling = pooling
    try judge.to(device)
    let loss = try StyleLoss(network: judge, styles: styles.map { try style($0).to(device) })
    // With grey at 0, what it paints at first is grey, from where no colour is far.
    let network: StyleNetwork = try withInitialValues(seed: options.seed) {
      try styles.count == 1
        ? TransformerNet(width: width, upsampling: upsampling, valueRange: .signed)
        : ConditionalTransformerNet(
          numOfStyles: styles.count, styleNames: styleNames, width: width, upsampling: upsampling, valueRange: .signed)
    }
    if let from { try network.load(from: from) }
    try network.to(device)
    let session = TrainingSession(options)
    let (size, steps) = (options.size ?? 256, options.steps ?? 2000)
    let pictures = try PictureLoader(
      folders: pictures, batchSize: options.batch ?? 4, augmentation: Augmentation(size: size, scale: 1...1.5),
      seed: options.seed, onBroken: session.report(broken:))
    let trainer = try StyleTrainer(
      network: network, loss: loss, pictures: pictures, contentWeight: contentWeight, styleWeight: styleWeight,
      variationWeight: variationWeight, learnRate: options.learnRate ?? 1e-3,
      schedule: .warmUp(
        over: max(min(100, steps / 10), 1), then: .linearDecay(after: steps / 2, over: steps - steps / 2)))
    trainer.samplePictures = try TrainingSession.samples(
      of: pictures.files, count: max(6 / styles.count, 1), size: size)
    try session.train(
      trainer, steps: steps, saving: [(network, options.output)],
      title: styles.map { ($0 as NSString).lastPathComponent }.joined(separator: ", "),
      originals: trainer.samplePictures.flatMap { Array(repeating: $0, count: styles.count) })
  }

  /// The files' names, which `stylize --style` asks for: nothing in them is of its syntax.
  private var styleNames: [String]? {
    let names = styles.map { path in
      String(
        ((path as NSString).lastPathComponent as NSString).deletingPathExtension.map { ",:".contains($0) ? "-" : $0 })
    }
    return Set(names).count == names.count ? names : nil
  }

  /// (1, 3, H, W) of 0 to 1.
  private func style(_ path: String) throws -> Tensor {
    var source = try Source(path, reading: reading)
    try source.expandGrey(to: 3)
    guard source.picture != nil, source.maps == 3, source.tensor.shape[0] >= 1 else {
      throw FileError.unsupported(path: path, reason: "expected a picture, got shape \(source.tensor.shape)")
    }
    let picture = try source.tensor.sliced(along: 0, 0..<1).to(.float32)
    let (height, width) = (picture.shape[2], picture.shape[3])
    guard min(height, width) >= 32 else {
      throw FileError.unsupported(
        path: path, reason: "a style has 32 pixels or more each way, and this has \(width) x \(height)")
    }
    let factor = Double(styleSize) / Double(min(height, width))
    guard factor < 1 else { return picture }
    func side(_ side: Int) -> Int { Int((Double(side) * factor).rounded()) }
    return try picture.resized(to: [side(height), side(width)], mode: .smooth)
  }
}

extension LossNetwork.Pooling: ExpressibleByArgument {}
extension StyleNetwork.Upsampling: ExpressibleByArgument {}
