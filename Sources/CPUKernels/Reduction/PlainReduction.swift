import Calls
import Tensors

/// Reductions of float64 in plain Swift, in an order that the extents fix.
struct PlainReduction {
  private let call: ReductionCall
  private let input: UnsafePointer<Double>

  init?(_ call: ReductionCall) {
    guard call.input.dtype == .float64, !call.reduced.isEmpty else { return nil }
    self.call = call
    input = UnsafePointer(call.input.address.assumingMemoryBound(to: Double.self))
  }

  func run(threads: Int) {
    let (items, length) = (call.kept.product, call.reduced.product)
    let shares = ThreadedWork.shareCount(items: items, values: items * length, threads: threads)
    ThreadedWork.run(items: items, values: items * length, shares: shares) { _, items in
      var place = call.kept.place(items.lowerBound, dropping: 0)
      for _ in items {
        var (from, to) = (0, 0)
        for axis in place.indices {
          from += place[axis] * call.input.strides[axis]
          to += place[axis] * call.output.strides[axis]
        }
        store(reduced(input + from), at: to)
        call.kept.advance(&place, dropping: 0)
      }
    }
  }

  private func reduced(_ start: UnsafePointer<Double>) -> Double {
    let reduced = call.reduced
    let last = reduced.count - 1
    let offset = call.kept.count
    let (count, stride) = (reduced[last], call.input.strides[offset + last])
    var total = call.function == .max ? -Double.infinity : 0
    var place = Axes(repeating: 0, count: reduced.count)
    for _ in 0..<reduced.product / count {
      var row = start
      for axis in 0..<last { row += place[axis] * call.input.strides[offset + axis] }
      if call.function == .max {
        for index in 0..<count {
          let value = row[index * stride]
          // Written so that NaN stays.
          if !(value <= total), !total.isNaN { total = value }
        }
      } else if stride == 1 {
        // In lanes and blocks, which loses less than one sum does.
        var start = 0
        while start < count {
          let length = min(blockLength, count - start)
          total += laneSum(row + start, length)
          start += length
        }
      } else {
        for index in 0..<count { total += row[index * stride] }
      }
      reduced.advance(&place, dropping: 1)
    }
    return call.function == .mean ? total / Double(reduced.product) : total
  }

  private func store(_ value: Double, at place: Int) {
    switch call.output.dtype {
    case .float64: call.output.address.assumingMemoryBound(to: Double.self)[place] = value
    case .float32: call.output.address.assumingMemoryBound(to: Float.self)[place] = Float(value)
    case .float16: call.output.address.assumingMemoryBound(to: Float16.self)[place] = Float16(value)
    case .bfloat16: call.output.address.assumingMemoryBound(to: BFloat16.self)[place] = BFloat16(value)
    }
  }
}
