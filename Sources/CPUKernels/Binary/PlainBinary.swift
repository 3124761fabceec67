import Calls
import Tensors

/// Plain Swift, for float64: rows along the innermost axis.
struct PlainBinary {
  private let call: BinaryCall
  private let loops: Loops

  init?(_ call: BinaryCall, _ loops: Loops) {
    guard call.output.dtype == .float64 else { return nil }
    self.call = call
    self.loops = loops
  }

  func run(threads: Int) {
    let length = loops.extents[loops.last]
    let parts = (length + ThreadedWork.valuesPerShare - 1) / ThreadedWork.valuesPerShare
    let (items, values) = (loops.rows * parts, loops.extents.product)
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    ThreadedWork.run(items: items, values: values, shares: shares) { _, items in
      for item in items {
        let place = loops.extents.place(item / parts, dropping: 1)
        let start = item % parts * ThreadedWork.valuesPerShare
        compute(place, start, min(ThreadedWork.valuesPerShare, length - start))
      }
    }
  }

  private func compute(_ place: Axes, _ start: Int, _ count: Int) {
    let last = loops.last
    func values(_ view: View, _ strides: Axes) -> UnsafeMutablePointer<Double> {
      view.address.assumingMemoryBound(to: Double.self) + strides.offset(of: place) + start * strides[last]
    }
    let (a, b, y) =
      (values(call.first, loops.first), values(call.second, loops.second), values(call.output, loops.output))
    let (aStep, bStep, yStep) = (loops.first[last], loops.second[last], loops.output[last])
    @inline(__always) func each(_ function: (Double, Double) -> Double) {
      for index in 0..<count { y[index * yStep] = function(a[index * aStep], b[index * bStep]) }
    }
    switch call.function {
    case .add: each { $0 + $1 }
    case .subtract: each { $0 - $1 }
    case .multiply: each { $0 * $1 }
    case .divide: each { $0 / $1 }
    case .maximum, .minimum, .gate:
      let function = call.function
      each { function.value(of: $0, $1) }
    }
  }
}
