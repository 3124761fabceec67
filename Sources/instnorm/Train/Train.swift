import ArgumentParser

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a network: a style, pix2pix's pairs, or CycleGAN's two folders.",
    discussion: """
      A training can be stopped at any point, by Control-C too, and goes on with --resume to the same bits as if it had \
      not been. The folder that its checkpoint is in also has report.html, with the losses and what the network makes of \
      some pictures, and the network as it is.
      """,
    subcommands: [TrainStyle.self, TrainPairs.self, TrainCycle.self])
}
