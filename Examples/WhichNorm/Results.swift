import Foundation

/// What came of all runs, over the seeds.
struct Results {
  let plan: Plan
  private let runs: [Run]

  init(plan: Plan, runs: [Run]) {
    self.plan = plan
    self.runs = runs
  }

  /// What a point's losses are over the seeds whose loss is finite.
  struct Point {
    let step: Int
    let median: Double
    let range: ClosedRange<Double>
  }

  func runs(_ norm: Norm, batchSize: Int) -> [Run] {
    runs.filter { $0.norm == norm && $0.batchSize == batchSize }
  }

  func curve(_ losses: KeyPath<Run, [Double]>, _ norm: Norm, batchSize: Int) -> [Point] {
    let runs = runs(norm, batchSize: batchSize)
    return (runs.first?.steps ?? []).enumerated().compactMap { index, step in
      let values = runs.map { $0[keyPath: losses][index] }.filter(\.isFinite)
      guard let least = values.min(), let most = values.max() else { return nil }
      return Point(step: step, median: median(values), range: least...most)
    }
  }

  /// Medians over the seeds, as Markdown.
  var table: String {
    var lines = [
      "| normalisation | batch size | training loss | held-out loss | held-out, batch's own statistics | time a step |",
      "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for size in plan.batchSizes {
      for norm in Norm.allCases {
        let runs = runs(norm, batchSize: size)
        func loss(_ value: (Run) -> Double) -> String { String(format: "%.5f", median(runs.map(value))) }
        let own = norm == .batch ? loss(\.heldOutInTraining) : ""
        let time = String(format: "%.2f ms", 1000 * median(runs.map(\.secondsPerStep)))
        lines.append(
          "| \(norm) | \(size) | \(loss(\.lastTraining)) | \(loss { $0.heldOut.last ?? .nan }) | \(own) | \(time) |")
      }
    }
    return lines.joined(separator: "\n")
  }
}
