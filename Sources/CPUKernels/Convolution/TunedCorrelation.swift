import CConvolutionKernels
import CNormKernels
import Calls
import Tensors

/// A correlation on the kernels: rows of the output are gone over by threads, each of which reads the rows of the input
/// that it needs once, or a few times where threads meet.
struct TunedCorrelation {
  let correlation: Correlation
  let reader: PictureReader
  let weights: PackedWeights
  let output: OutputRows
  let kernels: ConvolutionKernels
  let threads: Int
  /// Taken of each band where anyone asks; then results are float32 with the maps together.
  var statistics: BandStatistics?

  func run() throws(TensorError) {
    switch weights.method {
    case .direct: try runDirectly()
    case .winograd(let scheme): try runWinograd(scheme)
    case .byKernelRow: try runByKernelRow()
    case .unfolded: try runUnfolded()
    }
  }

  /// Values of a row of the output while it is made.
  var pitch: Int { correlation.groups * weights.pitch }
  /// Whether results are written where they belong at once.
  var writesInPlace: Bool { output.isPlain && pitch == correlation.outputMaps }

  func product(_ a: UnsafePointer<UnsafePointer<Float>>) -> convolution_product {
    convolution_product(
      a: a, a_row: 0, b: weights.panel(0), b_step: weights.width, segments: 1, inner: 0, rows: 0,
      vectors: weights.vectors,
      c: UnsafeMutablePointer(mutating: weights.panel(0)), c_row: 0, start: nil,
      start_row: 0, rectifies: correlation.activation != .none, slope: Float(correlation.activation.negativeSlope))
  }

  /// Rows of the output that a thread does at a time.
  private var bandRows: Int {
    if case .winograd = weights.method { return statisticsRows }
    return statistics == nil ? 1 : 4
  }

  /// Rows of the output whose statistics are taken together.
  private var statisticsRows: Int {
    guard case .winograd(let scheme) = weights.method else { return 4 }
    return WinogradTiles(correlation, scheme).bandRows * scheme.size
  }

  /// Of a picture.
  var bands: Int { (correlation.outputHeight + statisticsRows - 1) / statisticsRows }

  /// Goes over the output's rows, band by band.
  func forEachBand(
    roomByteCount: Int,
    _ body: (_ image: Int, _ rows: Range<Int>, _ room: UnsafeMutableRawPointer, _ isFirst: Bool) -> Void
  ) throws(TensorError) {
    let c = correlation
    let bandRows = bandRows
    let bands = (c.outputHeight + bandRows - 1) / bandRows
    let items = c.images * bands
    let work = max(c.work, items)
    let shares = ThreadedWork.shareCount(items: items, values: work, threads: threads)
    let statisticsAt = (roomByteCount + 63) / 64 * 64
    let scratch = try Scratch(shares: shares, bytesPerShare: statisticsAt + (statistics?.roomByteCount ?? 0))
    let address = scratch.address
    ThreadedWork.run(items: items, values: work, shares: shares) { share, items in
      let room = address.raw(share: share)
      var last = -1
      for item in items {
        let (image, band) = item.quotientAndRemainder(dividingBy: bands)
        let rows = band * bandRows..<min((band + 1) * bandRows, c.outputHeight)
        body(image, rows, room, image != last)
        last = image
        guard let statistics else { continue }
        let values = c.outputWidth * c.outputMaps
        statistics.take(
          image, band, output.row(image, rows.lowerBound), count: rows.count * c.outputWidth,
          readable: ((c.images - image) * c.outputHeight - rows.lowerBound) * values, room + statisticsAt)
      }
    }
  }
}

/// Pieces of memory one after another, each at a cache line's start.
struct RoomPlan {
  private(set) var byteCount = 0

  mutating func take(floats: Int) -> Int { take(bytes: floats * 4) }

  mutating func take(bytes: Int) -> Int {
    defer { byteCount += (bytes + 63) / 64 * 64 }
    return byteCount
  }
}

extension UnsafeMutableRawPointer {
  func floats(at offset: Int) -> UnsafeMutablePointer<Float> {
    (self + offset).assumingMemoryBound(to: Float.self)
  }
}

// MARK: - Directly

extension TunedCorrelation {
  private func runDirectly() throws(TensorError) {
    let c = correlation
    let (rowValues, span) = (c.readWidth * c.inputMaps, c.rowSpan)
    var plan = RoomPlan()
    let ringAt = plan.take(floats: span * rowValues + 16)
    let tagsAt = plan.take(bytes: span * 8)
    let segmentsAt = plan.take(bytes: c.segments * 8)
    let asideAt = plan.take(bytes: reader.asideByteCount)
    let resultAt = plan.take(floats: writesInPlace ? 0 : c.outputWidth * pitch)
    try forEachBand(roomByteCount: plan.byteCount) { image, rows, room, isFirst in
      let ring = room.floats(at: ringAt)
      // Which row is at each place of the ring.
      let tags = (room + tagsAt).assumingMemoryBound(to: Int.self)
      if isFirst { tags.update(repeating: -1, count: span) }
      let segments = (room + segmentsAt).assumingMemoryBound(to: UnsafePointer<Float>.self)
      for row in rows {
        for k in 0..<c.kernelHeight {
          let wanted = row * c.rowStride + k * c.rowDilation
          let place = wanted % span
          let pixels = ring + place * rowValues
          if tags[place] != wanted {
            reader.read(image: image, row: wanted, columns: 0..<c.readWidth, into: pixels, aside: room + asideAt)
            tags[place] = wanted
          }
          if c.joinsKernelRows {
            segments[k] = UnsafePointer(pixels)
          } else {
            for l in 0..<c.kernelWidth {
              segments[k * c.kernelWidth + l] = UnsafePointer(pixels + l * c.columnDilation * c.inputMaps)
            }
          }
        }
        let result = writesInPlace ? output.row(image, row) : room.floats(at: resultAt)
        multiply(segments, into: result)
        guard !writesInPlace else { continue }
        output.write(
          result, pitch: pitch, groups: c.groups, groupPitch: weights.pitch, image: image, row: row,
          columns: 0..<c.outputWidth)
      }
    }
  }

  /// A row of the output.
  private func multiply(
    _ segments: UnsafeMutablePointer<UnsafePointer<Float>>, into result: UnsafeMutablePointer<Float>
  ) {
    let c = correlation
    var product = product(segments)
    product.a_row = c.columnStride * c.inputMaps
    product.segments = c.segments
    product.inner = c.segmentLength
    product.rows = c.outputWidth
    product.c_row = writesInPlace ? output.pixelStep : pitch
    for group in 0..<c.groups {
      for panel in 0..<weights.panels {
        product.b = weights.panel(panel, group: group)
        product.start = weights.bias(group: group) + panel * weights.width
        product.c = result + group * weights.pitch + panel * weights.width
        kernels.table.multiply(&product)
      }
      guard group + 1 < c.groups else { break }
      for segment in 0..<c.segments { segments[segment] += c.inputMapsPerGroup }
    }
  }
}

// MARK: - By kernel row

extension TunedCorrelation {
  private func runByKernelRow() throws(TensorError) {
    let c = correlation
    let height = c.kernelHeight
    let pitch = weights.pitch
    var plan = RoomPlan()
    let pixelsAt = plan.take(floats: c.readWidth * c.inputMaps + 16)
    // One row of the kernel's results for each row of the picture that an output row needs. The last lanes that are read
    // may lie behind a row.
    let ringAt = plan.take(floats: height * c.outputWidth * pitch + 16)
    let tagsAt = plan.take(bytes: height * 8)
    let pointersAt = plan.take(bytes: height * 8)
    let asideAt = plan.take(bytes: reader.asideByteCount)
    let resultAt = plan.take(floats: c.outputWidth * c.outputMaps + 16)
    try forEachBand(roomByteCount: plan.byteCount) { image, outputRows, room, isFirst in
      let ring = room.floats(at: ringAt)
      (ring + height * c.outputWidth * pitch).update(repeating: 0, count: 16)
      let tags = (room + tagsAt).assumingMemoryBound(to: Int.self)
      if isFirst { tags.update(repeating: -1, count: height) }
      let rows = (room + pointersAt).assumingMemoryBound(to: UnsafePointer<Float>.self)
      for row in outputRows {
        for k in 0..<height {
          let place = (row + k) % height
          let results = ring + place * c.outputWidth * pitch
          rows[k] = UnsafePointer(results)
          guard tags[place] != row + k else { continue }
          let pixels = room.floats(at: pixelsAt)
          reader.read(image: image, row: row + k, columns: 0..<c.readWidth, into: pixels, aside: room + asideAt)
          multiply(pixels, into: results)
          tags[place] = row + k
        }
        let result = room.floats(at: resultAt)
        kernels.table.add_shifted(
          rows, height, pitch, c.outputMaps, weights.bias(), c.activation != .none,
          Float(c.activation.negativeSlope), c.outputWidth, result)
        output.write(
          result, pitch: c.outputMaps, groups: 1, groupPitch: 0, image: image, row: row, columns: 0..<c.outputWidth)
      }
    }
  }

  /// What all rows of the kernel make of a row of a picture.
  private func multiply(_ pixels: UnsafeMutablePointer<Float>, into results: UnsafeMutablePointer<Float>) {
    let c = correlation
    var segment = UnsafePointer(pixels)
    withUnsafePointer(to: &segment) { segments in
      var product = product(segments)
      product.rectifies = false
      product.a_row = c.inputMaps
      product.inner = c.kernelWidth * c.inputMaps
      product.rows = c.outputWidth
      product.c_row = weights.pitch
      for panel in 0..<weights.panels {
        product.b = weights.panel(panel)
        product.c = results + panel * weights.width
        kernels.table.multiply(&product)
      }
    }
  }
}
