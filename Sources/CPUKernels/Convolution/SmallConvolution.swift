import CConvolutionKernels
import Calls
import Tensors

/// A convolution of few pixels with many weights, whose time is that of reading or writing weights: each comes by once,
/// where it lies.
///
/// With X the p x K values that the p pixels of the output read, in the order of a map's K weights, and W the O x K
/// weights: forward, y = X W^T; by data, dy W is added up to dx; by weights, dW = dy^T X. Threads divide maps or K, and
/// never a sum.
struct SmallConvolution {
  private(set) var call: ConvolutionCall
  private(set) var form: ConvolutionForm
  let kernels: ConvolutionKernels
  let elementKernels: ElementKernels
  let threads: Int
  /// p, of all pictures.
  var pixels: Int { correlation.images * correlation.outputHeight * correlation.outputWidth }
  var correlation: Correlation { form.correlation }
  /// K.
  let length: Int
  /// From a pixel's values to the next pixel's: an odd number of cache lines, so that they do not get in each other's
  /// way there.
  let pitch: Int
  private let weights: UnsafeMutablePointer<Float>

  // Up to where it is faster than the other methods; of a picture, so that what surrounds it in a batch does not choose.
  private static let mostPixels = 256
  private static let mostGradientPixels = 512
  private static let leastWeights = 1 << 16
  /// Of a row of weights, what is multiplied at a time.
  private static let block = 512
  /// Values of X that stay in the second-level cache while all weights that they go with come by.
  private static let cachedValues = 1 << 17

  /// nil for what it does not do.
  init?(_ call: ConvolutionCall, _ kernels: ConvolutionKernels, _ elementKernels: ElementKernels, threads: Int) {
    form = .forward(call)
    let c = form.correlation
    let pixels = c.outputHeight * c.outputWidth * (call.direction == .byWeights ? c.images : 1)
    length = c.kernelHeight * c.kernelWidth * c.inputMaps
    let most = call.direction == .forward ? Self.mostPixels : Self.mostGradientPixels
    guard c.groups == 1, call.w.dtype == .float32, 1...most ~= pixels, length % 16 == 0,
      length * c.outputMaps >= Self.leastWeights, WinogradScheme(c)?.savesTime(for: c) != true
    else { return nil }
    self.call = call
    self.kernels = kernels
    self.elementKernels = elementKernels
    self.threads = threads
    pitch = length + (length / 16 % 2 == 0 ? 16 : 0)
    weights = call.w.address.assumingMemoryBound(to: Float.self)
  }

  func run() throws(TensorError) {
    guard call.direction != .byWeights else { return try byWeights() }
    let images = correlation.images
    let most = max(1, Self.mostGradientPixels / (correlation.outputHeight * correlation.outputWidth))
    for first in stride(from: 0, to: images, by: most) {
      let some = pictures(first..<min(first + most, images))
      if call.direction == .forward { try some.forward() } else { try some.byData() }
    }
  }

  /// Some pictures' part of it.
  private func pictures(_ range: Range<Int>) -> SmallConvolution {
    let g = call.geometry
    var some = self
    some.call.geometry.images = range.count
    some.call.x.address += range.lowerBound * g.inputMaps * g.inputHeight * g.inputWidth * call.x.dtype.byteCount
    some.call.y.address += range.lowerBound * g.outputMaps * g.outputHeight * g.outputWidth * call.y.dtype.byteCount
    some.form = .forward(some.call)
    return some
  }

  private func forward() throws(TensorError) {
    let maps = correlation.outputMaps
    let scratch = try Scratch(shares: 1, bytesPerShare: (pixels * pitch + pixels * maps) * 4)
    let unfolded = scratch.address.raw(share: 0).floats(at: 0)
    let results = unfolded + pixels * pitch
    try unfold(into: unfolded)
    for pixel in 0..<pixels {
      if let bias = call.bias {
        (results + pixel * maps).update(from: bias.assumingMemoryBound(to: Float.self), count: maps)
      } else {
        (results + pixel * maps).update(repeating: 0, count: maps)
      }
    }
    let items = (maps + 3) / 4
    divide(items) { items in
      let first = 4 * items.lowerBound
      for start in stride(from: 0, to: length, by: Self.block) {
        var dots = convolution_dots(
          a: weights + first * length + start, b: unfolded + start, a_row: length, b_row: pitch,
          inner: min(Self.block, length - start), rows: min(4 * items.upperBound, maps) - first, columns: pixels,
          c: results + first, c_row: maps)
        kernels.table.dot(&dots)
      }
    }
    write(results, call.y, maps: maps, height: correlation.outputHeight, width: correlation.outputWidth)
  }

  private func byData() throws(TensorError) {
    let c = correlation
    let maps = c.outputMaps
    let vectors = kernels.table.panel_vectors(length)
    let width = 16 * vectors
    let scratch = try Scratch(shares: 1, bytesPerShare: (pixels * pitch + pixels * maps) * 4)
    let columns = scratch.address.raw(share: 0).floats(at: 0)
    let gradients = columns + pixels * pitch
    try readGradients(into: gradients)
    // Rows of weights that are read side by side: as many as the caches' ways, or more where there is much to do with
    // each.
    let rowsAtOnce = pixels <= 24 ? 8 : 32
    divide(length / width) { panels in
      for map in stride(from: 0, to: maps, by: rowsAtOnce) {
        for panel in panels {
          multiply(
            gradients + map, maps, weights + map * length + panel * width, length,
            inner: min(rowsAtOnce, maps - map), rows: 0..<pixels, vectors, into: columns + panel * width, pitch,
            adds: map > 0)
        }
      }
    }
    try fold(columns)
  }

  private func byWeights() throws(TensorError) {
    let maps = correlation.outputMaps
    let vectors = kernels.table.panel_vectors(length)
    let width = 16 * vectors
    let scratch = try Scratch(shares: 1, bytesPerShare: (pixels * pitch + 2 * pixels * maps) * 4)
    let unfolded = scratch.address.raw(share: 0).floats(at: 0)
    let gradients = unfolded + pixels * pitch
    let turned = gradients + pixels * maps
    try unfold(into: unfolded)
    try readGradients(into: gradients)
    elementKernels.table.transpose(4, gradients, maps, turned, pixels, pixels, maps, false)
    divide(length / width) { panels in
      let most = max(1, Self.cachedValues / pixels / width)
      for first in stride(from: panels.lowerBound, to: panels.upperBound, by: most) {
        for row in stride(from: 0, to: maps, by: 12) {
          for panel in first..<min(first + most, panels.upperBound) {
            multiply(
              turned, pixels, unfolded + panel * width, pitch, inner: pixels, rows: row..<min(row + 12, maps), vectors,
              into: weights + panel * width, length)
          }
        }
      }
    }
  }

  private func multiply(
    _ a: UnsafePointer<Float>, _ aRow: Int, _ b: UnsafePointer<Float>, _ bStep: Int, inner: Int, rows: Range<Int>,
    _ vectors: Int, into c: UnsafeMutablePointer<Float>, _ cRow: Int, adds: Bool = false
  ) {
    var first = a + rows.lowerBound * aRow
    withUnsafePointer(to: &first) { first in
      var product = convolution_product(
        a: first, a_row: aRow, b: b, b_step: bStep, segments: 1, inner: inner, rows: rows.count, vectors: vectors,
        c: c + rows.lowerBound * cRow, c_row: cRow, start: adds ? UnsafePointer(c + rows.lowerBound * cRow) : nil,
        start_row: cRow, rectifies: false, slope: 0)
      kernels.table.multiply(&product)
    }
  }

  private func divide(_ items: Int, _ body: (Range<Int>) -> Void) {
    // Weights are read or written, too, and not only multiplied.
    let values = max(correlation.work, length * correlation.outputMaps / 4)
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    ThreadedWork.run(items: items, values: values, shares: shares) { _, items in body(items) }
  }
}
