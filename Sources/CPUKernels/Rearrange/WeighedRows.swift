import CElementKernels
import CNormKernels
import Calls
import Tensors

/// Weighted sums of rows that lie together, in float32, and of places along them where the innermost axis has a map.
struct WeighedRows {
  private let call: RearrangeCall
  private let kernels: ElementKernels
  private let from: norm_type
  private let to: norm_type
  private let loops: Loops
  private let map: AxisMap?

  init?(_ call: RearrangeCall, _ kernels: ElementKernels) {
    guard let from = call.input.dtype.kernelType, let to = call.output.dtype.kernelType else { return nil }
    let loops = call.loops
    let last = loops.last
    guard loops.output[last] == 1, loops.first[last] == 1 else { return nil }
    self.call = call
    self.kernels = kernels
    self.from = from
    self.to = to
    self.loops = loops
    map = call.maps[loops.origins[last]]
  }

  func run(threads: Int) throws {
    if let map {
      try runRows(map, threads: threads)
    } else if loops.last > 0 {
      try runPixels(threads: threads)
    }
  }

  private func target(_ place: Axes) -> UnsafeMutableRawPointer {
    call.output.address + loops.output.offset(of: place) * call.output.dtype.byteCount
  }

  // MARK: Pixels

  /// The innermost axis as it is: a pixel's channels. A row of pixels goes in one call.
  private func runPixels(threads: Int) throws {
    let last = loops.last
    let pixels = loops.extents[last - 1]
    let rows = loops.rows / pixels
    let values = loops.extents.product
    let shares = ThreadedWork.shareCount(items: rows, values: values, threads: threads)
    let maps = FlatMaps(call, loops, dropping: 1)
    let most = maps.most(last - 1)
    let scratch = try Scratch(shares: shares, bytesPerShare: Terms.bytes(most))
    let address = scratch.address
    maps.withPointers { maps in
      ThreadedWork.run(items: rows, values: values, shares: shares) { share, items in
        let terms = Terms(address.raw(share: share), most)
        var place = loops.extents.place(items.lowerBound, dropping: 2)
        for _ in items {
          var all = element_terms(
            addresses: terms.addresses, row_weights: terms.weights,
            rows: terms.set(maps, place, last - 1, call.input), starts: maps.starts(of: last - 1),
            offsets: maps.offsets, weights: maps.weights)
          kernels.table.weigh_pixels(
            from, to, &all, target(place), loops.output[last - 1], pixels, loops.extents[last])
          loops.extents.advance(&place, dropping: 2)
        }
      }
    }
  }

  // MARK: Rows

  /// Rows of the input come to one of float32, and its places to those of the output's row.
  private func runRows(_ map: AxisMap, threads: Int) throws {
    let last = loops.last
    let (length, inputLength) = (loops.extents[last], map.inputExtent)
    let (rows, values) = (loops.rows, loops.rows * max(length, inputLength))
    let weights = map.weights?.map(Float.init) ?? Array(repeating: 1, count: map.sources.count)
    let shares = ThreadedWork.shareCount(items: rows, values: values, threads: threads)
    let maps = FlatMaps(call, loops, dropping: 1)
    let most = maps.most(last)
    let rowBytes = (inputLength * 4 + 63) / 64 * 64
    let scratch = try Scratch(shares: shares, bytesPerShare: rowBytes + Terms.bytes(most))
    let address = scratch.address
    maps.withPointers { maps in
      ThreadedWork.run(items: rows, values: values, shares: shares) { share, items in
        let row = address.raw(share: share).assumingMemoryBound(to: Float.self)
        let terms = Terms(address.raw(share: share) + rowBytes, most)
        var place = loops.extents.place(items.lowerBound, dropping: 1)
        for _ in items {
          let count = terms.set(maps, place, last, call.input)
          kernels.table.weigh_rows(from, terms.addresses, terms.weights, count, .float32, row, inputLength)
          kernels.table.weigh_places(row, map.starts, map.sources, weights, to, target(place), length)
          loops.extents.advance(&place, dropping: 1)
        }
      }
    }
  }
}

/// Room for the rows that a row is made of.
private struct Terms {
  let addresses: UnsafeMutablePointer<UnsafeRawPointer>
  let weights: UnsafeMutablePointer<Float>
  private let offsets: UnsafeMutablePointer<Int>

  static func bytes(_ most: Int) -> Int { most * 24 }

  init(_ memory: UnsafeMutableRawPointer, _ most: Int) {
    addresses = memory.assumingMemoryBound(to: UnsafeRawPointer.self)
    offsets = (memory + most * 8).assumingMemoryBound(to: Int.self)
    weights = (memory + most * 16).assumingMemoryBound(to: Float.self)
  }

  /// - Returns: how many there are of a place of the first `axes` axes.
  func set(_ maps: FlatMaps.Pointers, _ place: Axes, _ axes: Int, _ input: View) -> Int {
    let count = maps.all(place, axes, offsets: offsets, weights: weights)
    for term in 0..<count {
      addresses[term] = UnsafeRawPointer(input.address + offsets[term] * input.dtype.byteCount)
    }
    return count
  }
}
