import CElementKernels
import CNormKernels
import Calls
import Tensors

/// On the kernels: float32 and narrower, where values lie together along the innermost axis of memory.
///
/// The values of one result, or of neighbouring ones, come in segments that depend on the extents alone. Segments are
/// shared by threads, and what they come to is added in their order.
struct TunedReduction {
  private let call: ReductionCall
  private let kernels: ElementKernels
  private let type: norm_type
  /// Of the kept axes in the order of the input's memory: the last one is a row of results where the input lies together
  /// along it. `second` are the output's strides.
  private let kept: Loops
  private let reduced: Loops
  /// Whether a row's values come to one result, and not each to its own.
  private let isOfRows: Bool

  init?(_ call: ReductionCall, _ kernels: ElementKernels?) {
    guard let kernels, let type = call.input.dtype.kernelType else { return nil }
    var (keptStrides, reducedStrides): (Axes, Axes) = ([], [])
    for (index, stride) in call.input.strides.enumerated() {
      if index < call.kept.count { keptStrides.append(stride) } else { reducedStrides.append(stride) }
    }
    kept = Loops(call.kept, first: keptStrides, second: call.output.strides, output: keptStrides)
    reduced = Loops(call.reduced, first: reducedStrides, second: reducedStrides, output: reducedStrides)
    let reducedStep = reduced.first[reduced.last]
    let keptStep = kept.first[kept.last]
    if reducedStep == 1, kept.extents[kept.last] == 1 || keptStep != 1 || call.reduced.product > 1 {
      isOfRows = true
    } else if keptStep == 1 {
      isOfRows = false
    } else {
      return nil
    }
    self.call = call
    self.kernels = kernels
    self.type = type
  }

  /// How many values a segment has, about.
  private static let segmentLength = 1 << 16

  func run(threads: Int) throws {
    if isOfRows { try runRows(threads: threads) } else { try runColumns(threads: threads) }
  }

  private var isMax: Bool { call.function == .max }

  private func input(_ offset: Int) -> UnsafeMutableRawPointer {
    call.input.address + offset * call.input.dtype.byteCount
  }

  private func write(_ value: Double, at offset: Int) {
    let result = call.function == .mean ? value / Double(call.reduced.product) : value
    Values(call.output.address, call.output.dtype)[offset] = result
  }

  private func merge(_ value: Double, into total: inout Double) {
    if isMax {
      total = total.isNaN || value.isNaN ? .nan : max(total, value)
    } else {
      total += value
    }
  }

  private var nothing: Double { isMax ? -.infinity : 0 }

  // MARK: Rows that are reduced

  private func runRows(threads: Int) throws {
    let last = reduced.last
    let length = reduced.extents[last]
    let rows = reduced.rows
    // A segment is a part of a long row, or some short ones.
    let perRow = (length + Self.segmentLength - 1) / Self.segmentLength
    let rowsPerSegment = perRow > 1 ? 1 : max(1, Self.segmentLength / length)
    let segments = perRow > 1 ? rows * perRow : (rows + rowsPerSegment - 1) / rowsPerSegment
    let results = kept.extents.product
    let values = results * rows * length
    func total(_ result: Int, _ segment: Int) -> Double {
      let start = kept.first.offset(of: kept.extents.place(result, dropping: 0))
      if perRow > 1 {
        let place = reduced.extents.place(segment / perRow, dropping: 1)
        let first = segment % perRow * Self.segmentLength
        return reduce(start + reduced.first.offset(of: place) + first, min(Self.segmentLength, length - first))
      }
      var total = nothing
      let first = segment * rowsPerSegment
      var place = reduced.extents.place(first, dropping: 1)
      for _ in first..<min(first + rowsPerSegment, rows) {
        merge(reduce(start + reduced.first.offset(of: place), length), into: &total)
        reduced.extents.advance(&place, dropping: 1)
      }
      return total
    }
    if segments == 1 {
      let shares = ThreadedWork.shareCount(items: results, values: values, threads: threads)
      ThreadedWork.run(items: results, values: values, shares: shares) { _, items in
        for result in items {
          write(total(result, 0), at: kept.second.offset(of: kept.extents.place(result, dropping: 0)))
        }
      }
      return
    }
    let items = results * segments
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    let scratch = try Scratch(shares: 1, doublesPerShare: items)
    let totals = scratch.address.doubles(share: 0)
    ThreadedWork.run(items: items, values: values, shares: shares) { _, items in
      for item in items { totals[item] = total(item / segments, item % segments) }
    }
    for result in 0..<results {
      var sum = nothing
      for segment in 0..<segments { merge(totals[result * segments + segment], into: &sum) }
      write(sum, at: kept.second.offset(of: kept.extents.place(result, dropping: 0)))
    }
  }

  private func reduce(_ offset: Int, _ count: Int) -> Double {
    isMax ? Double(kernels.table.maximum(type, input(offset), count)) : kernels.table.sum(type, input(offset), count)
  }

  // MARK: Columns that are kept

  /// The reduced axis with the shortest steps is gone over by the kernels, the others here.
  private func runColumns(threads: Int) throws {
    let last = reduced.last
    let (height, step) = (reduced.extents[last], reduced.first[last])
    let columns = kept.extents[kept.last]
    // Wide rows in parts, so that the sums stay near.
    let width = min(columns, 4096)
    let parts = (columns + width - 1) / width
    let rowsPerSegment = max(1, Self.segmentLength / width)
    let perGroup = (height + rowsPerSegment - 1) / rowsPerSegment
    let groups = reduced.rows
    let segments = groups * perGroup
    let results = kept.rows * parts
    let items = results * segments
    let values = kept.extents.product * height * groups
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    // (results, segments, columns), as float64 or, of maxima, float32.
    let scratch = try Scratch(shares: 1, doublesPerShare: items * width)
    let totals = scratch.address.doubles(share: 0)
    ThreadedWork.run(items: items, values: values, shares: shares) { _, items in
      for item in items {
        let (result, segment) = item.quotientAndRemainder(dividingBy: segments)
        var place = kept.extents.place(result / parts, dropping: 1)
        place[kept.last] = result % parts * width
        var group = reduced.extents.place(segment / perGroup, dropping: 1)
        group[last] = segment % perGroup * rowsPerSegment
        let from = input(kept.first.offset(of: place) + reduced.first.offset(of: group))
        let rows = min(rowsPerSegment, height - group[last])
        let count = min(width, columns - place[kept.last])
        let to = totals + item * width
        if isMax {
          let maxima = UnsafeMutableRawPointer(to).assumingMemoryBound(to: Float.self)
          maxima.update(repeating: -.infinity, count: count)
          kernels.table.maximum_rows(type, from, step, rows, count, maxima)
        } else {
          to.update(repeating: 0, count: count)
          kernels.table.sum_rows(type, from, step, rows, count, to)
        }
      }
    }
    for result in 0..<results {
      var place = kept.extents.place(result / parts, dropping: 1)
      place[kept.last] = result % parts * width
      let start = kept.second.offset(of: place)
      for column in 0..<min(width, columns - place[kept.last]) {
        var sum = nothing
        for segment in 0..<segments {
          let from = totals + (result * segments + segment) * width
          let value =
            isMax
            ? Double(UnsafeMutableRawPointer(from).assumingMemoryBound(to: Float.self)[column]) : from[column]
          merge(value, into: &sum)
        }
        write(sum, at: start + column * kept.second[kept.last])
      }
    }
  }
}
