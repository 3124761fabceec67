import Tensors

/// The order in which examples come: a permutation of them for each epoch, all from one seed.
final class EpochOrder: Sendable {
  let count: Int
  private let seed: UInt64
  /// The latest ones asked for. Batches that are made at the same time are of one epoch or two.
  private let known = Locked<[Int: [Int32]]>([:])

  init(count: Int, seed: UInt64) {
    (self.count, self.seed) = (count, seed)
  }

  /// The example at a place of all epochs, one after the other.
  ///
  /// - Parameter offset: how many places further in the same epoch, whose last is followed by its first.
  func example(at place: Int, offset: Int = 0) -> Int {
    known.withLock { known in
      let epoch = place / count
      if known[epoch] == nil {
        let farthest = known.keys.max { abs($0 - epoch) < abs($1 - epoch) }
        if known.count > 1, let farthest { known[farthest] = nil }
        known[epoch] = permutation(epoch)
      }
      return known[epoch].map { Int($0[(place % count + offset) % count]) } ?? 0
    }
  }

  /// By Fisher and Yates.
  private func permutation(_ epoch: Int) -> [Int32] {
    var generator = SeededGenerator(seed: seed, stream: RandomStream.order.rawValue, index: UInt64(epoch))
    var order = (0..<Int32(count)).map { $0 }
    for last in order.indices.dropFirst().reversed() { order.swapAt(last, generator.nextIndex(below: last + 1)) }
    return order
  }
}

/// What random numbers are drawn for, so that numbers for one thing do not move those for another.
enum RandomStream: UInt64 {
  case order, framing, pool
}
