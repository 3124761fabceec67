import CConvolutionKernels
import Calls
import Tensors

extension TunedCorrelation {
  /// How many pixels' operands are put together, about, and how many values at most.
  private static let mostPixels = 96
  private static let mostValues = 1 << 19

  /// Some rows of the output at a time, of any pictures: their operands are put together by threads that divide rows, and
  /// multiplied by threads that divide the weights.
  func runUnfolded() throws(TensorError) {
    let c = correlation
    let inner = c.kernelHeight * c.segmentLength * (c.joinsKernelRows ? 1 : c.kernelWidth)
    let rowCount = c.images * c.outputHeight
    let pixels = max(1, min(Self.mostPixels, Self.mostValues / inner))
    let blockRows = max(1, min(rowCount, pixels / c.outputWidth))
    var plan = RoomPlan()
    let operandsAt = plan.take(floats: blockRows * c.outputWidth * inner)
    let resultsAt = plan.take(floats: blockRows * c.outputWidth * pitch)
    let room = try Scratch(shares: 1, bytesPerShare: plan.byteCount)
    let operands = room.address.raw(share: 0).floats(at: operandsAt)
    let results = room.address.raw(share: 0).floats(at: resultsAt)
    var sharePlan = RoomPlan()
    let pixelsAt = sharePlan.take(floats: c.readWidth * c.inputMaps + 16)
    let asideAt = sharePlan.take(bytes: reader.asideByteCount)
    let statisticsAt = sharePlan.take(bytes: statistics?.roomByteCount ?? 0)
    let most = ThreadedWork.shareCount(
      items: max(blockRows, weights.panels), values: max(c.work, 1), threads: threads)
    let scratch = try Scratch(shares: most, bytesPerShare: sharePlan.byteCount)
    let address = scratch.address
    for first in stride(from: 0, to: rowCount, by: blockRows) {
      let rows = first..<min(first + blockRows, rowCount)
      let work = max(c.work * rows.count / rowCount, 1)
      ThreadedWork.run(
        items: rows.count, values: work, shares: min(most, rows.count)
      ) { share, items in
        let base = address.raw(share: share)
        for item in items {
          reader.unfold(
            c, row: first + item, into: operands + item * c.outputWidth * inner, pitch: inner,
            pixels: base.floats(at: pixelsAt), aside: base + asideAt)
        }
      }
      let shares = ThreadedWork.shareCount(items: weights.panels, values: work, threads: min(threads, most))
      ThreadedWork.run(items: weights.panels, values: work, shares: shares) { _, panels in
        for panel in panels { multiply(operands, inner, rows.count * c.outputWidth, panel, into: results) }
      }
      for row in rows {
        let (image, line) = row.quotientAndRemainder(dividingBy: c.outputHeight)
        output.write(
          results + (row - first) * c.outputWidth * pitch, pitch: pitch, groups: 1, groupPitch: 0, image: image,
          row: line, columns: 0..<c.outputWidth)
      }
    }
    takeStatistics(address.raw(share: 0) + statisticsAt)
  }

  private func multiply(
    _ operands: UnsafePointer<Float>, _ inner: Int, _ rows: Int, _ panel: Int,
    into results: UnsafeMutablePointer<Float>
  ) {
    var segment = operands
    withUnsafePointer(to: &segment) { segments in
      var product = product(segments)
      product.a_row = inner
      product.inner = inner
      product.rows = rows
      product.b = weights.panel(panel)
      product.start = weights.bias() + panel * weights.width
      product.c = results + panel * weights.width
      product.c_row = pitch
      kernels.table.multiply(&product)
    }
  }

  private func takeStatistics(_ room: UnsafeMutableRawPointer) {
    guard let statistics else { return }
    let c = correlation
    for image in 0..<c.images {
      for band in 0..<bands {
        let rows = band * 4..<min(band * 4 + 4, c.outputHeight)
        statistics.take(
          image, band, output.row(image, rows.lowerBound), count: rows.count * c.outputWidth,
          readable: ((c.images - image) * c.outputHeight - rows.lowerBound) * c.outputWidth * c.outputMaps, room)
      }
    }
  }
}

extension PictureReader {
  /// What each pixel of a row of the output reads, in the order (k, l, c).
  ///
  /// - Parameters:
  ///   - row: of the output, counted through all pictures.
  ///   - pitch: values from pixel to pixel of the target.
  ///   - pixels: room for a row that is read.
  func unfold(
    _ c: Correlation, row: Int, into target: UnsafeMutablePointer<Float>, pitch: Int,
    pixels: UnsafeMutablePointer<Float>, aside: UnsafeMutableRawPointer
  ) {
    let (image, line) = row.quotientAndRemainder(dividingBy: c.outputHeight)
    let runs = c.joinsKernelRows ? 1 : c.kernelWidth
    let length = c.segmentLength
    for k in 0..<c.kernelHeight {
      read(
        image: image, row: line * c.rowStride + k * c.rowDilation, columns: 0..<c.readWidth, into: pixels, aside: aside)
      for pixel in 0..<c.outputWidth {
        for run in 0..<runs {
          let from = pixels + (pixel * c.columnStride + run * c.columnDilation) * c.inputMaps
          (target + pixel * pitch + (k * runs + run) * length).update(from: from, count: length)
        }
      }
    }
  }
}
