import Foundation
import InstanceNorm
import TestSupport
import Testing

@testable import Tensors

/// Alone in the process while it runs: page faults and the pool are everybody's.
@Suite(.serialized) struct FrugalTests {
  @Test(arguments: Layout.allCases) func `after the first call nothing comes from the system`(layout: Layout) throws {
    let norm = try InstanceNorm2D(numOfMaps: 24)
    let optimizer = try Adam()
    try optimizer.setup(on: norm)
    let x = try Tensor.randomNormal([2, 24, 96, 96], seed: 1).to(layout)
    let dy = try Tensor.randomNormal([2, 24, 96, 96], seed: 2).to(layout)
    func step() throws {
      try norm(x)
      try norm.backward(dy)
      try optimizer.update()
    }
    // A tensor as large as all that other tests may take from the pool meanwhile cannot be had, so the count is of the best of
    // several runs.
    try step()
    var allocations = Int.max
    for _ in 0..<50 where allocations > 0 {
      let before = MemoryPool.shared.statistics.systemAllocations
      for _ in 0..<3 { try step() }
      allocations = min(allocations, MemoryPool.shared.statistics.systemAllocations - before)
    }
    #expect(allocations == 0)
  }

  @Test func `the second call reuses what the first one gave, once it is let go`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let x = try Tensor.randomNormal([1, 3, 301, 299], seed: 1)
    let first = try norm(x).storage.address
    let second = try norm(x).storage.address
    #expect(first == second)
    // One that is still held is not written over.
    let held = try norm(x)
    let third = try norm(x)
    #expect(held.storage.address != third.storage.address)
  }

  @Test func `small work stays on the caller's thread`() {
    #expect(Parallel.shareCount(items: 15, values: 240, threads: 8) == 1)
    #expect(Parallel.shareCount(items: 64, values: 16_000, threads: 8) == 1)
    #expect(Parallel.shareCount(items: 64, values: 65_536, threads: 2) == 2)
    #expect(Parallel.shareCount(items: 1, values: 1 << 24, threads: 8) == 1)
    #expect(Parallel.shareCount(items: 0, values: 0, threads: 8) == 1)

    final class Seen: @unchecked Sendable { var thread: pthread_t? }
    let seen = Seen()
    Parallel.run(items: 10, shares: 1) { _, _ in seen.thread = pthread_self() }
    #expect(seen.thread == pthread_self())
  }
}
