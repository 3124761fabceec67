import Foundation
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
            Workers.shared.run(shares: 2, values: 1 << 24) { _ in }
          }
        }
      }
      var copies: [pid_t] = []
      for _ in 0..<64 {
        let copy = fork()
        if copy == 0 {
          // A copy that waits for a lock for good is ended by this.
          alarm(5)
          guard let block = try? MemoryPool.shared.allocate(byteCount: 4096) else { _exit(1) }
          MemoryPool.shared.deallocate(block, byteCount: 4096)
          var done = (0, 0, 0)
          withUnsafeMutablePointer(to: &done) { done in
            let each = UnsafeMutableRawPointer(done).assumingMemoryBound(to: Int.self)
            Workers.shared.run(shares: 3, values: 1 << 24) { each[$0] += 1 }
          }
          _exit(done == (1, 1, 1) ? 0 : 2)
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
