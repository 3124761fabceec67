import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: PointwiseCall) throws {
    if let tuned = TunedPointwise(call, elementKernels, streamed: streamed) { return tuned.run(threads: threads) }
    forEachPart(of: call.count, threads: threads, ReferencePointwise(call).run)
  }

  package func run(_ call: PointwiseGradientCall) throws {
    if let tuned = TunedPointwiseGradient(call, elementKernels, streamed: streamed) {
      return tuned.run(threads: threads)
    }
    forEachPart(of: call.count, threads: threads, ReferencePointwiseGradient(call).run)
  }
}

/// Calls `body` with parts of `count` values that lie together, whole vectors but for the last, on threads where that
/// is worth it.
func forEachPart(of count: Int, threads: Int, _ body: (Range<Int>) -> Void) {
  // A part is some pages of memory, so that no two threads write to one line of the cache.
  let length = 2048
  let parts = (count + length - 1) / length
  let shares = ThreadedWork.shareCount(items: parts, values: count, threads: threads)
  if shares == 1 {
    if count > 0 { body(0..<count) }
    return
  }
  ThreadedWork.run(items: parts, values: count, shares: shares) { _, items in
    body(items.lowerBound * length..<min(items.upperBound * length, count))
  }
}
