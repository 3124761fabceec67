import ArrayFiles
import Foundation
import Training

/// The report in a training's folder, and the sample pictures that it shows, which are files of their own in `samples`.
struct TrainingPages {
  private let folder: String
  private let title: String
  private let steps: Int
  private let settings: [(name: String, value: String)]
  private let originals: [Tensor]

  init(
    folder: String, title: String, steps: Int, settings: [(key: String, value: String)], originals: [Tensor]
  ) {
    (self.folder, self.title, self.steps, self.originals) = (folder, title, steps, originals)
    self.settings = settings.map { ($0.key, $0.value) }
  }

  private var sampleFolder: String { "\(folder)/samples" }

  /// Writes what the networks make of the originals at a step.
  func add(_ samples: [Tensor], at step: Int) throws {
    try makeFolder(sampleFolder)
    for (number, original) in originals.enumerated() { try write(original, to: "original-\(number).jpg") }
    for (number, sample) in samples.enumerated() { try write(sample, to: Self.name(step, number)) }
  }

  func write(_ run: TrainingRun, secondsPerStep: Double?) throws {
    guard let history = run.history else { return }
    var report = TrainingReport(
      title: title, history: history, stepsWanted: steps, secondsPerStep: secondsPerStep)
    report.settings = settings
    report.originals = originals.indices.map { "\(sampleFolder)/original-\($0).jpg" }
    report.captions = originals.indices.map { "\($0 + 1)" }
    // Those of a run that was further when it ended without a checkpoint are not of this one.
    report.samples = sampleSteps().filter { $0 <= run.steps }.map { step in
      .init(step: step, pictures: originals.indices.map { "\(sampleFolder)/\(Self.name(step, $0))" })
    }
    try report.write(to: "\(folder)/report.html")
  }

  private func write(_ picture: Tensor, to name: String) throws {
    try Picture(colors: picture.to(.float32).to(.nchw).toHost()).write(to: "\(sampleFolder)/\(name)")
  }

  private static func name(_ step: Int, _ number: Int) -> String { "\(step)-\(number).jpg" }

  /// The steps of which the folder has samples.
  private func sampleSteps() -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: sampleFolder)) ?? []
    return names.filter { $0.hasSuffix("-0.jpg") }.compactMap { Int($0.dropLast("-0.jpg".count)) }.sorted()
  }
}
