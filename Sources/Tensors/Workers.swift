import CTensors
import Synchronization

/// Threads that stand ready, so that a share of work goes to the same thread, and to what is in its core's cache, every
/// time.
///
/// A thread that has nothing to do looks for work for some microseconds and then sleeps. A caller does not wait for a
/// thread to wake: once its own share is done it takes back those that no thread has begun. So a machine that is busy
/// with other things costs speed and nothing else.
///
/// One call at a time has the threads. Another one meanwhile does all its shares itself.
///
/// Nothing here takes memory that has to be there: where a worker cannot be made, its share stays with the caller.
package final class Workers: Sendable {
  package static let shared = Workers()

  /// How long a thread looks for work before it sleeps, in nanoseconds.
  static let patience: UInt64 = 30_000

  /// Small calls that follow one another as closely as this, in nanoseconds, are worth waking threads for.
  static let burst: UInt64 = 100_000

  /// Work that takes longer than waking a thread does.
  static let valuesWorthWaking = 1 << 18

  /// Whether some call has the threads.
  private let taken = Atomic<Bool>(false)
  /// Whether this process is a copy, made by fork, to which no thread has come along.
  private let isForked = Atomic<Bool>(false)
  /// Only the call that has the threads looks at these.
  private nonisolated(unsafe) let workers = UnsafeMutablePointer<Worker>.allocate(capacity: ThreadedWork.mostThreads)
  private nonisolated(unsafe) var workerCount = 0
  private nonisolated(unsafe) var lastWish: UInt64 = 0

  private init() {
    // The first handler waits until this is done, so that no copy of the process begins in the middle of it.
    pthread_atfork({ _ = Workers.shared }, nil, { Workers.shared.afterFork() })
  }

  private func afterFork() {
    isForked.store(true, ordering: .relaxed)
    taken.store(false, ordering: .relaxed)
  }

  /// Calls `body` with 0, 1, ... `shares - 1`, share 0 on this thread and the others on threads of their own where
  /// these are awake in time. `values` is how much work all of it is.
  package func run(shares: Int, values: Int, _ body: (_ share: Int) -> Void) {
    guard shares > 1, !taken.exchange(true, ordering: .acquiring) else {
      for share in 0..<shares { body(share) }
      return
    }
    defer { taken.store(false, ordering: .releasing) }
    // Theirs stay behind, as they may have been at anything when the process was copied.
    if isForked.exchange(false, ordering: .relaxed) { workerCount = 0 }
    while workerCount < shares - 1, let worker = Worker(number: workerCount + 1) {
      (workers + workerCount).initialize(to: worker)
      workerCount += 1
    }
    let offered = min(shares - 1, workerCount)

    let wakes = values >= Self.valuesWorthWaking || isBurst(of: offered)
    let work = SharedWork(body)
    for share in 1..<offered + 1 { workers[share - 1].offer(work, share, wakes: wakes) }
    body(0)
    // What there was no memory for a worker of.
    for share in offered + 1..<shares { body(share) }
    for share in 1..<offered + 1 where workers[share - 1].takeBack() { body(share) }
    for share in 1..<offered + 1 { workers[share - 1].wait() }
  }

  /// Whether the last call that found a thread asleep was a moment ago.
  private func isBurst(of offered: Int) -> Bool {
    guard (0..<offered).contains(where: { workers[$0].sleeps }) else { return false }
    let now = Self.now
    defer { lastWish = now }
    return now &- lastWish < Self.burst
  }

  static var now: UInt64 { tensors_now() }
}
