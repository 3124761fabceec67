/// Splits work over threads.
package enum ThreadedWork {
  /// Below this many values a share of work is not worth a thread: handing it over takes as long as some thousand
  /// values.
  package static let valuesPerShare = 16_384

  /// The most threads that stand ready, however many are asked for.
  package static let mostThreads = 256

  /// How many shares `items` pieces of work with `values` values in all are split into, on `threads` threads.
  package static func shareCount(items: Int, values: Int, threads: Int) -> Int {
    max(1, min(threads, mostThreads, items, values / valuesPerShare))
  }

  /// Calls `body` with the number of each share and its range of items, on threads of their own where there is more
  /// than one. A share is a contiguous range, and is the same range each time.
  ///
  /// What stays on the caller's thread is part of the caller, as a loop over small planes comes here for each.
  @inlinable @inline(__always)
  package static func run(
    items: Int, values: Int, shares: Int, _ body: (_ share: Int, _ items: Range<Int>) -> Void
  ) {
    if shares > 1 { runShared(items: items, values: values, shares: shares, body) } else { body(0, 0..<items) }
  }

  package static func runShared(
    items: Int, values: Int, shares: Int, _ body: (_ share: Int, _ items: Range<Int>) -> Void
  ) {
    Workers.shared.run(shares: shares, values: values) { share in
      body(share, items * share / shares..<items * (share + 1) / shares)
    }
  }
}

/// Memory from the pool for the length of one call, one piece for each share of the work.
package struct Scratch: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let bytesPerShare: Int
  private let byteCount: Int

  package init(shares: Int, bytesPerShare: Int) throws(TensorError) {
    self.bytesPerShare = (bytesPerShare + 63) / 64 * 64
    byteCount = self.bytesPerShare * shares
    base = try MemoryPool.shared.allocate(byteCount: byteCount)
  }

  package init(shares: Int, doublesPerShare: Int) throws(TensorError) {
    try self.init(shares: shares, bytesPerShare: doublesPerShare * 8)
  }

  deinit {
    MemoryPool.shared.deallocate(base, byteCount: byteCount)
  }

  package var address: Address { Address(base: base, bytesPerShare: bytesPerShare) }

  /// Where the pieces are. What closures can take with them.
  package struct Address {
    fileprivate let base: UnsafeMutableRawPointer
    fileprivate let bytesPerShare: Int

    package func raw(share: Int) -> UnsafeMutableRawPointer { base + share * bytesPerShare }

    package func doubles(share: Int) -> UnsafeMutablePointer<Double> {
      raw(share: share).assumingMemoryBound(to: Double.self)
    }
  }
}
