import TestSupport
import Testing
import Training

/// Whole steps of training against PyTorch's: losses, all gradients, and the variables after three of them.
@Suite struct TrainerGoldenTests {
  @Test func `a style's steps are PyTorch's`() throws {
    let golden = try GoldenTraining("style")
    let network = try ConditionalTransformerNet(numOfStyles: 2, width: 2, blocks: 1)
    let judge = try SmallVGG19(width: 2)
    try golden.load(network, "network")
    try golden.load(judge, "judge")
    let loss = try StyleLoss(
      network: judge, styles: ["style0", "style1"].map { try golden.picture($0).to(.float64) },
      styleLayers: ["relu1_2", "relu2_2", "relu3_3", "relu4_1"], contentLayers: ["relu3_1"])
    let trainer = try StyleTrainer(
      network: network, loss: loss,
      pictures: PictureLoader(
        folders: [golden.pictures("picture")], batchSize: 1, augmentation: .centered(height: 32, width: 32), seed: 1),
      contentWeight: 2, styleWeight: 3, variationWeight: 0.5, learnRate: 1e-3)
    try golden.check(
      trainer, ["network": network], optimizers: ["optimizer": ["network"]], losses: ["content", "style", "variation"])
  }

  @Test func `steps on pairs are PyTorch's`() throws {
    let golden = try GoldenTraining("pairs")
    let generator = try UNetGenerator(width: 1, depth: 4, norm: .instance)
    let discriminator = try PatchDiscriminator(width: 2, depth: 2, norm: .instance, inMaps: 6)
    try golden.load(generator, "generator")
    try golden.load(discriminator, "discriminator")
    let pairs = try PairLoader(
      inputs: golden.pictures("input"), targets: golden.pictures("target"), batchSize: 1,
      augmentation: .centered(height: 16, width: 16), seed: 1)
    try golden.check(
      PairTrainer(generator: generator, discriminator: discriminator, pairs: pairs),
      ["generator": generator, "discriminator": discriminator],
      optimizers: ["generatorOptimizer": ["generator"], "discriminatorOptimizer": ["discriminator"]],
      losses: ["discriminator", "adversarial", "distance"])
  }

  @Test func `a cycle's steps are PyTorch's`() throws {
    let golden = try GoldenTraining("cycle")
    let (forth, back) = (try ResNetGenerator(width: 2, blocks: 1), try ResNetGenerator(width: 2, blocks: 1))
    let ofA = try PatchDiscriminator(width: 2, depth: 2)
    let ofB = try PatchDiscriminator(width: 2, depth: 2)
    let networks: [String: Network] = [
      "forth": forth, "back": back, "discriminatorOfA": ofA, "discriminatorOfB": ofB,
    ]
    for (name, network) in networks { try golden.load(network, name) }
    let loaders = try ["a", "b"].map {
      try PictureLoader(
        folders: [golden.pictures($0)], batchSize: 1, augmentation: .centered(height: 16, width: 16), seed: 1)
    }
    try golden.check(
      CycleTrainer(
        forth: forth, back: back, discriminatorOfA: ofA, discriminatorOfB: ofB, picturesOfA: loaders[0],
        picturesOfB: loaders[1]),
      networks,
      optimizers: [
        "generatorOptimizer": ["forth", "back"], "discriminatorOptimizer": ["discriminatorOfA", "discriminatorOfB"],
      ], losses: ["adversarial", "cycle", "identity", "discriminator"])
  }
}
