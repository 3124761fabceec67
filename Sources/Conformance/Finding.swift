import InstanceNorm
import Text

/// Whether a device keeps a promise.
package struct Finding: Encodable {
  let title: String
  package let isKept: Bool
  let cases: Int
  /// The largest error, as a fraction of what is allowed; nil when a case is wrong in a way that has no degree.
  let worst: Double?
  /// The case that failed.
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
