import ArgumentParser
import Foundation
import InstanceNorm
import Text

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show mean, variance, minimum and maximum of each map of each picture.",
    discussion: "The variance is the biased one, which the layer divides by. t counts pictures and i their maps.")

  @Argument(help: "A picture or an .npy array.")
  var input: String

  @OptionGroup var reading: Reading

  @Flag(help: "Write JSON instead of a table; what is not a finite number is null.")
  var json = false

  func run() throws {
    let source = try Source(input, reading: reading)
    let planes = try source.tensor.planeSummaries().enumerated().map { index, summary in
      Plane(
        t: index / source.maps, i: index % source.maps,
        mean: summary.moments.mean, variance: summary.moments.variance,
        min: summary.minimum, max: summary.maximum)
    }
    if json {
      let report = Report(
        file: input.asText, shape: source.tensor.shape.dimensions, dtype: source.tensor.dtype.rawValue, planes: planes)
      return try sayJSON(report)
    }
    try say("\(input.shown): \(source.tensor.shape), \(source.tensor.dtype)")
    let rows = planes.map { plane in
      ["\(plane.t)", "\(plane.i)"] + [plane.mean, plane.variance, plane.min, plane.max].map(short)
    }
    try say(table([["t", "i", "mean", "variance", "min", "max"]] + rows))
  }

  private struct Report: Encodable {
    let file: String
    let shape: [Int]
    let dtype: String
    let planes: [Plane]
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
