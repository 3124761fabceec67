import CPUKernels
import Calls
import Foundation
import Tensors
import TestSupport
import Testing

/// Shares of work on threads that stand ready. In processes of their own, since one call at a time has the threads.
@Suite struct WorkersTests {
  @Test func `a share runs on its own thread every time, or on the caller's`() async {
    await #expect(processExitsWith: .success) {
      let caller = UInt(bitPattern: pthread_self().hashValue)
      let shares = 3
      let seen = Locked<[Set<UInt>]>(Array(repeating: [], count: shares))
      for _ in 0..<200 {
        Workers.shared.run(shares: shares, values: 1 << 24) { share in
          let thread = UInt(bitPattern: pthread_self().hashValue)
          seen.withLock { _ = $0[share].insert(thread) }
          // Long enough for the others to come.
          usleep(300)
        }
      }
      let threads = seen.withLock { $0 }
      #expect(threads[0] == [caller])
      let others = threads[1...].map { $0.subtracting([caller]) }
      #expect(others.allSatisfy { $0.count == 1 }, "\(threads)")
      #expect(Set(others.joined()).count == shares - 1)
    }
  }

  @Test func `no thread is made for work of less than a share for each`() async {
    await #expect(processExitsWith: .success) {
      let before = WorkersTests.threadCount
      for set in InstructionSet.available {
        for layout in Layout.allCases {
          let small = NormProblem(
            Planes(
              dtype: .float32, layout: layout, images: 1, maps: 31, size: (2 * ThreadedWork.valuesPerShare - 1) / 31)
          ) { $2 }
          _ = try small.run(CPUBackend(threads: 8, set))
        }
      }
      #expect(WorkersTests.threadCount == before)
      let large = NormProblem(
        Planes(dtype: .float32, layout: .nchw, images: 1, maps: 4, size: ThreadedWork.valuesPerShare)
      ) { $2 }
      _ = try large.run(CPUBackend(threads: 3))
      #expect(WorkersTests.threadCount == before + 2)
    }
  }

  #if os(Linux)
    @Test func `a thread takes none of the program's signals, and its maker goes on taking them`() async {
      await #expect(processExitsWith: .success) {
        func blocked(_ task: String) -> UInt64 {
          let status = (try? String(contentsOfFile: "\(task)/status", encoding: .utf8)) ?? ""
          let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
          return line.flatMap { UInt64($0.split(separator: "\t")[1], radix: 16) } ?? 0
        }
        let before = blocked("/proc/thread-self")
        Workers.shared.run(shares: 3, values: 1 << 24) { _ in usleep(10_000) }
        #expect(blocked("/proc/thread-self") == before)
        let folder = "/proc/self/task"
        var workers: [String] = []
        // Each gives itself its name, once it has a processor.
        for _ in 0..<500 where workers.count < 2 {
          usleep(10_000)
          let tasks = try FileManager.default.contentsOfDirectory(atPath: folder).map { "\(folder)/\($0)" }
          workers = tasks.filter {
            (try? String(contentsOfFile: "\($0)/comm", encoding: .utf8))?.hasPrefix("instnorm-") == true
          }
        }
        #expect(workers.count == 2)
        // The standard signals, except those that nobody can block.
        let all = (1...31).filter { $0 != SIGKILL && $0 != SIGSTOP }.reduce(UInt64(0)) { $0 | 1 << ($1 - 1) }
        for worker in workers { #expect(blocked(worker) & all == all) }
      }
    }
  #endif

  @Test func `threads with nothing to do sleep`() async {
    await #expect(processExitsWith: .success) {
      for _ in 0..<20 {
        Workers.shared.run(shares: 4, values: 1 << 24) { _ in usleep(100) }
      }
      // Those that look for work do so for some microseconds.
      usleep(50_000)
      let before = WorkersTests.processorTime()
      usleep(300_000)
      let used = WorkersTests.processorTime() - before
      // One thread that went on looking would have used 0.3 s, or half of it on a busy machine.
      #expect(used < 0.05, "\(used) s in 0.3 s")
    }
  }

  @Test func `work that is too small to wake a thread for is done all the same`() async {
    await #expect(processExitsWith: .success) {
      for round in 0..<300 {
        let done = Locked([0, 0, 0])
        Workers.shared.run(shares: 3, values: 1000) { share in done.withLock { $0[share] += 1 } }
        #expect(done.withLock { $0 } == [1, 1, 1])
        // Sometimes the threads are awake, sometimes asleep, and sometimes just falling asleep.
        usleep(UInt32(round % 60))
      }
    }
  }

  @Test func `every share is done once, in nested and in concurrent calls`() async {
    await #expect(processExitsWith: .success) {
      // One of the callers has the threads; each share of its calls in turn.
      let callers = 4
      let rounds = 200
      let total = Locked(Array(repeating: 0, count: callers * 5 * 3))
      let threads = (0..<callers).map { caller in
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
          for _ in 0..<rounds {
            Workers.shared.run(shares: 5, values: 1 << 20) { outer in
              Workers.shared.run(shares: 3, values: 1 << 20) { inner in
                total.withLock { $0[(caller * 5 + outer) * 3 + inner] += 1 }
              }
            }
          }
          done.signal()
        }
        return done
      }
      for thread in threads { WorkersTests.wait(for: thread) }
      #expect(total.withLock { $0 }.allSatisfy { $0 == rounds })
    }
  }

  /// How many threads this process has.
  private static var threadCount: Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
  }

  /// Seconds that all threads of this process have used.
  private static func processorTime() -> Double {
    var usage = rusage()
    getrusage(0, &usage)  // RUSAGE_SELF
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  private static func wait(for semaphore: DispatchSemaphore) { semaphore.wait() }
}
