import CConvolutionKernels
import Calls
import Tensors

// Winograd's algorithm, tiles at a time: what these come to, transformed, and its products with the weights stay in the
// second-level cache, and weights come by once for all of them.

extension TunedCorrelation {
  func runWinograd(_ scheme: WinogradScheme) throws(TensorError) {
    let c = correlation
    let tiles = WinogradTiles(c, scheme)
    let size = scheme.size
    let room = WinogradRoom(c, tiles, pitch: pitch, reader)
    // The last tiles may reach over the edges.
    let isWhole = c.outputWidth % size == 0 && c.outputHeight % size == 0
    let inPlace = writesInPlace && isWhole
    try forEachBand(roomByteCount: room.byteCount) { image, band, base, _ in
      let rows = band.lowerBound / size..<(band.upperBound + size - 1) / size
      for first in stride(from: 0, to: tiles.columns, by: tiles.blockColumns) {
        let columns = first..<min(first + tiles.blockColumns, tiles.columns)
        transform(scheme, image, rows, columns, base, room)
        multiply(scheme, rows.count * columns.count, base, room)
        for (index, row) in rows.enumerated() {
          let products = base.floats(at: room.productsAt) + index * columns.count * weights.pitch
          if inPlace {
            let to = output.row(image, size * row) + size * columns.lowerBound * output.pixelStep
            transformBack(scheme, products, columns.count, row: output.rowStep, pixel: output.pixelStep, to, room)
          } else {
            let result = base.floats(at: room.resultAt)
            let width = size * columns.count
            transformBack(scheme, products, columns.count, row: width * pitch, pixel: pitch, result, room)
            let first = size * columns.lowerBound
            for line in 0..<min(size, c.outputHeight - size * row) {
              output.write(
                result + line * width * pitch, pitch: pitch, groups: 1, groupPitch: 0, image: image,
                row: size * row + line, columns: first..<min(first + width, c.outputWidth))
            }
          }
        }
      }
    }
  }

  /// Reads a block's pixels and transforms them: (36, tiles, C); with a stride, C are the maps of all of a step's pixels.
  private func transform(
    _ scheme: WinogradScheme, _ image: Int, _ rows: Range<Int>, _ columns: Range<Int>, _ base: UnsafeMutableRawPointer,
    _ room: WinogradRoom
  ) {
    let c = correlation
    let (stride, maps) = (scheme.stride, scheme.maps)
    let pixels = base.floats(at: room.pixelsAt)
    let step = stride * scheme.size
    let width = scheme.readCount(columns.count)
    let rowValues = width * c.inputMaps
    let first = step * columns.lowerBound
    let readable = min(width, c.readWidth - first)
    for (index, row) in rows.enumerated() {
      for line in 0..<scheme.readCount(1) {
        let to = pixels + line * rowValues
        // Beyond the last row and column, pixels have no bearing on what is kept.
        guard step * row + line < c.readHeight else {
          to.update(repeating: 0, count: rowValues)
          continue
        }
        if line < scheme.readCount(1) - step, index > 0 {
          // The row of tiles before had it.
          to.update(from: to + step * rowValues, count: rowValues)
          continue
        }
        reader.read(
          image: image, row: step * row + line, columns: first..<first + readable, into: to, aside: base + room.asideAt)
        (to + readable * c.inputMaps).update(repeating: 0, count: (width - readable) * c.inputMaps)
      }
      var form = scheme.inputTiles(columns.count, rowValues: rowValues, frequency: room.inputFrequency)
      for part in 0..<stride {
        kernels.table.winograd_input(
          &form, pixels + part * rowValues,
          base.floats(at: room.transformedAt) + index * columns.count * maps + part * stride * c.inputMaps)
      }
    }
  }

  /// For each of 36 frequencies, tiles times weights: (36, tiles, O).
  private func multiply(
    _ scheme: WinogradScheme, _ tiles: Int, _ base: UnsafeMutableRawPointer, _ room: WinogradRoom
  ) {
    var segment = UnsafePointer(base.floats(at: room.transformedAt))
    let products = base.floats(at: room.productsAt)
    for frequency in 0..<36 {
      withUnsafePointer(to: &segment) { segments in
        var product = product(segments)
        product.rectifies = false
        product.a_row = scheme.maps
        product.inner = scheme.maps
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
    _ scheme: WinogradScheme, _ products: UnsafePointer<Float>, _ tiles: Int, row: Int, pixel: Int,
    _ pixels: UnsafeMutablePointer<Float>, _ room: WinogradRoom
  ) {
    var form = convolution_tiles(
      tiles: tiles, vectors: pitch / 16, size: scheme.size, row: row, pixel: pixel, tile: pitch,
      frequency: room.productFrequency)
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

  init(_ c: Correlation, _ tiles: WinogradTiles, pitch: Int, _ reader: PictureReader) {
    func odd(_ values: Int) -> Int { (values + 15) / 16 * 16 + ((values + 15) / 16 % 2 == 0 ? 16 : 0) }
    let scheme = tiles.scheme
    inputFrequency = odd(tiles.count * scheme.maps)
    productFrequency = odd(tiles.count * pitch)
    var plan = RoomPlan()
    pixelsAt = plan.take(floats: scheme.readCount(1) * scheme.readCount(tiles.blockColumns) * c.inputMaps)
    transformedAt = plan.take(floats: 36 * inputFrequency)
    productsAt = plan.take(floats: 36 * productFrequency)
    resultAt = plan.take(floats: scheme.size * scheme.size * tiles.blockColumns * pitch)
    asideAt = plan.take(bytes: reader.asideByteCount)
    byteCount = plan.byteCount
  }
}
