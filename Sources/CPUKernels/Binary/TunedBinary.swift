import CElementKernels
import CNormKernels
import Calls
import Tensors

/// On the kernels: float32 and narrower, with an innermost axis along which each operand lies together or is one value.
struct TunedBinary {
  private let call: BinaryCall
  private let kernels: ElementKernels
  private let type: norm_type
  private let loops: Loops
  private let streams: Bool

  /// Up to this many values that repeat are walked through as one long row, where each row alone would be too short to
  /// be worth a call.
  private static let longestPeriod = 256

  init?(_ call: BinaryCall, _ loops: Loops, _ kernels: ElementKernels?, streamed: Int) {
    guard let kernels, let type = call.output.dtype.kernelType else { return nil }
    let last = loops.last
    guard loops.output[last] == 1, 0...1 ~= loops.first[last], 0...1 ~= loops.second[last] else { return nil }
    self.call = call
    self.kernels = kernels
    self.type = type
    self.loops = loops
    let isInPlace = call.output.address == call.first.address || call.output.address == call.second.address
    streams = !isInPlace && call.extents.product * call.output.dtype.byteCount >= streamed
  }

  func run(threads: Int) {
    if repeatsFirst || repeatsSecond { return runPeriods(threads: threads) }
    if loops.extents[loops.last] > 2 * ThreadedWork.valuesPerShare {
      runParts(threads: threads)
    } else {
      runRows(threads: threads)
    }
  }

  private var slope: Float {
    if case .gate(let slope) = call.function { Float(slope) } else { 0 }
  }

  private func form(streams: Bool) -> element_binary {
    element_binary(type: type, operation: call.function.operation, stream: streams, slope: slope)
  }

  private func address(_ view: View, _ offset: Int) -> UnsafeMutableRawPointer {
    view.address + offset * view.dtype.byteCount
  }

  // MARK: Long rows

  /// Each row in parts that threads share.
  private func runParts(threads: Int) {
    let last = loops.last
    let length = loops.extents[last]
    let partLength = ThreadedWork.valuesPerShare
    let parts = (length + partLength - 1) / partLength
    let (rows, values) = (loops.rows, loops.rows * length)
    let form = form(streams: streams)
    let shares = ThreadedWork.shareCount(items: rows * parts, values: values, threads: threads)
    ThreadedWork.run(items: rows * parts, values: values, shares: shares) { _, items in
      var index = items.lowerBound
      while index < items.upperBound {
        // As many parts of a row as the share has.
        let part = index % parts
        let count = min(parts - part, items.upperBound - index)
        let place = loops.extents.place(index / parts, dropping: 1)
        let start = part * partLength
        callKernel(form, place, start, rows: 1, count: min(count * partLength, length - start))
        index += count
      }
    }
  }

  private func callKernel(_ form: element_binary, _ place: Axes, _ start: Int, rows: Int, count: Int) {
    let last = loops.last
    let step = last > 0 ? last - 1 : last
    func operand(_ view: View, _ strides: Axes) -> element_rows {
      element_rows(
        address: address(view, strides.offset(of: place) + start * strides[last]), step: strides[step],
        is_one: strides[last] == 0)
    }
    withUnsafePointer(to: form) {
      kernels.table.binary(
        $0, operand(call.first, loops.first), operand(call.second, loops.second),
        address(call.output, loops.output.offset(of: place) + start), loops.output[step], rows, count)
    }
  }

  // MARK: Short rows

  /// Rows along the last but one axis in one call.
  private func runRows(threads: Int) {
    let last = loops.last
    let (rows, count) = (loops.rows, loops.extents[last])
    let form = form(streams: streams && count >= 1024)
    let shares = ThreadedWork.shareCount(items: rows, values: rows * count, threads: threads)
    let neighbours = last > 0 ? loops.extents[last - 1] : 1
    ThreadedWork.run(items: rows, values: rows * count, shares: shares) { _, items in
      var index = items.lowerBound
      while index < items.upperBound {
        let place = loops.extents.place(index, dropping: 1)
        let these = min(neighbours - (last > 0 ? place[last - 1] : 0), items.upperBound - index)
        callKernel(form, place, 0, rows: these, count: count)
        index += these
      }
    }
  }

  // MARK: Repeated rows

  /// Whether an operand is one short row, again and again, and the other two lie together.
  private func repeats(_ strides: Axes, beside other: Axes) -> Bool {
    let last = loops.last
    guard last > 0, loops.extents[last] < Self.longestPeriod else { return false }
    let length = loops.extents[last]
    return strides[last - 1] == 0 && strides[last] == 1 && other[last] == 1 && other[last - 1] == length
      && loops.output[last - 1] == length
  }

  private var repeatsFirst: Bool { repeats(loops.first, beside: loops.second) }
  private var repeatsSecond: Bool { repeats(loops.second, beside: loops.first) }

  private func runPeriods(threads: Int) {
    let last = loops.last
    let isFirst = repeatsFirst
    let (repeated, other) = isFirst ? (call.first, call.second) : (call.second, call.first)
    let (repeatedStrides, otherStrides) = isFirst ? (loops.first, loops.second) : (loops.second, loops.first)
    let period = loops.extents[last]
    let length = loops.extents[last - 1] * period
    let partLength = ThreadedWork.valuesPerShare
    let parts = (length + partLength - 1) / partLength
    let (rows, values) = (loops.rows / loops.extents[last - 1], loops.extents.product)
    let form = form(streams: streams && length >= 1024)
    let shares = ThreadedWork.shareCount(items: rows * parts, values: values, threads: threads)
    ThreadedWork.run(items: rows * parts, values: values, shares: shares) { _, items in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.longestPeriod + 15) { room in
        guard let base = room.baseAddress else { return }
        var index = items.lowerBound
        while index < items.upperBound {
          let part = index % parts
          let count = min(parts - part, items.upperBound - index)
          let place = loops.extents.place(index / parts, dropping: 2)
          let start = part * partLength
          kernels.table.convert(
            type, .float32, address(repeated, repeatedStrides.offset(of: place)), base, period, false)
          for more in 0..<15 { base[period + more] = base[more % period] }
          let partCount = min(count * partLength, length - start)
          withUnsafePointer(to: form) {
            kernels.table.binary_periodic(
              $0, address(other, otherStrides.offset(of: place) + start), base, isFirst,
              address(call.output, loops.output.offset(of: place) + start), partCount, period, start % period)
          }
          index += count
        }
      }
    }
  }
}

extension BinaryFunction {
  fileprivate var operation: element_operation {
    switch self {
    case .add: .add
    case .subtract: .subtract
    case .multiply: .multiply
    case .divide: .divide
    case .maximum: .maximum
    case .minimum: .minimum
    case .gate: .gate
    }
  }
}
