import CElementKernels
import CNormKernels
import Calls
import Tensors

/// On the kernels, for factors of float32 and narrower.
///
/// The target is cut into blocks of rows and columns, and the inner axis into pieces. Of each piece, a block's rows and
/// columns are packed and multiplied, added up in float32; pieces are added up in float64. How an element is added up
/// depends on the inner extent, and where the inner axis is much longer than the others on all extents, never on
/// threads or blocks.
///
/// An element's error is at most 256 2^-24 of the sum of |first second|, and typically a sixteenth of that or less,
/// for however long an inner axis.
struct TunedMatrix {
  private let call: MatrixCall
  private let kernels: ElementKernels
  private let firstType: norm_type
  private let secondType: norm_type

  /// Of the inner axis.
  static let piece = 256

  init?(_ call: MatrixCall, _ kernels: ElementKernels?) {
    guard let kernels, let first = call.first.dtype.kernelType, let second = call.second.dtype.kernelType else {
      return nil
    }
    // The target's rows are written as they lie together.
    let flips = call.target.columnStride != 1 && call.target.rowStride == 1
    self.call = flips ? call.transposed : call
    self.kernels = kernels
    firstType = flips ? second : first
    secondType = flips ? first : second
  }

  /// How a call is cut up.
  fileprivate struct Plan {
    /// Of the target, in values: multiples of the kernels' tiles.
    var blockRows: Int
    var blockColumns: Int
    var rowBlocks: Int
    var columnBlocks: Int
    /// Of the inner axis, whose pieces come to sums of their own, added up at last.
    var segments: Int
    var segmentLength: Int

    init(_ call: MatrixCall, tileRows: Int, tileColumns: Int, threads: Int) {
      func roundedUp(_ value: Int, _ step: Int) -> Int { (value + step - 1) / step * step }
      // What is packed and the sums fit the second-level cache.
      blockRows = min(roundedUp(192, tileRows), roundedUp(call.rows, tileRows))
      blockColumns = min(roundedUp(256, tileColumns), roundedUp(call.columns, tileColumns))
      let pieces = (call.inner + TunedMatrix.piece - 1) / TunedMatrix.piece
      let isDeep = call.batch * call.rows * call.columns <= 256 * 256 && pieces >= 8
      segments = isDeep ? min(16, pieces / 4) : 1
      segmentLength = (pieces + segments - 1) / max(segments, 1) * TunedMatrix.piece
      segments = max(1, (call.inner + segmentLength - 1) / max(segmentLength, 1))
      rowBlocks = (call.rows + blockRows - 1) / blockRows
      columnBlocks = (call.columns + blockColumns - 1) / blockColumns
      // Smaller blocks where there would not be some for each thread.
      while threads > 1, items(call) < 2 * threads, blockRows > 2 * tileRows {
        blockRows = roundedUp(blockRows / 2, tileRows)
        rowBlocks = (call.rows + blockRows - 1) / blockRows
      }
    }

    func items(_ call: MatrixCall) -> Int { call.batch * segments * rowBlocks * columnBlocks }
  }

  func run(threads: Int) throws {
    let (tileRows, tileColumns) = (Int(kernels.table.tile_rows), Int(kernels.table.tile_columns))
    let plan = Plan(call, tileRows: tileRows, tileColumns: tileColumns, threads: threads)
    let items = plan.items(call)
    let work = call.batch * call.rows * call.columns * max(call.inner, 1) / 16
    let shares = ThreadedWork.shareCount(items: items, values: work, threads: threads)
    let depth = min(Self.piece, (call.inner + 15) / 16 * 16)
    let firstBytes = plan.blockRows * depth * 4
    let secondBytes = plan.blockColumns * depth * 4
    let sumBytes = plan.blockRows * plan.blockColumns * 8
    let scratch = try Scratch(shares: shares, bytesPerShare: firstBytes + secondBytes + sumBytes + 128)
    let address = scratch.address
    // (batch, segments, rows, columns).
    let partial = try Scratch(
      shares: 1, doublesPerShare: plan.segments == 1 ? 1 : call.batch * plan.segments * call.rows * call.columns)
    let partialSums = partial.address.doubles(share: 0)
    ThreadedWork.run(items: items, values: work, shares: shares) { share, items in
      let base = address.raw(share: share)
      let room = Room(
        first: base.assumingMemoryBound(to: Float.self),
        second: (base + (firstBytes + 63) / 64 * 64).assumingMemoryBound(to: Float.self),
        sums: (base + (firstBytes + 63) / 64 * 64 + (secondBytes + 63) / 64 * 64)
          .assumingMemoryBound(to: Double.self))
      for item in items {
        var block = Block(item, plan, call)
        multiply(block, room, step: plan.blockColumns, tileRows: tileRows, tileColumns: tileColumns)
        if plan.segments == 1 {
          finish(block, room.sums, step: plan.blockColumns)
        } else {
          block.batch = block.batch * plan.segments + block.segment
          for row in 0..<block.rows.count {
            (partialSums + (block.batch * call.rows + block.rows.lowerBound + row) * call.columns
              + block.columns.lowerBound)
              .update(from: room.sums + row * plan.blockColumns, count: block.columns.count)
          }
        }
      }
    }
    if plan.segments > 1 { addSegments(plan.segments, partialSums) }
  }

  private struct Room {
    let first: UnsafeMutablePointer<Float>
    let second: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Double>
  }

  /// A block of one matrix of the target, and the part of the inner axis that is added up.
  fileprivate struct Block {
    var batch: Int
    var segment: Int
    var rows: Range<Int>
    var columns: Range<Int>
    var inner: Range<Int>

    init(_ item: Int, _ plan: Plan, _ call: MatrixCall) {
      // Neighbours share the columns, which are the larger part that is packed.
      var rest = item
      let row = rest % plan.rowBlocks * plan.blockRows
      rest /= plan.rowBlocks
      let column = rest % plan.columnBlocks * plan.blockColumns
      rest /= plan.columnBlocks
      segment = rest % plan.segments
      batch = rest / plan.segments
      rows = row..<min(row + plan.blockRows, call.rows)
      columns = column..<min(column + plan.blockColumns, call.columns)
      inner = segment * plan.segmentLength..<min((segment + 1) * plan.segmentLength, call.inner)
    }
  }

  private func multiply(_ block: Block, _ room: Room, step: Int, tileRows: Int, tileColumns: Int) {
    let rowTiles = (block.rows.count + tileRows - 1) / tileRows
    let columnTiles = (block.columns.count + tileColumns - 1) / tileColumns
    if block.inner.isEmpty {
      room.sums.update(repeating: 0, count: rowTiles * tileRows * step)
      return
    }
    for start in stride(from: block.inner.lowerBound, to: block.inner.upperBound, by: Self.piece) {
      let count = min(Self.piece, block.inner.upperBound - start)
      let first = call.first
      kernels.table.pack(
        firstType, first.at(block.batch, block.rows.lowerBound, start), first.rowStride, first.columnStride,
        block.rows.count, count, tileRows, room.first)
      let second = call.second
      kernels.table.pack(
        secondType, second.at(block.batch, start, block.columns.lowerBound), second.columnStride, second.rowStride,
        block.columns.count, count, tileColumns, room.second)
      kernels.table.multiply_panels(
        room.first, room.second, count, rowTiles, columnTiles, room.sums, step, start > block.inner.lowerBound)
    }
  }

  /// Writes a block of the target.
  private func finish(_ block: Block, _ sums: UnsafePointer<Double>, step: Int) {
    let target = call.target
    for row in 0..<block.rows.count {
      let from = sums + row * step
      let to = target.at(block.batch, block.rows.lowerBound + row, block.columns.lowerBound)
      if let type = target.dtype.kernelType, target.columnStride == 1 {
        kernels.table.combine_wide(type, call.alpha, from, call.beta, to, block.columns.count)
      } else {
        let values = Values(to, target.dtype)
        for column in 0..<block.columns.count {
          let old = call.beta == 0 ? 0 : call.beta * values[column * target.columnStride]
          values[column * target.columnStride] = call.alpha * from[column] + old
        }
      }
    }
  }

  /// Adds up what the segments came to, in their order, and writes the target.
  private func addSegments(_ segments: Int, _ sums: UnsafeMutablePointer<Double>) {
    let count = call.rows * call.columns
    for batch in 0..<call.batch {
      let total = sums + batch * segments * count
      for segment in 1..<segments {
        let more = total + segment * count
        for index in 0..<count { total[index] += more[index] }
      }
      var block = Block(all: call)
      block.batch = batch
      finish(block, total, step: call.columns)
    }
  }
}

extension TunedMatrix.Block {
  fileprivate init(all call: MatrixCall) {
    batch = 0
    segment = 0
    rows = 0..<call.rows
    columns = 0..<call.columns
    inner = 0..<call.inner
  }
}

extension MatrixView {
  fileprivate func at(_ batch: Int, _ row: Int, _ column: Int) -> UnsafeMutableRawPointer {
    address + (batch * batchStride + row * rowStride + column * columnStride) * dtype.byteCount
  }
}
