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
  private nonisolated(unsafe) var workers: [Worker] = []
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
    if isForked.exchange(false, ordering: .relaxed) {
      // Not freed: another thread may have been changing the array when the process was copied.
      _ = Unmanaged.passRetained(workers as AnyObject)
      workers = []
    }
    while workers.count < shares - 1 { workers.append(Worker(number: workers.count + 1)) }

    let wakes = values >= Self.valuesWorthWaking || isBurst(shares: shares)
    withoutActuallyEscaping(body) { body in
      for share in 1..<shares { workers[share - 1].offer(body, share, wakes: wakes) }
      body(0)
      for share in 1..<shares where workers[share - 1].takeBack() { body(share) }
      for share in 1..<shares { workers[share - 1].wait() }
    }
  }

  /// Whether the last call that found a thread asleep was a moment ago.
  private func isBurst(shares: Int) -> Bool {
    guard workers[..<(shares - 1)].contains(where: \.sleeps) else { return false }
    let now = Self.now
    defer { lastWish = now }
    return now &- lastWish < Self.burst
  }

  fileprivate static var now: UInt64 { tensors_now() }
}

/// One thread, and the share of work that is held out to it.
private final class Worker: @unchecked Sendable {
  // Unchecked: `job` is written before `state` says so and read after.

  private enum State {
    static let idle = 0
    static let offered = 1
    static let begun = 2
  }

  private let state = Atomic<Int>(State.idle)
  private let isAsleep = Atomic<Bool>(false)
  private let alarm = Alarm()
  private var job: (body: (Int) -> Void, share: Int)?

  init(number: Int) {
    // Without a thread, whoever offers work takes it back.
    let own = Unmanaged.passRetained(self)
    let isStarted = tensors_start_thread(
      "instnorm-\(number)", 1 << 20, { Unmanaged<Worker>.fromOpaque($0).takeUnretainedValue().work() },
      own.toOpaque())
    if !isStarted { own.release() }
  }

  // MARK: The caller's side

  var sleeps: Bool { isAsleep.load(ordering: .relaxed) }

  func offer(_ body: @escaping (Int) -> Void, _ share: Int, wakes: Bool) {
    job = (body, share)
    state.store(State.offered, ordering: .sequentiallyConsistent)
    if wakes, isAsleep.load(ordering: .sequentiallyConsistent),
      isAsleep.exchange(false, ordering: .sequentiallyConsistent)
    {
      alarm.ring()
    }
  }

  /// Whether the thread had not begun, and now will not.
  func takeBack() -> Bool {
    state.compareExchange(expected: State.offered, desired: State.idle, ordering: .acquiringAndReleasing).exchanged
  }

  /// Returns when the thread is done, and lets go of the work.
  func wait() {
    var looks = 0
    while state.load(ordering: .acquiring) != State.idle {
      tensors_pause()
      looks += 1
      // The thread may be off its core, and this one of a priority that keeps it off.
      if looks > 100_000 { usleep(50) } else if looks > 10_000 { sched_yield() }
    }
    job = nil
  }

  // MARK: The thread's side

  private func work() -> Never {
    var idleSince = Workers.now
    var looks = 0
    while true {
      if state.load(ordering: .relaxed) == State.offered,
        state.compareExchange(
          expected: State.offered, desired: State.begun, ordering: .acquiringAndReleasing
        ).exchanged
      {
        // The work is let go of before the caller hears that it is done.
        if let job { job.body(job.share) }
        state.store(State.idle, ordering: .releasing)
        idleSince = Workers.now
        looks = 0
        continue
      }
      tensors_pause()
      looks += 1
      if looks % 16 == 0, Workers.now &- idleSince > Workers.patience {
        sleep()
        idleSince = Workers.now
      }
    }
  }

  private func sleep() {
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    // An offer made before the caller could see the thread asleep rings no alarm.
    if state.load(ordering: .sequentiallyConsistent) == State.offered,
      isAsleep.exchange(false, ordering: .sequentiallyConsistent)
    {
      return
    }
    alarm.wait()
  }
}
