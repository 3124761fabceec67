import ArrayFiles
import Foundation
import Tensors

/// A picture as tensors, upright and in sRGB, or all pictures of a file that has several: pages, frames of an animation.
///
/// Files are read in PNG, JPEG, WebP, TIFF, GIF, BMP, Netpbm's formats (PBM, PGM, PPM, PAM, PFM) and Radiance's HDR, and
/// in HEIF, AVIF, JPEG XL, JPEG 2000 and OpenEXR where this machine's libvips reads them. A file's first bytes decide
/// which one it is, whatever its name; no other decoder is tried, and nothing but the file is opened.
///
/// The first use starts libvips and, for the whole process, turns off its cache of results and its log of warnings.
public struct Picture: Sendable {
  /// (N, C, H, W); C is 3 for red, green, blue and 1 for grey. Float32 when it was read from a file: unsigned integers in
  /// 0...1, of which 1 is the largest that the file can hold; signed integers and floating-point grey as they are;
  /// floating-point colours, which are linear light, encoded as sRGB, where 1 is white and brighter light is more.
  public let colors: Tensor
  /// (N, 1, H, W), 0 for transparent to 1 for opaque, and colours are not multiplied by it; nil for a picture without
  /// transparency.
  public let alpha: Tensor?
  /// Whether the picture came with more than 8 bits a value, and is written with 16 in formats that have them.
  public let is16Bit: Bool
  /// How an animation runs; nil for other pictures.
  public let timing: Timing?
  /// What was done to the file's values that a reader of the file may not expect, a line each: a profile that was left
  /// out, values beyond 0...1.
  public private(set) var notes: [String] = []

  /// How an animation runs.
  public struct Timing: Sendable, Equatable {
    /// Milliseconds that each picture is shown.
    public var delays: [Int]
    /// How often all of them are shown; 0 for ever.
    public var repeats: Int

    public init(delays: [Int], repeats: Int = 0) {
      (self.delays, self.repeats) = (delays, repeats)
    }
  }

  /// The pixels that a file may have, in all its pictures, if nobody says otherwise: 300 million.
  public static let defaultMaxPixels = 300_000_000

  /// - Throws: `TensorError.invalidShape(_:reason:)` unless `colors` is (N, 1 or 3, H, W) with pixels in it, and
  ///   `TensorError.shapeMismatch(operation:expected:got:)` unless `alpha` is (N, 1, H, W).
  public init(colors: Tensor, alpha: Tensor? = nil, is16Bit: Bool = false, timing: Timing? = nil) throws {
    let shape = colors.shape
    guard shape.rank == 4, shape[1] == 1 || shape[1] == 3, colors.count > 0 else {
      throw TensorError.invalidShape(shape, reason: "pictures are (pictures, 1 or 3, height, width)")
    }
    let plane: Shape = [shape[0], 1, shape[2], shape[3]]
    if let alpha, alpha.shape != plane {
      throw TensorError.shapeMismatch(operation: "the picture's alpha", expected: plane, got: alpha.shape)
    }
    self.colors = colors
    self.alpha = alpha
    self.is16Bit = is16Bit
    self.timing = timing
  }

  /// Pictures, pages or frames.
  public var count: Int { colors.shape[0] }
  public var width: Int { colors.shape[3] }
  public var height: Int { colors.shape[2] }

  /// Reads all pictures of a file. EXIF orientation is applied, and colours are converted to sRGB, from the embedded
  /// profile if there is one. Of pages that differ in size or kind, the first is read, and ``notes`` say so.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - page: the picture to read of several, counted from 0; nil for all.
  ///   - maxPixels: the pixels that the pictures to read may have together. A file that has more, by its header, is
  ///     refused before anything is decoded.
  /// - Throws: `FileError.unreadable(path:reason:)`, `FileError.malformed(path:reason:)`, and
  ///   `FileError.unsupported(path:reason:)` for a drawing (SVG, PDF), a picture that is too large, a page that is not
  ///   there, and values that could not be read without loss: 5 bands, 64 bits.
  public init(contentsOf path: String, page: Int? = nil, maxPixels: Int = defaultMaxPixels) throws {
    do {
      try self.init(Raster.alike(Raster.read(path, ReadingRequest(maxPixels: maxPixels, page: page))))
    } catch let error as TensorError {
      throw FileError.unreadable(path: path, reason: "\(error)")
    }
  }

  /// Draws an SVG document, with `scale` pixels along each axis for one of the document's. The document is one of the
  /// program's own: whatever it refers to is opened.
  ///
  /// - Throws: `DrawingError` when libvips was built without SVG, or the document is not SVG.
  package init(svg document: String, scale: Double) throws {
    do {
      self = try Array(document.utf8).withUnsafeBytes { bytes in
        let image = try VipsImage.draw(svg: bytes, scale: scale)
        let samples = Samples(try image.pixels(), .uint8, bands: image.bands)
        return try Picture([
          Raster(width: image.width, height: image.height, channels: 3, colors: samples, alpha: samples.from(3))
        ])
      }
    } catch let error as VipsError {
      throw DrawingError(description: error.message)
    }
  }

  private init(_ rasters: [Raster]) throws {
    let (colors, alpha) = try Raster.tensors(rasters)
    try self.init(
      colors: colors, alpha: alpha, is16Bit: rasters.contains(where: \.isDeep), timing: rasters.first?.timing)
    for note in rasters.flatMap(\.notes) where !notes.contains(note) { notes.append(note) }
    guard rasters.contains(where: { $0.colors.kind.isUnlimited }) else { return }
    for (name, tensor) in [("values", colors), ("transparency's values", alpha)] {
      guard let tensor else { continue }
      var (least, largest, isFinite) = (Float.infinity, -Float.infinity, true)
      try tensor.withUnsafeBuffer(of: Float.self) { values in
        for value in values {
          if value < least { least = value }
          if value > largest { largest = value }
          if !value.isFinite { isFinite = false }
        }
      }
      if least < 0 || largest > 1 { notes.append("its \(name), \(least) to \(largest), go beyond 0...1 and are kept") }
      if !isFinite { notes.append("some of its \(name) are not finite numbers") }
    }
  }
}

/// Why a drawing could not become a picture.
package struct DrawingError: Error, CustomStringConvertible {
  package let description: String
}
