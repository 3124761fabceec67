import Foundation
import InstanceNorm
import TestSupport
import Testing

@Suite struct FrugalTests {
  @Test(arguments: Layout.allCases) func `after the first call nothing comes from the system`(layout: Layout) throws {
    let device = try Device.cpu(threads: 1)
    let norm = try InstanceNorm2D(numOfMaps: 24)
    let optimizer = try Adam()
    try optimizer.setup(on: norm)
    let x = try Tensor.randomNormal([2, 24, 96, 96], seed: 1).to(layout).to(device)
    let dy = try Tensor.randomNormal([2, 24, 96, 96], seed: 2).to(layout).to(device)
    func step() throws {
      try norm(x)
      try norm.backward(dy)
      try optimizer.update()
    }
    try step()
    // Other tests take from the same pool meanwhile; in one of several runs they have to leave it alone.
    var (allocations, faults) = (Int.max, Int.max)
    for _ in 0..<(isSanitized ? 5 : 100) where allocations > 0 || faults > 0 {
      let (allocationsBefore, faultsBefore) = (MemoryPool.shared.statistics.systemAllocations, pageFaults())
      for _ in 0..<3 { try step() }
      faults = min(faults, pageFaults() - faultsBefore)
      allocations = min(allocations, MemoryPool.shared.statistics.systemAllocations - allocationsBefore)
    }
    #expect(allocations == 0 || isSanitized)
    #expect(faults == 0 || isSanitized)
  }

  /// Whether a sanitizer watches, which takes memory of its own at every access.
  private var isSanitized: Bool {
    dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
  }

  /// Pages that this thread has had to wait for.
  private func pageFaults() -> Int {
    var usage = rusage()
    getrusage(1, &usage)  // RUSAGE_THREAD, which is a macro
    return usage.ru_minflt + usage.ru_majflt
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
