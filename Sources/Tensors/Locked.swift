import Foundation

/// A value that one thread uses at a time.
///
/// The standard library has `Mutex` for this, whose locking ThreadSanitizer does not see on Linux.
package final class Locked<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Value

  package init(_ value: Value) {
    self.value = value
  }

  /// For what forks the process: a copy of a lock that another thread held would stay locked for good.
  package func lockForFork() { lock.lock() }
  package func unlockAfterFork() { lock.unlock() }

  package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    try lock.withLock { try body(&value) }
  }
}
