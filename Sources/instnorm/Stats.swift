import ArgumentParser
import Foundation
import InstanceNorm
import Text

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show mean, variance, minimum and maximum of each map of each picture.",
    discussion: """
      The variance is the biased one, which the layer divides by. t counts pictures and i their maps. Of several files, \
      JSON is one array.
      """)

  @Argument(help: ArgumentHelp(PictureJobs.inputHelp, valueName: "input"))
  var inputs: [String]

  @OptionGroup var reading: Reading

  @Flag(help: "Write JSON instead of a table; what is not a finite number is null.")
  var json = false

  func run() throws {
    let jobs = try PictureJobs(inputs)
    var reports: [Report] = []
    let outcome = Result {
      try jobs.run { input, _ in
        let isStream = !jobs.jobs.contains { $0.input == input }
        let name = isStream ? "standard input" : input
        let report = try report(input, named: name)
        guard json else { return try say("\(name.shown): \(report.text)") }
        if jobs.areMany { reports.append(report) } else { try sayJSON(report) }
      }
    }
    // Of several files, those that could be read, whatever became of the others.
    if jobs.areMany && json { try sayJSON(reports) }
    try outcome.get()
  }

  private func report(_ input: String, named name: String) throws -> Report {
    let source = try Source(input, reading: reading)
    let planes = try source.tensor.planeSummaries().enumerated().map { index, summary in
      Plane(
        t: index / source.maps, i: index % source.maps,
        mean: summary.moments.mean, variance: summary.moments.variance,
        min: summary.minimum, max: summary.maximum)
    }
    return Report(
      file: name.asText, shape: source.tensor.shape.dimensions, dtype: source.tensor.dtype.rawValue, planes: planes)
  }

  private struct Report: Encodable {
    let file: String
    let shape: [Int]
    let dtype: String
    let planes: [Plane]

    var text: String {
      let rows = planes.map { plane in
        ["\(plane.t)", "\(plane.i)"] + [plane.mean, plane.variance, plane.min, plane.max].map(short)
      }
      return "\(Shape(shape)), \(dtype)\n" + table([["t", "i", "mean", "variance", "min", "max"]] + rows)
    }
  }

  private struct Plane: Encodable {
    let t: Int
    let i: Int
    let mean: Double
    let variance: Double
    let min: Double
    let max: Double

    enum CodingKeys: CodingKey {
      case t, i, mean, variance, min, max
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(t, forKey: .t)
      try container.encode(i, forKey: .i)
      for (key, value) in [(CodingKeys.mean, mean), (.variance, variance), (.min, min), (.max, max)] {
        if value.isFinite {
          try container.encode(value, forKey: key)
        } else {
          try container.encodeNil(forKey: key)
        }
      }
    }
  }
}
