import Generators

/// Trains Johnson's network to paint in a style, or in several (Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time
/// style transfer and super-resolution", 2016; several in one network as Dumoulin, Shlens and Kudlur, "A learned
/// representation for artistic style", 2017).
///
///     let painter = try TransformerNet(width: 16)
///     let pictures = try PictureLoader(folders: ["photos"], batchSize: 4, augmentation: Augmentation(size: 256), seed: 1)
///     let loss = try StyleLoss(network: .load(contentsOf: "vgg16.pth"), styles: [starry])
///     let trainer = try StyleTrainer(network: painter, loss: loss, pictures: pictures)
///     try TrainingRun(of: trainer, in: "run").take(2000, of: trainer)
///
/// A step minimises, by Adam,
///
///     contentWeight content + styleWeight style + variationWeight totalVariation
///
/// where content and style are those of a ``StyleLoss``. The pictures of a batch take the styles in turn.
public final class StyleTrainer: Trainer {
  public let network: StyleNetwork
  public let loss: StyleLoss
  public let pictures: PictureLoader
  public let optimizer: Adam
  public let contentWeight: Double
  public let styleWeight: Double
  public let variationWeight: Double
  private let fingerprint: String
  /// What ``samples()`` shows, (1, C, H, W) of 0 to 1, each in every style.
  public var samplePictures: [Tensor] = []

  /// - Parameters:
  ///   - network: a ``TransformerNet`` for one style, a ``ConditionalTransformerNet`` of as many styles as the loss has.
  ///   - loss: what paintings are held to.
  ///   - pictures: what is painted.
  ///   - contentWeight: how much paintings are held to the pictures.
  ///   - styleWeight: how much they are held to the style; nil for ``LossNetwork/styleWeight``.
  ///   - variationWeight: how much they are kept from noise; see `totalVariation(_:)`.
  ///   - learnRate: Adam's.
  ///   - schedule: how that goes on.
  /// - Throws: ``TrainingError/argument(name:expected:got:)`` when a weight is negative or the styles are not the network's.
  public init(
    network: StyleNetwork, loss: StyleLoss, pictures: PictureLoader, contentWeight: Double = 1,
    styleWeight: Double? = nil, variationWeight: Double = StyleTrainer.defaultVariationWeight,
    learnRate: Double = 1e-3, schedule: LearnRateSchedule = .constant
  ) throws {
    let styleWeight = styleWeight ?? loss.network.styleWeight
    for (name, weight) in [
      ("contentWeight", contentWeight), ("styleWeight", styleWeight), ("variationWeight", variationWeight),
    ] where !(weight >= 0 && weight.isFinite) {
      throw TrainingError.argument(name: name, expected: "a finite number, 0 or more", got: "\(weight)")
    }
    let styles = (network as? ConditionalTransformerNet)?.numOfStyles ?? 1
    guard loss.numOfStyles == styles else {
      throw TrainingError.argument(
        name: "loss", expected: styles == 1 ? "one style" : "\(styles) styles", got: "\(loss.numOfStyles)")
    }
    guard network.inMaps == loss.network.inMaps, network.outMaps == network.inMaps else {
      throw TrainingError.argument(
        name: "network", expected: "\(loss.network.inMaps) maps in and out, as the loss network has",
        got: "\(network.inMaps) and \(network.outMaps)")
    }
    (self.network, self.loss, self.pictures) = (network, loss, pictures)
    (self.contentWeight, self.styleWeight) = (contentWeight, styleWeight)
    self.variationWeight = variationWeight
    fingerprint = try loss.fingerprint()
    optimizer = try Adam(learnRate: learnRate)
    optimizer.schedule = schedule
    optimizer.checksGradients = true
    network.trainMode()
    loss.network.evalMode()
    try optimizer.setup(on: network)
  }

  public static let defaultVariationWeight = 0.1

  public var parts: [String: any Resumable] { ["network": network, "optimizer": optimizer, "pictures": pictures] }

  public var settings: [String: String] {
    [
      "network": network.described, "styles": fingerprint, "pictures": pictures.fingerprint,
      "content weight": "\(contentWeight)", "style weight": "\(styleWeight)", "variation weight": "\(variationWeight)",
      "learn rate": "\(optimizer.learnRate)",
    ]
  }

  public var batch: Int { pictures.batchSize }

  public func step(_ number: Int) throws -> Losses {
    let picture = try network.placed(pictures.next())
    let styles = (0..<batch).map { ((number - 1) * batch + $0) % loss.numOfStyles }
    if let network = network as? ConditionalTransformerNet { try network.select(styles: styles) }
    var losses: Losses = [:]
    let (_, gradients) = try valueAndGradients(of: network) {
      let painting = try paint(picture)
      let parts = try loss(painting, of: picture, in: styles)
      var total = try contentWeight * parts.content + styleWeight * parts.style
      losses = try ["content": parts.content.scalar(), "style": parts.style.scalar()]
      if variationWeight > 0 {
        let variation = try totalVariation(painting)
        total = try total + variationWeight * variation
        losses.entries.append(("variation", try variation.scalar()))
      }
      try losses.requireFinite(else: [("the batch of pictures", picture), ("the painting", painting)])
      return total
    }
    try optimizer.update(gradients)
    return losses
  }

  /// The paintings of the sample pictures, each in every style.
  public func samples() throws -> [Tensor] {
    network.evalMode()
    defer { network.trainMode() }
    return try samplePictures.flatMap { picture in
      let picture = try network.placed(picture)
      return try (0..<loss.numOfStyles).map { style in
        if let network = network as? ConditionalTransformerNet { try network.select(style: style) }
        return try paint(picture)
      }
    }
  }

  private func paint(_ picture: Tensor) throws -> Tensor {
    try network.valueRange.picture(of: network(network.valueRange.values(of: picture)))
  }
}
