import Generators

/// pix2pix: trains a generator to make one picture of a pair of the other, together with a discriminator that tells what it
/// makes from what it should (Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial
/// networks", 2017).
///
/// With the generator's result G(x) for an input x, and the target y, a step first trains the discriminator D, which sees
/// both pictures of a pair, by half of
///
///     adversarial(D(x, y), D(x, G(x)))
///
/// and then the generator by
///
///     adversarial(D(x, G(x))) + targetWeight mean |G(x) - y|
public final class PairTrainer: Trainer {
  public let generator: Generator
  public let discriminator: PatchDiscriminator
  public let pairs: PairLoader
  public let adversarial: AdversarialLoss
  public let targetWeight: Double
  public let generatorOptimizer: Adam
  public let discriminatorOptimizer: Adam
  /// What ``samples()`` shows, (1, C, H, W) of 0 to 1.
  public var samplePictures: [Tensor] = []

  /// - Parameters:
  ///   - generator: makes a target of an input.
  ///   - discriminator: sees the input's and the target's maps, one after another.
  ///   - pairs: what is learnt from.
  ///   - adversarial: how the two are played against each other.
  ///   - targetWeight: how much the generator is held to the target itself.
  ///   - learnRate: of both, by Adam with a beta1 of 0.5.
  ///   - schedule: of both.
  /// - Throws: ``TrainingError/argument(name:expected:got:)`` when the weight is negative or the discriminator has other
  ///   maps.
  public init(
    generator: Generator, discriminator: PatchDiscriminator, pairs: PairLoader,
    adversarial: AdversarialLoss = .crossEntropy, targetWeight: Double = 100, learnRate: Double = 2e-4,
    schedule: LearnRateSchedule = .constant
  ) throws {
    guard targetWeight >= 0, targetWeight.isFinite else {
      throw TrainingError.argument(name: "targetWeight", expected: "a finite number, 0 or more", got: "\(targetWeight)")
    }
    guard discriminator.inMaps == generator.inMaps + generator.outMaps else {
      throw TrainingError.argument(
        name: "discriminator", expected: "\(generator.inMaps + generator.outMaps) maps, of input and target together",
        got: "\(discriminator.inMaps)")
    }
    (self.generator, self.discriminator, self.pairs) = (generator, discriminator, pairs)
    (self.adversarial, self.targetWeight) = (adversarial, targetWeight)
    generatorOptimizer = try .adversarial(learnRate, schedule, on: generator)
    discriminatorOptimizer = try .adversarial(learnRate, schedule, on: discriminator)
  }

  public var parts: [String: any Resumable] {
    [
      "generator": generator, "discriminator": discriminator, "generatorOptimizer": generatorOptimizer,
      "discriminatorOptimizer": discriminatorOptimizer, "pairs": pairs,
    ]
  }

  public var settings: [String: String] {
    [
      "generator": generator.described, "discriminator": discriminator.described, "pictures": pairs.fingerprint,
      "adversarial loss": "\(adversarial)", "target weight": "\(targetWeight)",
      "learn rate": "\(generatorOptimizer.learnRate)",
    ]
  }

  public var batch: Int { pairs.batchSize }

  public func step(_ number: Int) throws -> Losses {
    let range = generator.valueRange
    let pair = try pairs.next()
    let input = try range.values(of: generator.placed(pair.input))
    let target = try range.values(of: generator.placed(pair.target))
    var losses: Losses = [:]
    let (_, gradients) = try valueAndGradients(of: generator) {
      let made = try generator(input)
      try losses.append("discriminator", trainDiscriminator(input, target, made.withoutOrigin))
      let fooled = try adversarial.generator(fake: discriminator(.concatenated([input, made], along: 1)))
      let distance = try meanAbsoluteError(made, target)
      try losses.append("adversarial", fooled.scalar())
      try losses.append("distance", distance.scalar())
      try losses.requireFinite(else: [("the input", input), ("the target", target), ("the generator's result", made)])
      return try fooled + targetWeight * distance
    }
    try generatorOptimizer.update(gradients)
    return losses
  }

  /// - Returns: the loss before the step.
  private func trainDiscriminator(_ input: Tensor, _ target: Tensor, _ made: Tensor) throws -> Double {
    let (loss, gradients) = try valueAndGradients(of: discriminator) {
      let patches = try discriminator.together([
        .concatenated([input, target], along: 1), .concatenated([input, made], along: 1),
      ])
      return try 0.5 * adversarial.discriminator(real: patches[0], fake: patches[1])
    }
    let value = try loss.scalar()
    try discriminatorOptimizer.update(gradients)
    return value
  }

  /// What the generator makes of the sample pictures.
  public func samples() throws -> [Tensor] { try generator.results(for: samplePictures) }
}

extension Optimizer {
  /// As pix2pix and CycleGAN have it.
  static func adversarial(_ learnRate: Double, _ schedule: LearnRateSchedule, on module: Module) throws -> Adam {
    let optimizer = try Adam(learnRate: learnRate, beta1: 0.5)
    optimizer.schedule = schedule
    optimizer.checksGradients = true
    module.trainMode()
    try optimizer.setup(on: module)
    return optimizer
  }
}

extension Generator {
  /// What the network makes of pictures of 0 to 1 in evaluation mode, of 0 to 1 again.
  func results(for pictures: [Tensor]) throws -> [Tensor] {
    evalMode()
    defer { trainMode() }
    return try pictures.map { try valueRange.picture(of: self(valueRange.values(of: placed($0)))) }
  }
}
