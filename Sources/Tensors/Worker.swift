import CTensors
import Synchronization

/// A closure that other threads call while its owner waits for them. One that Swift lets escape would lie on the heap,
/// and end the process where there is no memory for it.
struct SharedWork {
  private let parts: tensors_closure

  init(_ body: (Int) -> Void) {
    var parts = tensors_closure()
    takeApart(body, &parts)
    self.parts = parts
  }

  func callAsFunction(_ share: Int) { tensors_call_closure(parts, share) }
}

/// In CTensors, as Swift does not say of what a closure is made.
@_silgen_name("tensors_take_apart")
private func takeApart(_ body: (Int) -> Void, _ parts: UnsafeMutablePointer<tensors_closure>)

/// One thread, and the share of work that is held out to it.
struct Worker {
  /// There for good, as the thread is.
  private let desk: UnsafeMutablePointer<Desk>

  /// What the thread and its callers look at.
  private struct Desk: ~Copyable {
    let state = Atomic<Int>(State.idle)
    let isAsleep = Atomic<Bool>(false)
    let alarm: OpaquePointer
    /// Written before `state` says so and read after.
    var job: (work: SharedWork, share: Int)?

    init(_ alarm: OpaquePointer) { self.alarm = alarm }
  }

  private enum State {
    static let idle = 0
    static let offered = 1
    static let begun = 2
  }

  /// Nil where there is no memory for it.
  init?(number: Int) {
    guard let alarm = tensors_new_alarm() else { return nil }
    guard let memory = malloc(MemoryLayout<Desk>.stride) else {
      tensors_free_alarm(alarm)
      return nil
    }
    desk = memory.bindMemory(to: Desk.self, capacity: 1)
    desk.initialize(to: Desk(alarm))
    // Without a thread, whoever offers work takes it back.
    _ = tensors_start_thread(
      Int32(number), 1 << 20, { Worker(desk: $0.assumingMemoryBound(to: Desk.self)).work() }, desk)
  }

  private init(desk: UnsafeMutablePointer<Desk>) { self.desk = desk }

  // MARK: The caller's side

  var sleeps: Bool { desk.pointee.isAsleep.load(ordering: .relaxed) }

  func offer(_ work: SharedWork, _ share: Int, wakes: Bool) {
    desk.pointee.job = (work, share)
    desk.pointee.state.store(State.offered, ordering: .sequentiallyConsistent)
    if wakes, desk.pointee.isAsleep.load(ordering: .sequentiallyConsistent),
      desk.pointee.isAsleep.exchange(false, ordering: .sequentiallyConsistent)
    {
      tensors_ring(desk.pointee.alarm)
    }
  }

  /// Whether the thread had not begun, and now will not.
  func takeBack() -> Bool {
    desk.pointee.state.compareExchange(
      expected: State.offered, desired: State.idle, ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// Returns when the thread is done.
  func wait() {
    var looks = 0
    while desk.pointee.state.load(ordering: .acquiring) != State.idle {
      tensors_pause()
      looks += 1
      // The thread may be off its core, and this one of a priority that keeps it off.
      if looks > 100_000 { usleep(50) } else if looks > 10_000 { sched_yield() }
    }
  }

  // MARK: The thread's side

  private func work() -> Never {
    var idleSince = Workers.now
    var looks = 0
    while true {
      if desk.pointee.state.load(ordering: .relaxed) == State.offered,
        desk.pointee.state.compareExchange(
          expected: State.offered, desired: State.begun, ordering: .acquiringAndReleasing
        ).exchanged
      {
        if let job = desk.pointee.job { job.work(job.share) }
        desk.pointee.state.store(State.idle, ordering: .releasing)
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
    desk.pointee.isAsleep.store(true, ordering: .sequentiallyConsistent)
    // An offer made before the caller could see the thread asleep rings no alarm.
    if desk.pointee.state.load(ordering: .sequentiallyConsistent) == State.offered,
      desk.pointee.isAsleep.exchange(false, ordering: .sequentiallyConsistent)
    {
      return
    }
    tensors_wait_for_ring(desk.pointee.alarm)
  }
}
