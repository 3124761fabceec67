import Generators

/// CycleGAN: trains two generators, from the pictures of one folder to those of another and back, without pairs (Zhu, Park,
/// Isola and Efros, "Unpaired image-to-image translation using cycle-consistent adversarial networks", 2017).
///
/// With pictures a and b of the two folders, the generators F, forth, and B, back, and a discriminator for the pictures of
/// each folder, a step trains the generators by
///
///     adversarial(D_b(F(a))) + adversarial(D_a(B(b)))
///       + cycleWeight (mean |B(F(a)) - a| + mean |F(B(b)) - b|)
///       + cycleWeight identityWeight (mean |B(a) - a| + mean |F(b) - b|)
///
/// and then each discriminator by half of adversarial(D(real), D(made)), for what the generators made in this step or, out
/// of a ``PicturePool``, before.
public final class CycleTrainer: Trainer {
  public let forth: Generator
  public let back: Generator
  public let discriminatorOfA: PatchDiscriminator
  public let discriminatorOfB: PatchDiscriminator
  public let picturesOfA: PictureLoader
  public let picturesOfB: PictureLoader
  public let adversarial: AdversarialLoss
  public let cycleWeight: Double
  public let identityWeight: Double
  public let generatorOptimizer: Adam
  public let discriminatorOptimizer: Adam
  /// What ``samples()`` shows, (1, C, H, W) of 0 to 1: pictures of the first folder, and of the second.
  public var samplePictures: (a: [Tensor], b: [Tensor]) = ([], [])

  private let poolOfA: PicturePool
  private let poolOfB: PicturePool

  /// - Parameters:
  ///   - forth: from the first folder's pictures to the second's.
  ///   - back: from the second's to the first's.
  ///   - discriminatorOfA: of pictures of the first folder.
  ///   - discriminatorOfB: of pictures of the second.
  ///   - picturesOfA: the first folder, in batches.
  ///   - picturesOfB: the second, in batches of the same size, from another seed.
  ///   - adversarial: how generators and discriminators are played against each other.
  ///   - cycleWeight: how much there and back has to lead to where it began.
  ///   - identityWeight: how much, of that, a picture that is already of the other kind has to stay as it is.
  ///   - poolSize: how many earlier results are kept for each discriminator; 0 for none.
  ///   - learnRate: of all, by Adam with a beta1 of 0.5.
  ///   - schedule: of all.
  ///   - seed: of the pools.
  /// - Throws: ``TrainingError/argument(name:expected:got:)`` when a weight is negative or maps do not fit.
  public init(
    forth: Generator, back: Generator, discriminatorOfA: PatchDiscriminator, discriminatorOfB: PatchDiscriminator,
    picturesOfA: PictureLoader, picturesOfB: PictureLoader, adversarial: AdversarialLoss = .leastSquares,
    cycleWeight: Double = 10, identityWeight: Double = 0.5, poolSize: Int = 50, learnRate: Double = 2e-4,
    schedule: LearnRateSchedule = .constant, seed: UInt64 = 0
  ) throws {
    for (name, weight) in [("cycleWeight", cycleWeight), ("identityWeight", identityWeight)]
    where !(weight >= 0 && weight.isFinite) {
      throw TrainingError.argument(name: name, expected: "a finite number, 0 or more", got: "\(weight)")
    }
    guard forth.outMaps == back.inMaps, back.outMaps == forth.inMaps else {
      throw TrainingError.argument(
        name: "back", expected: "\(forth.outMaps) maps in and \(forth.inMaps) out",
        got: "\(back.inMaps) and \(back.outMaps)")
    }
    for (name, discriminator, maps) in [
      ("discriminatorOfA", discriminatorOfA, forth.inMaps), ("discriminatorOfB", discriminatorOfB, back.inMaps),
    ] where discriminator.inMaps != maps {
      throw TrainingError.argument(name: name, expected: "\(maps) maps", got: "\(discriminator.inMaps)")
    }
    guard identityWeight == 0 || forth.inMaps == forth.outMaps else {
      throw TrainingError.argument(
        name: "identityWeight", expected: "0, as the two kinds of pictures have not the same maps",
        got: "\(identityWeight)")
    }
    guard picturesOfA.batchSize == picturesOfB.batchSize else {
      throw TrainingError.argument(
        name: "picturesOfB", expected: "batches of \(picturesOfA.batchSize)", got: "\(picturesOfB.batchSize)")
    }
    (self.forth, self.back) = (forth, back)
    (self.discriminatorOfA, self.discriminatorOfB) = (discriminatorOfA, discriminatorOfB)
    (self.picturesOfA, self.picturesOfB, self.adversarial) = (picturesOfA, picturesOfB, adversarial)
    (self.cycleWeight, self.identityWeight) = (cycleWeight, identityWeight)
    poolOfA = try PicturePool(capacity: poolSize, seed: seed)
    poolOfB = try PicturePool(capacity: poolSize, seed: seed &+ 1)
    generatorOptimizer = try .adversarial(learnRate, schedule, on: Parallel([forth, back]))
    discriminatorOptimizer = try .adversarial(learnRate, schedule, on: Parallel([discriminatorOfA, discriminatorOfB]))
  }

  public var parts: [String: any Resumable] {
    [
      "forth": forth, "back": back, "discriminatorOfA": discriminatorOfA, "discriminatorOfB": discriminatorOfB,
      "generatorOptimizer": generatorOptimizer, "discriminatorOptimizer": discriminatorOptimizer,
      "picturesOfA": picturesOfA, "picturesOfB": picturesOfB, "poolOfA": poolOfA,
      "poolOfB": poolOfB,
    ]
  }

  public var settings: [String: String] {
    [
      "forth": forth.described, "back": back.described, "discriminator of A": discriminatorOfA.described,
      "discriminator of B": discriminatorOfB.described, "pictures of A": picturesOfA.fingerprint,
      "pictures of B": picturesOfB.fingerprint, "adversarial loss": "\(adversarial)", "cycle weight": "\(cycleWeight)",
      "identity weight": "\(identityWeight)", "pool": "\(poolOfA.capacity)",
      "learn rate": "\(generatorOptimizer.learnRate)",
    ]
  }

  public var batch: Int { picturesOfA.batchSize }

  public func step(_ number: Int) throws -> Losses {
    let a = try forth.valueRange.values(of: forth.placed(picturesOfA.next()))
    let b = try back.valueRange.values(of: back.placed(picturesOfB.next()))
    var losses: Losses = [:]
    var made: (a: Tensor, b: Tensor)?
    let (_, gradients) = try valueAndGradients(of: forth, back) {
      let hasIdentity = identityWeight > 0
      let (ofForth, ofBack) = (
        try forth.together(hasIdentity ? [a, b] : [a]), try back.together(hasIdentity ? [b, a] : [b])
      )
      let (madeB, madeA) = (ofForth[0], ofBack[0])
      made = (madeA.withoutOrigin, madeB.withoutOrigin)
      let fooled =
        try adversarial.generator(fake: discriminatorOfB(madeB))
        + adversarial.generator(fake: discriminatorOfA(madeA))
      let cycle = try meanAbsoluteError(back(madeB), a) + meanAbsoluteError(forth(madeA), b)
      try losses.append("adversarial", fooled.scalar())
      try losses.append("cycle", cycle.scalar())
      var total = try fooled + cycleWeight * cycle
      if hasIdentity {
        let identity = try meanAbsoluteError(ofBack[1], a) + meanAbsoluteError(ofForth[1], b)
        try losses.append("identity", identity.scalar())
        total = try total + cycleWeight * identityWeight * identity
      }
      try losses.requireFinite(
        else: [("the pictures of A", a), ("the pictures of B", b), ("forth's result", madeB), ("back's result", madeA)])
      return total
    }
    try generatorOptimizer.update(gradients)
    if let made { try losses.append("discriminator", trainDiscriminators((a, b), made)) }
    return losses
  }

  /// - Returns: the loss of both before the step.
  private func trainDiscriminators(_ real: (a: Tensor, b: Tensor), _ made: (a: Tensor, b: Tensor)) throws -> Double {
    let shown = (a: try poolOfA.exchange(made.a), b: try poolOfB.exchange(made.b))
    let (loss, gradients) = try valueAndGradients(of: discriminatorOfA, discriminatorOfB) {
      let (ofA, ofB) = (
        try discriminatorOfA.together([real.a, shown.a]), try discriminatorOfB.together([real.b, shown.b])
      )
      return try 0.5
        * (adversarial.discriminator(real: ofA[0], fake: ofA[1])
          + adversarial.discriminator(real: ofB[0], fake: ofB[1]))
    }
    let value = try loss.scalar()
    try discriminatorOptimizer.update(gradients)
    return value
  }

  /// What the generators make of the sample pictures: forth of the first folder's, then back of the second's.
  public func samples() throws -> [Tensor] {
    try forth.results(for: samplePictures.a) + back.results(for: samplePictures.b)
  }
}
