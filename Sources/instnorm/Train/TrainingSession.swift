import ArgumentParser
import ArrayFiles
import CProcess
import Foundation
import Synchronization
import Training

/// A training as the verb runs it: its run, what is said of it, its report, and signals.
final class TrainingSession {
  private let options: TrainingOptions
  private var display: TrainingDisplay

  init(_ options: TrainingOptions) {
    self.options = options
    display = TrainingDisplay(isJSON: options.json)
  }

  /// Says that a picture is passed over.
  func report(broken error: FileError) { display.note("\(error); it is passed over") }

  /// Takes the steps and writes the networks.
  ///
  /// - Parameters:
  ///   - trainer: what a step is.
  ///   - steps: how many there are to be.
  ///   - outputs: which networks are written, and where.
  ///   - title: what the report is of.
  ///   - originals: what the trainer's samples are made of, one for each.
  /// - Throws: what the run throws.
  func train(
    _ trainer: some Trainer, steps: Int, saving outputs: [(network: Network, path: String)], title: String,
    originals: [Tensor]
  ) throws {
    let averages =
      try options.average.map { decay in
        try outputs.map { try WeightAverage(of: $0.network, decay: decay) }
      } ?? []
    var (parts, settings) = (trainer.parts, trainer.settings)
    for (number, average) in averages.enumerated() { parts["average\(number)"] = average }
    settings["average"] = options.average.map { "\($0)" } ?? "none"
    settings["seed"] = "\(options.seed)"
    let run = try TrainingRun(of: parts, settings: settings, in: options.folder, every: options.every)
    try resume(run)

    let pages = TrainingPages(
      folder: options.folder, title: title, steps: steps, settings: settings.sorted { $0.key < $1.key },
      originals: originals)
    func withAverages(_ body: () throws -> Void) throws {
      func nested(_ rest: ArraySlice<WeightAverage>) throws {
        guard let first = rest.first else { return try body() }
        try first.withAverages { try nested(rest.dropFirst()) }
      }
      try nested(averages[...])
    }
    func save(_ path: (String) -> String) throws {
      try withAverages { for (network, output) in outputs { try network.save(to: path(output)) } }
    }
    run.onStep = { [self] in try display.show($0, batch: trainer.batch) }
    run.onCheckpoint = { [self] in
      try withAverages { try pages.add(trainer.samples(), at: run.steps) }
      try pages.write(run, secondsPerStep: display.secondsPerStep)
      try save { "\(options.folder)/\(($0 as NSString).lastPathComponent)" }
    }
    let (signal, stopSignal) = (SignalBox(), run.stopSignal)
    ThisProcess.askOnce { number in
      signal.set(number)
      stopSignal.raise()
      tell("\ninstnorm: stopping after this step; once more to stop at once\n")
    }
    let outcome = try run.take(steps) { number in
      let losses = try trainer.step(number)
      for average in averages { try average.update() }
      return losses
    }
    display.finish()
    switch outcome {
    case .finished:
      try save { $0 }
      if !options.json {
        for (_, output) in outputs {
          try say("\(output.shown): \(run.steps) steps; see \(options.folder.shown)/report.html")
        }
      }
    case .stopped:
      tell("instnorm: stopped at step \(run.steps) of \(steps); the same with --resume goes on\n")
      // As the shell that waits expects it of a process that was told to end.
      if let number = signal.number { process_end(number) }
    }
  }

  private func resume(_ run: TrainingRun) throws {
    guard run.canResume else {
      if options.resume {
        display.note("there is no checkpoint in \(options.folder.shown): the first step is the first")
      }
      return
    }
    guard options.resume else {
      throw ValidationError(
        "--checkpoint: '\(options.folder.shown)' has a training already; --resume goes on with it, another folder begins anew"
      )
    }
    try run.resume()
    display.note("going on from step \(run.steps)")
  }

  /// The middles of some of the pictures, for samples, evenly through the list. What is broken is passed over.
  static func samples(of files: [String], count: Int, size: Int) throws -> [Tensor] {
    var chosen: [Tensor] = []
    for index in 0..<min(count, files.count) {
      let file = files[index * files.count / min(count, files.count)]
      let loader = try PictureLoader(
        files: [file], batchSize: 1, augmentation: .centered(height: size, width: size), seed: 0, ahead: 1)
      if let picture = try? loader.next() { chosen.append(picture) }
    }
    return chosen
  }
}

/// The number of the signal that the process was asked to end by.
private final class SignalBox: Sendable {
  private let box = Mutex<Int32?>(nil)

  func set(_ number: Int32) { box.withLock { $0 = number } }

  var number: Int32? { box.withLock { $0 } }
}
