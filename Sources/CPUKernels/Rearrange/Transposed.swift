import CElementKernels
import CNormKernels
import Calls
import Tensors

/// Places that lie together in the output and apart in the input: the axis along which the input lies together becomes
/// the output's innermost one's partner in a transposition.
struct Transposed {
  private let call: RearrangeCall
  private let kernels: ElementKernels
  private let loops: Loops
  /// Of the loops: along which the input lies together.
  private let partner: Int

  private let streams: Bool

  init?(_ call: RearrangeCall, _ kernels: ElementKernels, streamed: Int) {
    guard call.mapped == 0 else { return nil }
    let loops = call.loops
    guard loops.output[loops.last] == 1, loops.first[loops.last] > 1 else { return nil }
    guard let partner = loops.extents.indices.first(where: { loops.first[$0] == 1 }) else { return nil }
    self.call = call
    self.kernels = kernels
    self.loops = loops
    self.partner = partner
    streams = call.extents.product * call.output.dtype.byteCount >= streamed
  }

  /// How many of either axis go in one call, at most. What is converted goes by way of memory of so many squared.
  private var block: Int { call.input.dtype == call.output.dtype ? 1 << 14 : 256 }

  func run(threads: Int) throws {
    let last = loops.last
    let (rows, columns) = (loops.extents[last], loops.extents[partner])
    let block = block
    // Without the two axes.
    var others = loops.extents
    others[last] = 1
    others[partner] = 1
    let rowParts = (rows + block - 1) / block
    let columnParts = (columns + block - 1) / block
    let items = others.product * rowParts * columnParts
    let values = loops.extents.product
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    let converts = call.input.dtype != call.output.dtype
    let scratch = try Scratch(
      shares: shares, bytesPerShare: converts ? block * block * call.input.dtype.byteCount : 8)
    let (address, mover) = (scratch.address, RowMover(call.input.dtype, call.output.dtype, kernels))
    ThreadedWork.run(items: items, values: values, shares: shares) { share, items in
      for item in items {
        // The side that is dense along the longer way goes on within its pages.
        let (rest, tile) = item.quotientAndRemainder(dividingBy: rowParts * columnParts)
        var place = others.place(rest, dropping: 0)
        place[last] = tile % rowParts * block
        place[partner] = tile / rowParts * block
        let height = min(block, rows - place[last])
        let width = min(block, columns - place[partner])
        let from = call.input.address + loops.first.offset(of: place) * call.input.dtype.byteCount
        let to = call.output.address + loops.output.offset(of: place) * call.output.dtype.byteCount
        let step = loops.output[partner]
        if converts {
          kernels.table.transpose(
            call.input.dtype.byteCount, from, loops.first[last], address.raw(share: share), height, height, width, false
          )
          for column in 0..<width {
            mover.move(
              address.raw(share: share) + column * height * call.input.dtype.byteCount,
              to: to + column * step * call.output.dtype.byteCount, count: height)
          }
        } else {
          kernels.table.transpose(
            call.input.dtype.byteCount, from, loops.first[last], to, step, height, width, streams)
        }
      }
    }
  }
}
