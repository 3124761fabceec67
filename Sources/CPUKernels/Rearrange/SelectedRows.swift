import CElementKernels
import CNormKernels
import Calls
import Tensors

/// Places with at most one source each, of rows that lie together in the output: padding, mirrored edges, nearest
/// neighbours, and all strides that nothing else is for.
struct SelectedRows {
  private let call: RearrangeCall
  private let kernels: ElementKernels
  private let loops: Loops
  private let bytes: Int

  init?(_ call: RearrangeCall, _ kernels: ElementKernels) {
    guard call.maps.allSatisfy({ $0?.isSelection ?? true }) else { return nil }
    let loops = call.loops
    let last = loops.last
    guard loops.output[last] == 1, call.input.dtype == call.output.dtype else { return nil }
    // Places in a row are numbers of 32 bits.
    let reach = call.maps[loops.origins[last]]?.inputExtent ?? loops.extents[last]
    guard !reach.multipliedReportingOverflow(by: loops.first[last]).overflow,
      (reach * loops.first[last]).magnitude < Int32.max
    else { return nil }
    self.call = call
    self.kernels = kernels
    self.loops = loops
    bytes = call.input.dtype.byteCount
  }

  func run(threads: Int) throws {
    let last = loops.last
    if last > 0, call.maps[loops.origins[last]] == nil, loops.first[last] == 1 {
      runPixels(threads: threads)
    } else {
      runRows(threads: threads)
    }
  }

  // MARK: Pixels

  /// The innermost axis as it is: a pixel's channels. A row of pixels goes in one call.
  private func runPixels(threads: Int) {
    let last = loops.last
    let pixels = loops.extents[last - 1]
    let rows = loops.rows / pixels
    let maps = FlatMaps(call, loops, dropping: 1)
    let shares = ThreadedWork.shareCount(items: rows, values: loops.extents.product, threads: threads)
    maps.withPointers { maps in
      // Of the pixels of any row.
      let starts = maps.starts(of: last - 1)
      let offsets = (0..<pixels).map { pixel in
        starts[pixel] < starts[pixel + 1] ? maps.offsets[Int(starts[pixel])] * Int64(bytes) : -1
      }
      let nowhere = Array(repeating: Int64(-1), count: pixels)
      ThreadedWork.run(items: rows, values: loops.extents.product, shares: shares) { _, items in
        var place = loops.extents.place(items.lowerBound, dropping: 2)
        for _ in items {
          let source = maps.single(place, last - 1)
          kernels.table.copy_pixels(
            call.input.address + (source ?? 0) * bytes, source == nil ? nowhere : offsets,
            call.output.address + loops.output.offset(of: place) * bytes, loops.output[last - 1] * bytes, pixels,
            loops.extents[last] * bytes)
          loops.extents.advance(&place, dropping: 2)
        }
      }
    }
  }

  // MARK: Rows

  private func runRows(threads: Int) {
    let last = loops.last
    let length = loops.extents[last]
    let runs = Runs(call.maps[loops.origins[last]], length: length, stride: loops.first[last])
    let (rows, values) = (loops.rows, loops.rows * length)
    let maps = FlatMaps(call, loops, dropping: 1)
    let shares = ThreadedWork.shareCount(items: rows, values: values, threads: threads)
    maps.withPointers { maps in
      ThreadedWork.run(items: rows, values: values, shares: shares) { _, items in
        var place = loops.extents.place(items.lowerBound, dropping: 1)
        for _ in items {
          let target = call.output.address + loops.output.offset(of: place) * bytes
          if let offset = maps.single(place, last) {
            runs.copy(call.input.address + offset * bytes, to: target, bytes: bytes, kernels)
          } else {
            target.initializeMemory(as: UInt8.self, repeating: 0, count: length * bytes)
          }
          loops.extents.advance(&place, dropping: 1)
        }
      }
    }
  }
}

/// Where the values of a row come from: as runs that lie together where these are long, else one by one.
private struct Runs {
  private struct Run {
    var start: Int
    var count: Int
    /// nil for 0.
    var source: Int?

    func continues(with next: Int32) -> Bool {
      guard let source else { return next < 0 }
      return source + count == Int(next)
    }
  }

  private var runs: [Run] = []
  private var places: [Int32] = []
  private let length: Int
  /// What the places are from: the first in memory, which is the last of a row that goes backwards.
  private let base: Int

  init(_ map: AxisMap?, length: Int, stride: Int) {
    self.length = length
    let base = min(0, (length - 1) * stride)
    self.base = base
    if map == nil, stride == 1 {
      runs = [Run(start: 0, count: length, source: 0)]
      return
    }
    places = (0..<length).map { place in
      guard let map else { return Int32(place * stride - base) }
      let entry = Int(map.starts[place])
      return entry < Int(map.starts[place + 1]) ? Int32(Int(map.sources[entry]) * stride) : -1
    }
    for (place, source) in places.enumerated() {
      if let run = runs.last, run.continues(with: source) {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(Run(start: place, count: 1, source: source < 0 ? nil : Int(source)))
      }
    }
    // Each run is a call.
    if runs.count * 8 > length { runs = [] }
  }

  func copy(
    _ source: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer, bytes: Int, _ kernels: ElementKernels
  ) {
    let source = source + base * bytes
    if runs.isEmpty {
      kernels.table.gather(bytes, source, places, target, length)
      return
    }
    for run in runs {
      let to = target + run.start * bytes
      if let from = run.source {
        to.copyMemory(from: source + from * bytes, byteCount: run.count * bytes)
      } else {
        to.initializeMemory(as: UInt8.self, repeating: 0, count: run.count * bytes)
      }
    }
  }
}
