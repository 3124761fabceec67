import CTensors

/// A value that one thread uses at a time.
///
/// The standard library has `Mutex` for this, whose locking ThreadSanitizer does not see on Linux.
package final class Locked<Value>: @unchecked Sendable {
  // In memory of its own, as a lock must not move.
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private var value: Value

  package init(_ value: Value) {
    self.value = value
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// For what forks the process: a copy of a lock that another thread held would stay locked for good.
  package func lockForFork() { pthread_mutex_lock(lock) }
  package func unlockAfterFork() { pthread_mutex_unlock(lock) }

  package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&value)
  }
}
