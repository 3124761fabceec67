import Foundation
import InstanceNorm

extension Device {
  /// The median time of a call of each body, in seconds. The bodies take turns, so that whatever else the machine does
  /// slows all of them alike.
  ///
  /// - Parameters:
  ///   - group: the least time, in seconds, for which a body is called between two looks at the clock.
  ///   - total: the least time, in seconds, that all measurements take together.
  package func medianTimes(
    _ bodies: [() throws -> Void], group: Double = 0.002, total: Double = 1
  ) throws -> [Double] {
    func time(_ body: () throws -> Void, calls: Int) throws -> Double {
      let start = DispatchTime.now().uptimeNanoseconds
      for _ in 0..<calls { try body() }
      // A GPU's calls return before they are done.
      try synchronize()
      return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 / Double(calls)
    }
    for body in bodies { _ = try time(body, calls: 1) }
    // Enough calls in a row that reading the clock costs nothing, and that each body finds its own data in the caches.
    let calls = try bodies.map { max(2, Int(group / max(try time($0, calls: 2), 1e-9))) }
    var times = Array(repeating: [Double](), count: bodies.count)
    let end = DispatchTime.now().uptimeNanoseconds + UInt64(total * 1e9)
    repeat {
      for (index, body) in bodies.enumerated() {
        try body()
        try synchronize()
        times[index].append(try time(body, calls: calls[index]))
      }
    } while DispatchTime.now().uptimeNanoseconds < end || times[0].count < 5
    return times.map { $0.sorted()[$0.count / 2] }
  }

  /// Copies a tensor's memory within the device, which is what speed is measured against.
  package func copyMemory(of source: Tensor, to destination: Tensor) throws {
    try backend.copy(from: source.storage, to: destination.storage)
  }
}

/// How fast calls are, in absolute terms and beside a copy.
package struct Speed: Encodable {
  package let seconds: Double
  /// 10^9 bytes a second, counting each tensor that has to be read or written once.
  package let gigabytesPerSecond: Double
  /// As a fraction of the copy's speed.
  package let share: Double

  /// - Parameters:
  ///   - seconds: the time that the calls take.
  ///   - copy: the time that a copy of one such tensor takes, in seconds.
  ///   - tensors: how many tensors the calls have to read and write.
  ///   - byteCount: the size of one.
  package init(seconds: Double, copy: Double, tensors: Double, byteCount: Int) {
    self.seconds = seconds
    gigabytesPerSecond = tensors * Double(byteCount) / seconds / 1e9
    // A copy reads one tensor and writes one.
    share = copy * tensors / 2 / seconds
  }
}
