import Calls
import Tensors

/// Planes of a picture that go the plain way, set aside until the kernels are through with the rest.
struct WidePlanes: ~Copyable {
  private let numbers: [Int]
  private let planes: Planes
  private let scratch: Scratch?
  private let address: Scratch.Address?

  init(_ numbers: [Int], _ planes: Planes) throws {
    self.numbers = numbers
    self.planes = planes
    if numbers.isEmpty {
      scratch = nil
      address = nil
    } else {
      let scratch = try Scratch(shares: numbers.count, bytesPerShare: planes.size * planes.dtype.byteCount)
      address = scratch.address
      self.scratch = consume scratch
    }
  }

  /// Calls `body` for each plane with where its result goes and room for blocks.
  func compute(_ body: (_ plane: Int, _ target: Run, _ block: UnsafeMutablePointer<Double>) -> Void) {
    guard !numbers.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: PlainNormGradient.scratch(width: 1)) { block in
      for (index, plane) in numbers.enumerated() { body(plane, run(index), block.baseAddress!) }
    }
  }

  /// Copies the results to their places.
  func put(into output: UnsafeMutableRawPointer) {
    guard !numbers.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: blockPitch) { block in
      for (index, plane) in numbers.enumerated() {
        let target = Run(output, planes.dtype, planes.band(ofPlane: plane), stride: planes.stride)
        for start in stride(from: 0, to: planes.size, by: blockLength) {
          let count = min(blockLength, planes.size - start)
          run(index).load(start, count, into: block.baseAddress!)
          target.store(start, count, from: block.baseAddress!)
        }
      }
    }
  }

  /// Where a plane's result is; nil for a plane that is not set aside.
  func run(ofPlane plane: Int) -> Run? {
    guard let index = numbers.firstIndex(of: plane) else { return nil }
    return run(index)
  }

  private func run(_ index: Int) -> Run {
    Run(contiguous: address!.raw(share: index), planes.dtype)
  }
}

/// The first error of several threads.
final class Failure: @unchecked Sendable {
  private let first = Locked<(any Error)?>(nil)

  func catching(_ body: () throws -> Void) {
    do { try body() } catch { first.withLock { $0 = $0 ?? error } }
  }

  static func collect(_ body: (Failure) -> Void) throws {
    let failure = Failure()
    body(failure)
    if let error = failure.first.withLock({ $0 }) { throw error }
  }
}
