import Dispatch

/// Splits work over threads.
package enum Parallel {
  /// Below this many values a share of work is not worth a thread: waking one takes as long as some thousand values.
  static let valuesPerShare = 16_384

  /// How many shares `items` pieces of work with `values` values in all are split into, on `threads` threads.
  package static func shareCount(items: Int, values: Int, threads: Int) -> Int {
    max(1, min(threads, items, values / valuesPerShare))
  }

  /// Calls `body` with the number of each share and its range of items, on threads of their own where there is more
  /// than one. A share is a contiguous range, and is the same range each time.
  package static func run(items: Int, shares: Int, _ body: (_ share: Int, _ items: Range<Int>) -> Void) {
    guard shares > 1 else {
      body(0, 0..<items)
      return
    }
    withoutActuallyEscaping(body) { body in
      // The compiler cannot see that shares write to different memory.
      nonisolated(unsafe) let body = body
      DispatchQueue.concurrentPerform(iterations: shares) { share in
        body(share, items * share / shares..<items * (share + 1) / shares)
      }
    }
  }
}

/// Memory from the pool for the length of one call, one piece for each share of the work.
struct Scratch: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let bytesPerShare: Int
  private let byteCount: Int

  init(shares: Int, doublesPerShare: Int) throws {
    bytesPerShare = (doublesPerShare * 8 + 63) / 64 * 64
    byteCount = bytesPerShare * shares
    base = try MemoryPool.shared.allocate(byteCount: byteCount)
  }

  deinit {
    MemoryPool.shared.deallocate(base, byteCount: byteCount)
  }

  var address: Address { Address(base: base, bytesPerShare: bytesPerShare) }

  /// Where the pieces are. What closures can take with them.
  struct Address {
    fileprivate let base: UnsafeMutableRawPointer
    fileprivate let bytesPerShare: Int

    func doubles(share: Int) -> UnsafeMutablePointer<Double> {
      (base + share * bytesPerShare).assumingMemoryBound(to: Double.self)
    }
  }
}
