import CElementKernels
import CNormKernels
import Calls
import Tensors

/// Rows that lie together on both sides, copied or converted.
struct MovedRows {
  private let call: RearrangeCall
  private let loops: Loops
  private let mover: RowMover

  init?(_ call: RearrangeCall, _ kernels: ElementKernels, streamed: Int) {
    guard call.mapped == 0 else { return nil }
    let loops = call.loops
    guard loops.first[loops.last] == 1, loops.output[loops.last] == 1 else { return nil }
    self.call = call
    self.loops = loops
    let bytes = call.extents.product * call.output.dtype.byteCount
    mover = RowMover(
      call.input.dtype, call.output.dtype, kernels, streams: bytes >= streamed && loops.extents[loops.last] >= 1024)
  }

  func run(threads: Int) {
    loops.forEachPart(threads: threads) { first, output, count in
      mover.move(
        call.input.address + first * call.input.dtype.byteCount,
        to: call.output.address + output * call.output.dtype.byteCount, count: count)
    }
  }
}

/// Moves values that lie together from one type to another.
struct RowMover {
  private let from: DType
  private let to: DType
  private let kernels: ElementKernels
  private let streams: Bool

  init(_ from: DType, _ to: DType, _ kernels: ElementKernels, streams: Bool = false) {
    self.from = from
    self.to = to
    self.kernels = kernels
    self.streams = streams
  }

  func move(_ source: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    if from == to {
      target.copyMemory(from: source, byteCount: count * from.byteCount)
    } else if let from = from.kernelType, let to = to.kernelType {
      kernels.table.convert(from, to, source, target, count, streams)
    } else if let from = from.kernelType {
      kernels.table.widen(from, source, target.assumingMemoryBound(to: Double.self), count)
    } else if let to = to.kernelType {
      kernels.table.narrow(to, source.assumingMemoryBound(to: Double.self), target, count)
    }
  }
}
