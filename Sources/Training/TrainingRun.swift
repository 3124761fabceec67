import ArrayFiles
import Foundation
import Generators
import Synchronization

/// Steps of training, which can be stopped at any point and go on to the same bits as if they never had been.
///
///     let run = try TrainingRun(of: ["painter": painter, "optimizer": optimizer, "pictures": pictures], in: "run")
///     try run.resume()
///     try run.take(2000) { step in
///       let picture = try pictures.next()
///       let (loss, gradients) = try valueAndGradients(of: painter) { try meanAbsoluteError(painter(picture), picture) }
///       try optimizer.update(gradients)
///       return ["loss": try loss.scalar()]
///     }
///
/// The file `checkpoint.safetensors` in its folder has all that the parts are: a new one replaces it every so many steps,
/// when the last step is taken, and when the run is stopped. Steps have to be functions of the parts and of their number:
/// what else they keep is lost.
public final class TrainingRun {
  /// Where the checkpoint is; nil to keep none.
  public let folder: String?
  /// How many steps are taken from one checkpoint to the next.
  public let interval: Int
  /// How many steps have been taken, those before a checkpoint that this run goes on from included.
  public private(set) var steps = 0
  /// The losses of all of them; nil before the first.
  public private(set) var history: LossHistory?
  /// The step of the last checkpoint; nil where there is none yet.
  public private(set) var lastCheckpoint: Int?
  /// Stops the run, from any thread.
  public let stopSignal = StopSignal()
  /// Is called after each step.
  public var onStep: (Progress) throws -> Void = { _ in }
  /// Is called after each checkpoint.
  public var onCheckpoint: () throws -> Void = {}

  private var parts: [String: any Resumable]
  private let settings: [String: String]

  /// How a run ended.
  public enum Outcome: Sendable {
    /// All steps are taken.
    case finished
    /// It was told to stop, and a checkpoint is there if there is a folder for one.
    case stopped
  }

  /// What a step has come to.
  public struct Progress {
    /// The number of the step, 1 for the first, and of the last.
    public let step: Int
    public let lastStep: Int
    public let losses: Losses
    /// What a step took, on the average of those of this call.
    public let secondsPerStep: Double
  }

  /// - Parameters:
  ///   - parts: all that steps change, under names: networks, optimizers, sources of data.
  ///   - settings: what has to be the same again where a run goes on from a checkpoint.
  ///   - folder: where checkpoints are kept; it is made where there is none.
  ///   - interval: how many steps are taken from one checkpoint to the next.
  /// - Throws: ``TrainingError/argument(name:expected:got:)``; `FileError` when the folder cannot be made.
  public init(
    of parts: [String: any Resumable], settings: [String: String] = [:], in folder: String? = nil,
    every interval: Int = 500
  ) throws {
    guard interval > 0 else {
      throw TrainingError.argument(name: "interval", expected: "1 step or more", got: "\(interval)")
    }
    for name in [Self.historyName, Self.stepsName, Self.settingsName] where parts[name] != nil {
      throw TrainingError.argument(
        name: "parts", expected: "another name than '\(name)', which is the run's own", got: name)
    }
    (self.parts, self.settings, self.folder, self.interval) = (parts, settings, folder, interval)
    // Now, and not after hours of work.
    if let folder { try makeFolder(folder) }
  }

  /// Where the checkpoint is.
  public var checkpointPath: String? { folder.map { "\($0)/checkpoint.safetensors" } }

  /// Whether there is a checkpoint to go on from.
  public var canResume: Bool { checkpointPath.map { FileManager.default.fileExists(atPath: $0) } ?? false }

  /// Goes on from the checkpoint, where there is one.
  ///
  /// - Returns: whether there is one.
  /// - Throws: ``TrainingError/settings(path:name:expected:got:)`` when it was made with other settings; `CheckpointError` when
  ///   it is of other parts; `FileError`. Then nothing has changed.
  @discardableResult
  public func resume() throws -> Bool {
    guard let path = checkpointPath, canResume else { return false }
    let checkpoint = try Checkpoint(contentsOf: path)
    let before = try checkpoint.value([String: String].self, for: Self.settingsName)
    for name in Set(settings.keys).union(before.keys).sorted() where settings[name] != before[name] {
      throw TrainingError.settings(
        path: path, name: name, expected: before[name] ?? "none", got: settings[name] ?? "none")
    }
    let steps = try checkpoint.value(Int.self, for: Self.stepsName)
    let history = try LossHistory(of: checkpoint.value(for: "\(Self.historyName)/names"))
    try checkpoint.restore(parts.merging([Self.historyName: history]) { $1 })
    (self.steps, self.history, lastCheckpoint) = (steps, history, steps)
    return true
  }

  /// Takes steps until so many are taken, those before a checkpoint included, or until it is told to stop.
  ///
  /// - Parameters:
  ///   - count: of steps.
  ///   - step: takes the step of a number, 1 for the first, and returns its losses.
  /// - Throws: ``TrainingError/notFinite(step:tensor:lastCheckpoint:)`` when a loss or a gradient is not finite; what a
  ///   step throws, and `FileError` where a checkpoint cannot be written. The last checkpoint stays.
  @discardableResult
  public func take(_ count: Int, _ step: (_ number: Int) throws -> Losses) throws -> Outcome {
    let (start, first) = (ContinuousClock.now, steps)
    while steps < count {
      let number = steps + 1
      let losses: Losses
      do {
        losses = try step(number)
        try losses.requireFinite()
      } catch let error as NotFinite {
        throw TrainingError.notFinite(step: number, tensor: error.tensor, lastCheckpoint: lastCheckpoint)
      } catch OptimizerError.notFinite(let variable, _) {
        throw TrainingError.notFinite(
          step: number, tensor: "the gradient by '\(variable)'", lastCheckpoint: lastCheckpoint)
      }
      try note(losses)
      steps = number
      let seconds = (ContinuousClock.now - start) / Duration.seconds(1)
      try onStep(
        Progress(
          step: number, lastStep: count, losses: losses, secondsPerStep: seconds / Double(number - first)))
      let isStopped = stopSignal.isRaised
      if isStopped || number == count || number.isMultiple(of: interval) { try save() }
      if isStopped, number < count { return .stopped }
    }
    return .finished
  }

  private func note(_ losses: Losses) throws {
    let history = try history ?? LossHistory(of: losses.names)
    guard history.names == losses.names else {
      throw TrainingError.argument(
        name: "losses", expected: history.names.joined(separator: ", "), got: losses.names.joined(separator: ", "))
    }
    try history.append(losses.values)
    self.history = history
  }

  /// Writes a checkpoint now, unless there is no folder for one, or no step has been taken.
  public func save() throws {
    guard let path = checkpointPath, let history else { return }
    var checkpoint = try Checkpoint(of: parts.merging([Self.historyName: history]) { $1 })
    try checkpoint.set(settings, for: Self.settingsName)
    try checkpoint.set(steps, for: Self.stepsName)
    try checkpoint.write(to: path)
    lastCheckpoint = steps
    try onCheckpoint()
  }

  private static let historyName = "history"
  private static let stepsName = "steps"
  private static let settingsName = "settings"
}

/// A wish that a run stop, which any thread may utter.
public final class StopSignal: Sendable {
  private let flag = Atomic(false)

  public var isRaised: Bool { flag.load(ordering: .relaxed) }

  /// The run ends after the step that it is taking, with a checkpoint.
  public func raise() { flag.store(true, ordering: .relaxed) }
}
