import Foundation
import Synchronization
import Tensors
import TestSupport
import Testing

/// Copies of the process, made while other threads are at work. In a process of its own, where nothing else is.
@Suite(.disabled(if: Sanitizer.isThread, "its run-time does not survive a fork"))
struct ForkTests {
  @Test func `a copy of the process has memory and threads, whatever others were doing with them`() async {
    await #expect(processExitsWith: .success) {
      // Swift keeps fork to itself, as few programs survive it.
      typealias Fork = @convention(c) () -> pid_t
      let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
      let isDone = Locked(false)
      for _ in 0..<3 {
        Thread.detachNewThread {
          while !isDone.withLock({ $0 }) {
            for _ in 0..<100 {
              guard let block = try? MemoryPool.shared.allocate(byteCount: 4096) else { continue }
              MemoryPool.shared.deallocate(block, byteCount: 4096)
            }
            // Most copies are made while a thread is at this.
            Workers.shared.run(shares: 2, values: 1 << 24) { _ in usleep(200) }
          }
        }
      }
      var copies: [pid_t] = []
      for _ in 0..<64 {
        let copy = fork()
        if copy == 0 {
          // Ends a copy that waits for a lock for good. Threads of tests let no signals in.
          var none = sigset_t()
          sigemptyset(&none)
          pthread_sigmask(SIG_SETMASK, &none, nil)
          alarm(5)
          guard let block = try? MemoryPool.shared.allocate(byteCount: 4096) else { _exit(1) }
          MemoryPool.shared.deallocate(block, byteCount: 4096)
          // Each share waits for the other, which has to be on another thread.
          let begun = Atomic<Int>(0)
          Workers.shared.run(shares: 2, values: 1 << 24) { _ in
            begun.add(1, ordering: .relaxed)
            for _ in 0..<30_000 where begun.load(ordering: .relaxed) < 2 { usleep(100) }
          }
          _exit(begun.load(ordering: .relaxed) == 2 ? 0 : 2)
        }
        copies.append(copy)
      }
      isDone.withLock { $0 = true }
      for copy in copies {
        var status: Int32 = -1
        while waitpid(copy, &status, 0) < 0, errno == EINTR {}
        #expect(status == 0)
      }
    }
  }
}
