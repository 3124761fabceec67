import Foundation
import Tensors

/// What was queued on a device and is not known to be done: one of these is to blame for an error that the device
/// reports late.
///
/// No more than ``limit`` are kept; a driver waits before it queues another.
struct QueuedCalls {
  static let limit = 1024

  /// Whether each call is waited for, so that an error is of the call that it names: where the environment variable
  /// `INSTNORM_GPU_BLOCKING` is 1. It is for finding what went wrong; everything takes longer.
  static let areWaitedFor = ProcessInfo.processInfo.environment["INSTNORM_GPU_BLOCKING"] == "1"

  /// How many were ever queued.
  private(set) var count = 0
  /// How many of these, from the first on, are known to be done.
  private var doneCount = 0
  /// What they are for, each at its number modulo `limit`.
  private var purposes: [(() -> String)?] = Array(repeating: nil, count: limit)

  var isFull: Bool { count - doneCount == Self.limit }

  mutating func append(_ purpose: @escaping () -> String) {
    purposes[count % Self.limit] = purpose
    count += 1
  }

  /// Takes note that as many calls are done, from the first on.
  mutating func finish(_ count: Int) {
    while doneCount < count {
      purposes[doneCount % Self.limit] = nil
      doneCount += 1
    }
  }

  /// The error to throw for one that a device reports late.
  func failure(on device: String, reason: String) -> DeviceError {
    guard doneCount < count, let purpose = purposes[doneCount % Self.limit] else {
      return .failed(
        device: device, call: "something else in this process", reason: "\(reason), and nothing of ours was queued")
    }
    let later = count - doneCount - 1
    let others = later == 1 ? "the call queued after it" : "one of the \(later) calls queued after it"
    return .failed(
      device: device, call: purpose(),
      reason: later == 0 ? reason : "\(reason); or \(others) did (INSTNORM_GPU_BLOCKING=1 tells which)")
  }
}
