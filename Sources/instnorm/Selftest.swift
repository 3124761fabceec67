import ArgumentParser
import Conformance

struct Selftest: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Hold a device to what the library promises, then measure its speed.",
    discussion: """
      Every line is a promise and the number of cases it was put to; the reference is the CPU in float64, or the CPU \
      itself where the bits have to be the same. An error is given as a fraction of what is allowed: with more than 1, \
      the promise is broken. Speeds are medians, in bytes a second of the tensors that have to be moved (2 forward, 5 \
      forward and backward together), and as shares of the speed of a copy within the device. The exit status is 1 when \
      a promise is broken.
      """)

  @OptionGroup var place: Place

  @Flag(help: "Write JSON instead of lines and a table.")
  var json = false

  @Flag(name: .customLong("no-speed"), help: "Do not measure speed.")
  var noSpeed = false

  func run() throws {
    let report = try Report(on: place.device(), measuringSpeed: !noSpeed) { line in
      if !json { try say(line) }
    }
    if json { try sayJSON(report) }
    if let fault = report.fault { throw Broken(description: fault) }
  }

  private struct Broken: Error, CustomStringConvertible {
    let description: String
  }
}
