import Generators

/// A kind of training: what a step does, and what has to be kept from one to the next.
///
///     let trainer = try StyleTrainer(network: painter, styles: [starry], lossNetwork: features, pictures: pictures)
///     let run = try TrainingRun(of: trainer, in: "run")
///     try run.take(2000, of: trainer)
public protocol Trainer: AnyObject {
  /// All that steps change, under names.
  var parts: [String: any Resumable] { get }
  /// What has to be the same where a run goes on from a checkpoint.
  var settings: [String: String] { get }
  /// How many pictures a step is made of.
  var batch: Int { get }
  /// Takes the step of a number, 1 for the first.
  func step(_ number: Int) throws -> Losses
  /// What the networks make of some pictures now, (1, C, H, W) of 0 to 1, in an order that stays the same.
  func samples() throws -> [Tensor]
}

extension TrainingRun {
  /// A run of a trainer's steps.
  public convenience init(of trainer: some Trainer, in folder: String? = nil, every interval: Int = 500) throws {
    try self.init(of: trainer.parts, settings: trainer.settings, in: folder, every: interval)
  }

  /// Takes a trainer's steps until so many are taken. See ``take(_:_:)``.
  @discardableResult
  public func take(_ count: Int, of trainer: some Trainer) throws -> Outcome { try take(count, trainer.step) }
}

extension Network {
  /// Data where the variables are, and of the type that the network computes with.
  func placed(_ data: Tensor) throws -> Tensor {
    try data.to(calcType).to(variables.first?.variable.data.device ?? data.device)
  }
}
