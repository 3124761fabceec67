import Foundation
import Text
import Training

/// What is said while a network is trained: a bar on a terminal, else a line now and then, or JSON.
struct TrainingDisplay {
  private let isJSON: Bool
  private var bar: ProgressBar?
  /// Averages of the latest losses, as each alone jumps about.
  private var smoothed: [(name: String, value: Double)] = []
  private var lastLine = ContinuousClock.now
  private(set) var secondsPerStep: Double?

  private static let secondsBetweenLines = 10.0

  init(isJSON: Bool) { self.isJSON = isJSON }

  mutating func show(_ progress: TrainingRun.Progress, batch: Int) throws {
    secondsPerStep = progress.secondsPerStep
    smooth(progress.losses)
    let left = Double(progress.lastStep - progress.step) * progress.secondsPerStep
    let rate = Double(batch) / max(progress.secondsPerStep, 1e-9)
    if isJSON {
      return try sayJSONLine(
        [("step", "\(progress.step)"), ("steps", "\(progress.lastStep)")]
          + progress.losses.entries.map { ($0.name, "\($0.value)") }
          + [("picturesPerSecond", "\(rate)"), ("secondsLeft", "\(left)")])
    }
    var text = smoothed.map { "\($0.name) \(short($0.value))" }.joined(separator: "  ")
    text += "  \(short(rate)) pictures/s"
    if progress.step < progress.lastStep { text += "  \(ProgressBar.clock(left)) left" }
    if ProgressBar.canBeShown {
      if bar == nil { bar = ProgressBar(total: progress.lastStep) }
      bar?.show(progress.step, text)
    } else if progress.step == progress.lastStep || lastLine.duration(to: .now) > .seconds(Self.secondsBetweenLines) {
      lastLine = .now
      tell("\(progress.step)/\(progress.lastStep)  \(text)\n")
    }
  }

  mutating func note(_ text: String) {
    bar?.clear()
    tell("instnorm: \(oneLine(text).shown)\n")
  }

  mutating func finish() { bar?.finish() }

  private mutating func smooth(_ losses: Losses) {
    if smoothed.isEmpty { smoothed = losses.entries }
    for (index, loss) in losses.entries.enumerated() where index < smoothed.count {
      smoothed[index].value += 0.05 * (loss.value - smoothed[index].value)
    }
  }

  /// One object in one line, with its keys in this order.
  private func sayJSONLine(_ entries: [(name: String, number: String)]) throws {
    try say("{" + entries.map { "\"\($0.name)\":\($0.number)" }.joined(separator: ",") + "}")
  }
}
