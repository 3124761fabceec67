import Foundation

/// Items 0, 1, 2 ... made on threads that stay ahead of who takes them, in order.
///
/// At most `ahead` items are made or being made and not taken yet, so that memory is known. The threads start with the
/// first item that is asked for, and end once the prefetcher is gone and the item in hand is made.
package final class Prefetcher<Item: Sendable> {
  private let shared: Shared

  /// - Parameters:
  ///   - threads: how many make items, of which as many have work as there are items ahead.
  ///   - ahead: how many items are ready or being made at most; 1 or more.
  ///   - make: the item of a number, whichever thread asks and whatever was made before.
  package init(threads: Int, ahead: Int, make: @escaping @Sendable (Int) throws -> Item) {
    shared = Shared(threads: threads, ahead: ahead, make: make)
  }

  deinit {
    shared.stop()
  }

  /// The number of the item that is taken next. When it is set, what was made ahead is dropped.
  package var position: Int {
    get { shared.position }
    set { shared.seek(to: newValue) }
  }

  /// The next item, once it is there.
  ///
  /// - Throws: what making it threw. It is made anew when it is asked for again.
  package func next() throws -> Item { try shared.next() }

  /// What the threads have too, so that they do not keep the prefetcher.
  private final class Shared: @unchecked Sendable {
    private let condition = NSCondition()
    private let threads: Int
    private let ahead: Int
    private let make: @Sendable (Int) throws -> Item
    // All under the condition's lock.
    private var hasStarted = false
    private var isStopped = false
    private var taken = 0
    private var begun = 0
    private var made: [Int: Result<Item, any Error>] = [:]
    /// How often there was a jump: what was begun before one is not wanted any more.
    private var jumps = 0
    /// Whether the last item that was asked for failed. Nothing is made until it is asked for again.
    private var hasFailed = false

    init(threads: Int, ahead: Int, make: @escaping @Sendable (Int) throws -> Item) {
      (self.threads, self.ahead, self.make) = (threads, ahead, make)
    }

    var position: Int { condition.withLock { taken } }

    func seek(to position: Int) { condition.withLock { restart(at: position) } }

    func stop() {
      condition.withLock {
        isStopped = true
        made = [:]
        condition.broadcast()
      }
    }

    func next() throws -> Item {
      try condition.withLock {
        if !hasStarted {
          hasStarted = true
          for _ in 0..<min(threads, ahead) { Thread.detachNewThread { self.work() } }
        }
        if hasFailed { restart(at: taken) }
        while true {
          guard let result = made.removeValue(forKey: taken) else {
            condition.wait()
            continue
          }
          guard case .success(let item) = result else {
            hasFailed = true
            return try result.get()
          }
          taken += 1
          condition.broadcast()
          return item
        }
      }
    }

    private func restart(at position: Int) {
      (taken, begun, made, hasFailed) = (position, position, [:], false)
      jumps += 1
      condition.broadcast()
    }

    private func work() {
      while let (number, jump) = begin() {
        let result = Result { try make(number) }
        condition.withLock {
          guard !isStopped, jump == jumps else { return }
          made[number] = result
          condition.broadcast()
        }
      }
    }

    /// The next item to make, once there is room for it; nil at the end.
    private func begin() -> (number: Int, jump: Int)? {
      condition.withLock {
        while !isStopped, hasFailed || begun >= taken + ahead { condition.wait() }
        if isStopped { return nil }
        defer { begun += 1 }
        return (begun, jumps)
      }
    }
  }
}
