import Calls
import Tensors

// A block is a run of a plane's values in float64, in scratch memory that stays in the nearest cache. Kernels
// compute on blocks alone; only here do they meet dtypes and layouts. float64 holds every value of every dtype and
// the squares of all but its own, so the arithmetic in between needs no care for range.

/// How many values a block has, at most.
package let blockLength = 512

/// How far apart the blocks of neighbouring planes are in scratch memory. Not a power of two: blocks a multiple of
/// 4 KiB apart would fight for the same lines of the cache.
let blockPitch = blockLength + 8

/// How many planes a band has, at most: 16 maps of float32 are one cache line.
let bandWidth = 16

/// Planes whose values alternate in memory, and are therefore read together: one plane in NCHW, up to
/// ``bandWidth`` neighbouring maps in NHWC.
struct Band {
  /// (t, i) of the first plane, counted as t C + i.
  var firstPlane: Int
  /// i of the first plane.
  var firstMap: Int
  /// How many planes.
  var width: Int
  /// Where the first plane's first value is, in values from the tensor's start.
  var offset: Int
}

/// The bands of a tensor (N, C, spatial...).
struct Bands {
  let planes: Planes
  let count: Int
  /// How many a picture has.
  let perImage: Int

  init(_ planes: Planes) {
    self.planes = planes
    let maps = planes.maps
    perImage = planes.layout == .nchw ? maps : maps / bandWidth + (maps % bandWidth == 0 ? 0 : 1)
    count = planes.images == 0 || maps == 0 ? 0 : planes.images * perImage
  }

  subscript(index: Int) -> Band {
    let image = index / perImage
    let firstMap = index % perImage * (planes.layout == .nchw ? 1 : bandWidth)
    let firstPlane = image * planes.maps + firstMap
    return Band(
      firstPlane: firstPlane, firstMap: firstMap,
      width: planes.layout == .nchw ? 1 : min(bandWidth, planes.maps - firstMap),
      offset: planes.offset(ofPlane: firstPlane))
  }
}

/// Values in memory that blocks are read from and written to: `width` runs, whose neighbouring values are `stride`
/// apart and which start next to each other.
struct Run {
  let address: UnsafeMutableRawPointer
  let dtype: DType
  let offset: Int
  let stride: Int
  let width: Int

  init(_ address: UnsafeMutableRawPointer, _ dtype: DType, _ band: Band, stride: Int) {
    self.address = address
    self.dtype = dtype
    offset = band.offset
    self.stride = stride
    width = band.width
  }

  init(_ tensor: Tensor, _ band: Band, stride: Int) {
    self.init(tensor.storage.address, tensor.dtype, band, stride: stride)
  }

  /// Values that lie together.
  init(contiguous address: UnsafeMutableRawPointer, _ dtype: DType) {
    self.address = address
    self.dtype = dtype
    offset = 0
    stride = 1
    width = 1
  }

  /// Reads `count` values of each run, beginning with the `start`th. Run k's go to `block + k * blockPitch`.
  func load(_ start: Int, _ count: Int, into block: UnsafeMutablePointer<Double>) {
    switch dtype {
    case .float16: load(Float16.self, start, count, into: block)
    case .bfloat16: load(BFloat16.self, start, count, into: block)
    case .float32: load(Float.self, start, count, into: block)
    case .float64: load(Double.self, start, count, into: block)
    }
  }

  /// Writes what ``load(_:_:into:)`` would read, rounding once.
  func store(_ start: Int, _ count: Int, from block: UnsafePointer<Double>) {
    switch dtype {
    case .float16: store(Float16.self, start, count, from: block)
    case .bfloat16: store(BFloat16.self, start, count, from: block)
    case .float32: store(Float.self, start, count, from: block)
    case .float64: store(Double.self, start, count, from: block)
    }
  }

  @inline(__always)
  private func load<S: Scalar>(
    _ type: S.Type, _ start: Int, _ count: Int, into block: UnsafeMutablePointer<Double>
  ) {
    let values = UnsafePointer(address.assumingMemoryBound(to: S.self)) + offset + start * stride
    if stride == 1 {
      var index = 0
      while index < count {
        block[index] = values[index].double
        index += 1
      }
      return
    }
    forEachTile(count) { run, indices in
      for index in indices { block[run * blockPitch + index] = values[index * stride + run].double }
    }
  }

  @inline(__always)
  private func store<S: Scalar>(_ type: S.Type, _ start: Int, _ count: Int, from block: UnsafePointer<Double>) {
    let values = address.assumingMemoryBound(to: S.self) + offset + start * stride
    if stride == 1 {
      var index = 0
      while index < count {
        values[index] = S(block[index])
        index += 1
      }
      return
    }
    forEachTile(count) { run, indices in
      for index in indices { values[index * stride + run] = S(block[run * blockPitch + index]) }
    }
  }

  /// Goes over `count` values of each run in pieces short enough that the lines of cache, which the runs share, are
  /// still near when the next run comes.
  @inline(__always)
  private func forEachTile(_ count: Int, _ body: (_ run: Int, _ indices: Range<Int>) -> Void) {
    let length = 32
    var start = 0
    while start < count {
      let indices = start..<min(start + length, count)
      for run in 0..<width { body(run, indices) }
      start += length
    }
  }
}

/// Reduces `count` values of each of `width` runs to one `Piece` a run: blocks by `leaf`, then halves merged, a
/// tree whose shape depends on `count` alone.
///
/// - Parameters:
///   - results: receives the pieces. Has room for `width` pieces for each of ``reductionDepth(_:)`` levels of the tree.
///   - leaf: given the start and length of a block, writes `width` pieces.
package func reduce<Piece: Mergeable>(
  _ start: Int, _ count: Int, width: Int, into results: UnsafeMutablePointer<Piece>,
  leaf: (Int, Int, UnsafeMutablePointer<Piece>) -> Void
) {
  guard count > blockLength else {
    leaf(start, count, results)
    return
  }
  let blocks = (count + blockLength - 1) / blockLength
  let half = 1 << (Int.bitWidth - 1 - (blocks - 1).leadingZeroBitCount)
  let split = half * blockLength
  reduce(start, split, width: width, into: results, leaf: leaf)
  reduce(start + split, count - split, width: width, into: results + width, leaf: leaf)
  for run in 0..<width { results[run].merge(results[width + run]) }
}

/// How many levels ``reduce(_:_:width:into:leaf:)`` needs room for.
package func reductionDepth(_ count: Int) -> Int {
  Int.bitWidth - max(count / blockLength, 1).leadingZeroBitCount + 2
}
