import ArgumentParser
import InstanceNorm

struct Selftest: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Hold what the library promises against what a device does, then measure its speed.",
    discussion: """
      Every line is a promise and the cases it was put to; the reference is the CPU in float64, or the CPU itself where \
      bits have to be the same. An error is given as the fraction of what is allowed: more than 1 has failed. Speeds \
      are medians, in bytes of the tensors that have to be moved (forward 2, forward and backward together 5) a \
      second, and as shares of a copy within the device. The exit status is 1 when a promise was broken.
      """)

  @OptionGroup var place: Place

  @Flag(help: "Write JSON instead of lines and a table.")
  var json = false

  @Flag(name: .customLong("no-speed"), help: "Leave speed unmeasured.")
  var noSpeed = false

  func run() throws {
    let device = try place.device()
    var report = Report(device: device)
    if !json { try say("\(device): \(oneLine(device.summary))") }
    for promise in Promise.all {
      let finding = Finding(promise, on: device)
      report.promises.append(finding)
      if !json { try say(finding.line) }
    }
    if !noSpeed {
      if !json { try say(SpeedRow.titles) }
      try SpeedRow.measureAll(on: device) { row in
        report.speed.append(row)
        if !json { try say(row.line) }
      }
    }
    if json { try sayJSON(report) }
    let broken = report.promises.filter { !$0.isKept }.count
    if broken > 0 { throw Broken(description: "\(device): \(broken) of \(report.promises.count) promises are broken") }
  }

  private struct Broken: Error, CustomStringConvertible {
    let description: String
  }

  private struct Report: Encodable {
    let device: String
    let summary: String
    let isGPU: Bool
    /// Bytes.
    let memory: Int
    var promises: [Finding] = []
    var speed: [SpeedRow] = []

    init(device: Device) {
      (self.device, summary) = (device.name, device.summary)
      (isGPU, memory) = (device.isGPU, device.memory)
    }
  }
}

/// Something that holds on every device, and the cases that show it.
package struct Promise: Sendable {
  package let title: String
  let tryAll: @Sendable (_ device: Device, _ tally: inout Tally) throws -> Void

  init(_ title: String, _ tryAll: @escaping @Sendable (_ device: Device, _ tally: inout Tally) throws -> Void) {
    self.title = title
    self.tryAll = tryAll
  }
}

/// How cases came out.
struct Tally {
  private(set) var cases = 0
  /// The largest error, as a fraction of what is allowed; infinity for what is not a matter of degree.
  private(set) var worst = 0.0
  private(set) var failures = 0
  /// The case that it was of, if that failed, or the first that could not be run.
  private var fault: String?

  /// What failed, in words.
  var failure: String? {
    fault.map { failures > 1 ? "\($0) (and \(counted(failures - 1, "case")) more)" : $0 }
  }

  /// Runs a case.
  ///
  /// - Parameter error: gives the error as a fraction of what is allowed.
  mutating func check(_ name: @autoclosure () -> String, error: () throws -> Double) {
    cases += 1
    do {
      let error = try error()
      // Written so that NaN is more than anything.
      if !(error <= 1) { failures += 1 }
      guard !(error <= worst) else { return }
      worst = error.isNaN ? .infinity : error
      if worst > 1 { fault = name() }
    } catch {
      failures += 1
      worst = .infinity
      fault = fault ?? "\(name()): \(error)"
    }
  }

  /// Runs a case that is right or wrong.
  mutating func require(_ name: @autoclosure () -> String, _ holds: () throws -> Bool) {
    check(name()) { try holds() ? 0 : .infinity }
  }

  /// Runs a case that has to throw one of some errors.
  mutating func requireError(
    _ name: String, where isExpected: (any Error) -> Bool, _ body: () throws -> Void
  ) {
    require(name) {
      do {
        try body()
        return false
      } catch  where isExpected(error) {
        return true
      }
    }
  }
}

/// What became of a promise.
package struct Finding: Encodable {
  let title: String
  package let isKept: Bool
  let cases: Int
  /// nil where there is no number to it.
  let worst: Double?
  /// Which case failed.
  package let fault: String?

  package init(_ promise: Promise, on device: Device) {
    var tally = Tally()
    do {
      try promise.tryAll(device, &tally)
    } catch {
      tally.check("preparing its cases") { throw error }
    }
    title = promise.title
    isKept = tally.failures == 0
    cases = tally.cases
    worst = tally.worst.isFinite ? tally.worst : nil
    fault = tally.failure.map(oneLine)
  }

  var line: String {
    let error = worst.map { "\(twoDecimals($0)) of what is allowed" }
    guard isKept else { return "FAILED  \(title): \(fault ?? "")\(error.map { ": " + $0 } ?? "")" }
    return "ok      \(title): \(counted(cases, "case"))\(worst == 0 ? "" : ", at most " + (error ?? ""))"
  }
}
