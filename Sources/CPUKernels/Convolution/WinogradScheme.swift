import CConvolutionKernels

/// A convolution as Winograd's algorithm takes it: F(5x5, 2x2), F(4x4, 3x3) or F(3x3, 4x4), which all have tiles of 6x6
/// pixels and thus 36 products in place of 100, 144 and 144.
///
/// One with a stride is one without over more maps: those of all the pixels of a step, rows first.
struct WinogradScheme: Equatable {
  /// Rows and columns of the kernel; with a stride, of what each pixel of a step has of it.
  let kernel: Int
  /// Of rows and of columns.
  let stride: Int
  /// That are multiplied: of all the pixels of a step.
  let maps: Int

  /// Rows and columns of the output that a tile has.
  var size: Int { 7 - kernel }

  /// nil for what it does not do.
  init?(_ c: Correlation) {
    stride = c.rowStride
    (kernel, maps) = (c.kernelHeight / stride, c.inputMaps * stride * stride)
    guard
      c.groups == 1, c.columnStride == stride, c.rowDilation == 1, c.columnDilation == 1, c.inputMaps % 16 == 0,
      c.outputMaps >= 16, c.kernelHeight == c.kernelWidth, c.kernelHeight % stride == 0, (2...4).contains(kernel)
    else { return nil }
  }

  /// Rows or columns that so many tiles in a row read.
  func readCount(_ tiles: Int) -> Int { stride * (tiles * size + kernel - 1) }

  /// The tiles of a row, of the pixels of one row of a step.
  func inputTiles(_ count: Int, rowValues: Int, frequency: Int) -> convolution_tiles {
    let inputMaps = maps / (stride * stride)
    return convolution_tiles(
      tiles: count, vectors: stride * inputMaps / 16, size: size, row: stride * rowValues, pixel: stride * inputMaps,
      tile: maps, frequency: frequency)
  }

  /// Whether it is the method for a correlation. Of 3x3 places it nearly always is.
  func isMeant(for c: Correlation) -> Bool {
    kernel == 3 && stride == 1 ? c.outputHeight * c.outputWidth >= 16 : savesTime(for: c)
  }

  /// Whether it takes less time than product by product with weights as they are; their transform costs some tiles'
  /// products. By a picture's extents alone, so that what surrounds it in a batch does not choose.
  func savesTime(for c: Correlation) -> Bool {
    let tiles = (c.outputHeight + size - 1) / size * ((c.outputWidth + size - 1) / size)
    return 42 * (tiles + 24) <= kernel * kernel * c.outputHeight * c.outputWidth
  }
}

/// How an output is cut into tiles, and these into blocks that are worked on together.
struct WinogradTiles {
  let scheme: WinogradScheme
  /// Of a picture.
  let rows: Int
  let columns: Int
  /// Of a band: rows of tiles that a thread does at a time.
  let bandRows: Int
  /// Of a block: tiles of each of a band's rows.
  let blockColumns: Int

  /// Tiles in a block: enough that reading the weights does not count, few enough for the cache.
  private static let most = 32

  init(_ c: Correlation, _ scheme: WinogradScheme) {
    self.scheme = scheme
    rows = (c.outputHeight + scheme.size - 1) / scheme.size
    columns = (c.outputWidth + scheme.size - 1) / scheme.size
    let parts = (columns + Self.most - 1) / Self.most
    blockColumns = (columns + parts - 1) / parts
    bandRows = max(1, min(Self.most / blockColumns, (rows + 1) / 2))
  }

  /// Of a block, at most.
  var count: Int { bandRows * blockColumns }
}
