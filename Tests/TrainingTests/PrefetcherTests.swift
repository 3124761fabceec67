import Foundation
import TestSupport
import Testing
import Training

@Suite struct PrefetcherTests {
  /// Counts those of its kind.
  private final class Item: Sendable {
    let number: Int
    private let alive: Locked<(now: Int, most: Int)>

    init(_ number: Int, _ alive: Locked<(now: Int, most: Int)>) {
      (self.number, self.alive) = (number, alive)
      alive.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
    }

    deinit { alive.withLock { $0.now -= 1 } }
  }

  private struct Failure: Error {}

  /// Waits until so many are alive, for a second at most.
  private func wait(for count: Int, _ alive: Locked<(now: Int, most: Int)>) {
    for _ in 0..<1000 where alive.withLock({ $0.now }) != count { usleep(1000) }
  }

  @Test(arguments: [(1, 1), (1, 4), (3, 3), (4, 2)])
  func `items come in order, and no more are alive than are ahead and one`(threads: Int, ahead: Int) throws {
    let alive = Locked((now: 0, most: 0))
    let prefetcher = Prefetcher(threads: threads, ahead: ahead) { number in
      usleep(UInt32(number * 37 % 5) * 100)
      return Item(number, alive)
    }
    for number in 0..<60 {
      let item = try prefetcher.next()
      #expect(item.number == number)
      // Some are waited for, others are there already.
      if number % 10 == 0 { withExtendedLifetime(item) { wait(for: ahead + 1, alive) } }
    }
    #expect(alive.withLock { $0.most } <= ahead + 1)
    // They were made ahead where there was time.
    #expect(alive.withLock { $0.most } == ahead + 1)
  }

  @Test func `threads end and items go with the prefetcher`() throws {
    let alive = Locked((now: 0, most: 0))
    do {
      let prefetcher = Prefetcher(threads: 2, ahead: 3) { Item($0, alive) }
      _ = try prefetcher.next()
    }
    wait(for: 0, alive)
    #expect(alive.withLock { $0.now } == 0)
  }

  @Test func `nothing is made before it is asked for`() throws {
    let begun = Locked(0)
    let prefetcher = Prefetcher(threads: 2, ahead: 3) { number in
      begun.withLock { $0 += 1 }
      return number
    }
    prefetcher.position = 5
    usleep(20_000)
    #expect(begun.withLock { $0 } == 0)
    #expect(try prefetcher.next() == 5)
  }

  @Test func `a jump drops what was made ahead`() throws {
    let alive = Locked((now: 0, most: 0))
    let prefetcher = Prefetcher(threads: 3, ahead: 4) { number in
      usleep(500)
      return Item(number, alive)
    }
    for place in [0, 10, 3, 3, 1000, 0] {
      prefetcher.position = place
      #expect(try prefetcher.next().number == place)
      #expect(try prefetcher.next().number == place + 1)
      #expect(prefetcher.position == place + 2)
    }
    wait(for: 4, alive)
    #expect(alive.withLock { $0.now } == 4)
  }

  @Test func `a failure comes in its turn, and the item is tried again`() throws {
    let attempts = Locked(0)
    let next: @Sendable (inout Int) -> Int = { count in
      count += 1
      return count
    }
    let prefetcher = Prefetcher(threads: 1, ahead: 3) { number in
      if number == 2, attempts.withLock(next) < 3 { throw Failure() }
      return number
    }
    #expect(try [prefetcher.next(), prefetcher.next()] == [0, 1])
    for _ in 0..<2 { #expect(throws: Failure.self) { try prefetcher.next() } }
    #expect(try [prefetcher.next(), prefetcher.next()] == [2, 3])
  }
}
