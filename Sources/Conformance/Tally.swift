import Text

/// How the cases of a promise came out.
struct Tally {
  private(set) var cases = 0
  /// The largest error, as a fraction of what is allowed; infinity when a case is wrong in a way that has no degree.
  private(set) var worst = 0.0
  private(set) var failures = 0
  /// The case with the largest error, if that is too large, or the first case that threw.
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

  /// Runs a case that has to throw a certain error.
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
