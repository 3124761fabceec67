import CConvolutionKernels
import Calls
import Tensors

// Winograd's F(4x4, 3x3), tiles at a time: what these come to, transformed, and its products with the weights stay in the
// second-level cache, and weights come by once for all of them.

/// How an output is cut into tiles of 4x4 pixels, and these into blocks that are worked on together.
struct WinogradTiles {
  /// Of a picture.
  let rows: Int
  let columns: Int
  /// Of a band: rows of tiles that a thread does at a time.
  let bandRows: Int
  /// Of a block: tiles of each of a band's rows.
  let blockColumns: Int

  /// Tiles in a block: enough that reading the weights does not count, few enough for the cache.
  private static let most = 32

  init(_ c: Correlation) {
    rows = (c.outputHeight + 3) / 4
    columns = (c.outputWidth + 3) / 4
    let parts = (columns + Self.most - 1) / Self.most
    blockColumns = (columns + parts - 1) / parts
    bandRows = max(1, min(Self.most / blockColumns, (rows + 1) / 2))
  }

  /// Of a block, at most.
  var count: Int { bandRows * blockColumns }
}

extension TunedCorrelation {
  func runWinograd() throws(TensorError) {
    let c = correlation
    let tiles = WinogradTiles(c)
    let room = WinogradRoom(c, tiles.count, tiles.bandRows, tiles.blockColumns, pitch: pitch, reader)
    // The last tiles may reach over the edges.
    let isWhole = c.outputWidth % 4 == 0 && c.outputHeight % 4 == 0
    let inPlace = writesInPlace && isWhole
    try forEachBand(roomByteCount: room.byteCount) { image, band, base, _ in
      let rows = band.lowerBound / 4..<(band.upperBound + 3) / 4
      for first in stride(from: 0, to: tiles.columns, by: tiles.blockColumns) {
        let columns = first..<min(first + tiles.blockColumns, tiles.columns)
        transform(image, rows, columns, base, room)
        multiply(rows.count * columns.count, base, room)
        for (index, row) in rows.enumerated() {
          let products = base.floats(at: room.productsAt) + index * columns.count * weights.pitch
          if inPlace {
            let to = output.row(image, 4 * row) + 4 * columns.lowerBound * output.pixelStep
            transformBack(products, columns.count, row: output.rowStep, pixel: output.pixelStep, to, room)
          } else {
            let result = base.floats(at: room.resultAt)
            let width = 4 * columns.count
            transformBack(products, columns.count, row: width * pitch, pixel: pitch, result, room)
            let first = 4 * columns.lowerBound
            for line in 0..<min(4, c.outputHeight - 4 * row) {
              output.write(
                result + line * width * pitch, pitch: pitch, groups: 1, groupPitch: 0, image: image,
                row: 4 * row + line, columns: first..<min(first + width, c.outputWidth))
            }
          }
        }
      }
    }
  }

  /// Reads a block's pixels and transforms them: (36, tiles, C).
  private func transform(
    _ image: Int, _ rows: Range<Int>, _ columns: Range<Int>, _ base: UnsafeMutableRawPointer, _ room: WinogradRoom
  ) {
    let c = correlation
    let pixels = base.floats(at: room.pixelsAt)
    let width = 4 * columns.count + 2
    let first = 4 * columns.lowerBound
    let readable = min(width, c.readWidth - first)
    for (index, row) in rows.enumerated() {
      for line in 0..<6 {
        let to = pixels + line * width * c.inputMaps
        // Beyond the last row and column, pixels have no bearing on what is kept.
        guard 4 * row + line < c.readHeight else {
          to.update(repeating: 0, count: width * c.inputMaps)
          continue
        }
        if line < 2, index > 0 {
          // The row of tiles before had it.
          to.update(from: pixels + (line + 4) * width * c.inputMaps, count: width * c.inputMaps)
          continue
        }
        reader.read(
          image: image, row: 4 * row + line, columns: first..<first + readable, into: to, aside: base + room.asideAt)
        (to + readable * c.inputMaps).update(repeating: 0, count: (width - readable) * c.inputMaps)
      }
      var form = convolution_tiles(
        tiles: columns.count, vectors: c.inputMaps / 16, row: width * c.inputMaps, pixel: c.inputMaps,
        tile: c.inputMaps, frequency: room.inputFrequency)
      kernels.table.winograd_input(
        &form, pixels, base.floats(at: room.transformedAt) + index * columns.count * c.inputMaps)
    }
  }

  /// For each of 36 frequencies, tiles times weights: (36, tiles, O).
  private func multiply(_ tiles: Int, _ base: UnsafeMutableRawPointer, _ room: WinogradRoom) {
    var segment = UnsafePointer(base.floats(at: room.transformedAt))
    let products = base.floats(at: room.productsAt)
    for frequency in 0..<36 {
      withUnsafePointer(to: &segment) { segments in
        var product = product(segments)
        product.rectifies = false
        product.a_row = correlation.inputMaps
        product.inner = correlation.inputMaps
        product.rows = tiles
        product.c_row = weights.pitch
        for panel in 0..<weights.panels {
          product.b = weights.panel(panel, frequency: frequency)
          product.c = products + frequency * room.productFrequency + panel * weights.width
          kernels.table.multiply(&product)
        }
      }
      segment += room.inputFrequency
    }
  }

  private func transformBack(
    _ products: UnsafePointer<Float>, _ tiles: Int, row: Int, pixel: Int, _ pixels: UnsafeMutablePointer<Float>,
    _ room: WinogradRoom
  ) {
    var form = convolution_tiles(
      tiles: tiles, vectors: pitch / 16, row: row, pixel: pixel, tile: pitch, frequency: room.productFrequency)
    kernels.table.winograd_output(
      &form, products, weights.bias(), correlation.activation != .none,
      Float(correlation.activation.negativeSlope), pixels)
  }
}

/// What a thread works in.
private struct WinogradRoom {
  let pixelsAt: Int
  let transformedAt: Int
  let productsAt: Int
  let resultAt: Int
  let asideAt: Int
  let byteCount: Int
  /// From frequency to frequency; an odd number of cache lines, so that frequencies do not all fall on the same ones of
  /// a cache's sets.
  let inputFrequency: Int
  let productFrequency: Int

  init(_ c: Correlation, _ tiles: Int, _ bandRows: Int, _ blockColumns: Int, pitch: Int, _ reader: PictureReader) {
    func odd(_ values: Int) -> Int { (values + 15) / 16 * 16 + ((values + 15) / 16 % 2 == 0 ? 16 : 0) }
    inputFrequency = odd(tiles * c.inputMaps)
    productFrequency = odd(tiles * pitch)
    var plan = RoomPlan()
    pixelsAt = plan.take(floats: 6 * (4 * blockColumns + 2) * c.inputMaps)
    transformedAt = plan.take(floats: 36 * inputFrequency)
    productsAt = plan.take(floats: 36 * productFrequency)
    resultAt = plan.take(floats: 16 * blockColumns * pitch)
    asideAt = plan.take(bytes: reader.asideByteCount)
    byteCount = plan.byteCount
  }
}
