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
    let source = call.input.address.assumingMemoryBound(to: type)
    let target = call.output.address.assumingMemoryBound(to: type)
    loops.forEachPart(threads: threads) { first, output, count in
      (target + output).update(repeating: source[first], count: count)
    }
  }
}
