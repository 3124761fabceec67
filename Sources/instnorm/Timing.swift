import Foundation
import InstanceNorm

extension Device {
  /// The median time of a call of each body, in seconds. They take turns, so that what else the machine does meets all
  /// alike.
  ///
  /// - Parameters:
  ///   - group: for how long a body is called before its time is taken, at least.
  ///   - total: for how long all of them together are measured, at least.
  func medianTimes(_ bodies: [() throws -> Void], group: Double = 0.002, total: Double = 1) throws -> [Double] {
    func time(_ body: () throws -> Void, calls: Int) throws -> Double {
      let start = DispatchTime.now().uptimeNanoseconds
      for _ in 0..<calls { try body() }
      // A GPU's calls return before they are done.
      try synchronize()
      return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 / Double(calls)
    }
    for body in bodies { _ = try time(body, calls: 1) }
    // Enough calls in a row that the clock does not matter, and that one body's data comes to where it stays.
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

  /// Copies a tensor's memory within the device: what speed is measured against.
  func copyMemory(of source: Tensor, to destination: Tensor) throws {
    try backend.copy(from: source.storage, to: destination.storage)
  }
}

/// Four digits and a unit.
func duration(_ seconds: Double) -> String {
  switch seconds {
  case ..<1e-3: String(format: "%.4g us", seconds * 1e6)
  case ..<1: String(format: "%.4g ms", seconds * 1e3)
  default: String(format: "%.4g s", seconds)
  }
}

/// Random numbers, the same million of them again and again: drawing hundreds of millions would take longer than all
/// that is measured.
func repeated(_ shape: Shape, seed: UInt64) throws -> Tensor {
  let some = try Tensor.randomNormal([1 << 20], mean: 1, seed: seed).array(of: Float.self)
  return try Tensor(shape: shape) { (buffer: UnsafeMutableBufferPointer<Float>) in
    for index in buffer.indices { buffer[index] = some[index % some.count] }
  }
}
