import Synchronization
import Tensors

/// The first failure of several threads.
struct Failure: ~Copyable {
  /// What there was no memory for, as work on memory that is there fails with nothing else; negative for none.
  private let byteCount = Atomic<Int>(-1)

  func catching(_ body: () throws(TensorError) -> Void) {
    do {
      try body()
    } catch {
      guard case .outOfMemory(let count) = error else { return }
      _ = byteCount.compareExchange(expected: -1, desired: count, ordering: .relaxed)
    }
  }

  /// Throws what was caught.
  func check() throws(TensorError) {
    let count = byteCount.load(ordering: .relaxed)
    if count >= 0 { throw .outOfMemory(byteCount: count) }
  }
}
