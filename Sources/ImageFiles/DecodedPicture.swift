import ArrayFiles
import Tensors

/// The first picture of a file, upright, as its decoder left it: of a large one, the part that is needed becomes a tensor
/// and the rest does not.
package struct DecodedPicture {
  private let raster: Raster

  /// - Parameters:
  ///   - path: the file.
  ///   - covering: a height and a width. A JPEG that is at least twice as high and as wide may be read at a half, a
  ///     quarter or an eighth of its size, as long as it covers them. Nil for the picture as it is.
  /// - Throws: `FileError`, as for ``Picture``; `TensorError.outOfMemory(byteCount:)`.
  package init(contentsOf path: String, covering: (height: Int, width: Int)? = nil) throws {
    raster = try Raster.read(
      path, ReadingRequest(maxPixels: Picture.defaultMaxPixels, page: 0, covering: covering))[0]
  }

  package var height: Int { raster.height }
  package var width: Int { raster.width }

  /// Some of its pixels as red, green and blue in sRGB, (1, 3, rows, columns) in float32, in the processor's memory. Grey
  /// is three equal colours, transparency shows white, and values beyond 0...1 are clipped.
  ///
  /// - Throws: `TensorError.outOfMemory(byteCount:)`.
  package func colors(rows: Range<Int>, columns: Range<Int>, on device: Device) throws -> Tensor {
    let (opened, count) = (raster, columns.count)
    var colors = try Tensor(uninitialized: [1, 3, rows.count, count], dtype: .float32, on: device)
    try colors.withUnsafeMutableBuffer(of: Float.self) { buffer in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { alpha in
        for (index, row) in rows.enumerated() {
          let start = row * opened.width + columns.lowerBound
          opened.alpha?.copy(0, from: start, into: alpha)
          for channel in 0..<3 {
            let place = (channel * rows.count + index) * count
            let line = UnsafeMutableBufferPointer(rebasing: buffer[place..<place + count])
            opened.copyColors(min(channel, opened.channels - 1), from: start, into: line)
            if opened.alpha != nil {
              for pixel in line.indices { line[pixel] = line[pixel] * alpha[pixel] + (1 - alpha[pixel]) }
            }
            // A NaN becomes 0.
            for pixel in line.indices { line[pixel] = min(line[pixel] > 0 ? line[pixel] : 0, 1) }
          }
        }
      }
    }
    return colors
  }
}
