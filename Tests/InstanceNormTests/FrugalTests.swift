import Foundation
import InstanceNorm
import TestSupport
import Testing

@Suite struct FrugalTests {
  // In processes of their own: the pool and what the system gives are everybody's.

  @Test(arguments: Layout.allCases) func `after the first call nothing comes from the system`(layout: Layout) async {
    await #expect(processExitsWith: .success) { [isChannelsLast = (layout == .nhwc) as Bool] in
      for threads in [1, 2] {
        let device = try Device.cpu(threads: threads)
        let norm = try InstanceNorm2D(numOfMaps: 24)
        let optimizer = try Adam()
        try optimizer.setup(on: norm)
        let layout = isChannelsLast ? Layout.nhwc : .nchw
        let x = try Tensor.randomNormal([2, 24, 96, 96], seed: 1).to(layout).to(device)
        let dy = try Tensor.randomNormal([2, 24, 96, 96], seed: 2).to(layout).to(device)
        func step() throws {
          try norm(x)
          try norm.backward(dy)
          try optimizer.update()
        }
        try step()
        let allocations = MemoryPool.shared.statistics.systemAllocations
        // The system itself moves pages now and then, at which a busy machine shows a fault or two; ours would come at
        // every step, 432 for each tensor.
        let newFaults = try (0..<5).map { _ in
          let before = pageFaults(ofThread: threads == 1)
          for _ in 0..<3 { try step() }
          return pageFaults(ofThread: threads == 1) - before
        }
        #expect(MemoryPool.shared.statistics.systemAllocations == allocations)
        // A sanitizer takes memory of its own.
        #expect(newFaults.contains(0) || Sanitizer.isAddress || Sanitizer.isThread, "\(newFaults) page faults")
      }
    }
  }

  @Test func `nor for the rest of the family`() async {
    await #expect(processExitsWith: .success) {
      let styled = try ConditionalInstanceNorm2D(numOfMaps: 24, numOfStyles: 3)
      let model = try Sequential([
        BatchNorm2D(numOfMaps: 24), LeakyReLU(slope: 0.2), LayerNorm2D(numOfMaps: 24), Tanh(),
        GroupNorm2D(groups: 4, numOfMaps: 24), styled, LayerNorm2D(numOfMaps: 24, perElement: (96, 96)), ReLU(),
      ])
      // On one thread: with several, how much scratch is in use at once is a matter of chance.
      let device = try Device.cpu(threads: 1)
      try model.to(device)
      let optimizer = try Adam()
      try optimizer.setup(on: model)
      let x = try Tensor.randomNormal([2, 24, 96, 96], seed: 1).to(device)
      let dy = try Tensor.randomNormal([2, 24, 96, 96], seed: 2).to(device)
      func step() throws {
        try model(x)
        try model.backward(dy)
        try optimizer.update()
      }
      for _ in 0..<3 { try step() }
      let allocations = MemoryPool.shared.statistics.systemAllocations
      let newFaults = try (0..<5).map { _ in
        let before = pageFaults(ofThread: true)
        for _ in 0..<3 { try step() }
        return pageFaults(ofThread: true) - before
      }
      #expect(MemoryPool.shared.statistics.systemAllocations == allocations)
      #expect(newFaults.contains(0) || Sanitizer.isAddress || Sanitizer.isThread, "\(newFaults) page faults")
    }
  }

  @Test func `the second call reuses what the first one gave, once it is let go`() async {
    await #expect(processExitsWith: .success) {
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
  }

  @Test func `small work stays on the caller's thread`() {
    #expect(ThreadedWork.shareCount(items: 15, values: 240, threads: 8) == 1)
    #expect(ThreadedWork.shareCount(items: 64, values: 16_000, threads: 8) == 1)
    #expect(ThreadedWork.shareCount(items: 64, values: 65_536, threads: 2) == 2)
    #expect(ThreadedWork.shareCount(items: 1, values: 1 << 24, threads: 8) == 1)
    #expect(ThreadedWork.shareCount(items: 0, values: 0, threads: 8) == 1)
    #expect(ThreadedWork.shareCount(items: 1 << 20, values: 1 << 30, threads: 100_000) == ThreadedWork.mostThreads)

    final class Seen: @unchecked Sendable { var thread: pthread_t? }
    let seen = Seen()
    ThreadedWork.run(items: 10, values: 240, shares: 1) { _, _ in seen.thread = pthread_self() }
    #expect(seen.thread == pthread_self())
  }
}

/// Pages that the calling thread, or the whole process, has had to wait for.
private func pageFaults(ofThread: Bool) -> Int {
  var usage = rusage()
  getrusage(ofThread ? 1 : 0, &usage)  // RUSAGE_THREAD, RUSAGE_SELF
  return usage.ru_minflt + usage.ru_majflt
}
