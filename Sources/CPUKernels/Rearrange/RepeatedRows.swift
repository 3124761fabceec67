import Calls
import Tensors

/// Rows that lie together in the output and are one value each: what fewer values are repeated to, such as a mean's
/// gradient.
struct RepeatedRows {
  private let call: RearrangeCall
  private let loops: Loops

  init?(_ call: RearrangeCall) {
    guard call.mapped == 0, call.input.dtype == call.output.dtype else { return nil }
    let loops = call.loops
    guard loops.first[loops.last] == 0, loops.output[loops.last] == 1 else { return nil }
    self.call = call
    self.loops = loops
  }

  func run(threads: Int) {
    switch call.output.dtype.byteCount {
    case 2: run(UInt16.self, threads)
    case 4: run(UInt32.self, threads)
    default: run(UInt64.self, threads)
    }
  }

  private func run<Pattern>(_ type: Pattern.Type, _ threads: Int) {
    let length = loops.extents[loops.last]
    let partLength = ThreadedWork.valuesPerShare
    let parts = (length + partLength - 1) / partLength
    let (rows, values) = (loops.rows, loops.rows * length)
    let shares = ThreadedWork.shareCount(items: rows * parts, values: values, threads: threads)
    let source = call.input.address.assumingMemoryBound(to: type)
    let target = call.output.address.assumingMemoryBound(to: type)
    ThreadedWork.run(items: rows * parts, values: values, shares: shares) { _, items in
      var index = items.lowerBound
      var place = loops.extents.place(index / parts, dropping: 1)
      while index < items.upperBound {
        let part = index % parts
        let count = min(parts - part, items.upperBound - index)
        let start = part * partLength
        (target + loops.output.offset(of: place) + start).update(
          repeating: source[loops.first.offset(of: place)], count: min(count * partLength, length - start))
        index += count
        loops.extents.advance(&place, dropping: 1)
      }
    }
  }
}
