import ArrayFiles
import CVipsShims
import Foundation
import Tensors

/// A picture as tensors, upright and in sRGB, from a file in any format that libvips reads.
///
/// The first use starts libvips and, for the whole process, turns off its cache of results and its log of warnings.
public struct Picture: Sendable {
  /// (1, C, H, W); C is 3 for red, green, blue and 1 for grey. Float32 and in 0...1 when it was read from a file.
  public let colors: Tensor
  /// (1, 1, H, W), 0 for transparent to 1 for opaque; nil for a picture without transparency.
  public let alpha: Tensor?
  /// Whether the picture came with more than 8 bits a value, and is written with 16 in formats that have them.
  public let is16Bit: Bool

  /// - Throws: `TensorError.invalidShape(_:reason:)` unless `colors` is (1, 1 or 3, H, W) with pixels in it, and
  ///   `TensorError.shapeMismatch(operation:expected:got:)` unless `alpha` is (1, 1, H, W).
  public init(colors: Tensor, alpha: Tensor? = nil, is16Bit: Bool = false) throws {
    let shape = colors.shape
    guard shape.rank == 4, shape[0] == 1, shape[1] == 1 || shape[1] == 3, shape[2] > 0, shape[3] > 0 else {
      throw TensorError.invalidShape(shape, reason: "a picture is (1, 1 or 3, height, width)")
    }
    let plane: Shape = [1, 1, shape[2], shape[3]]
    if let alpha, alpha.shape != plane {
      throw TensorError.shapeMismatch(operation: "the picture's alpha", expected: plane, got: alpha.shape)
    }
    self.colors = colors
    self.alpha = alpha
    self.is16Bit = is16Bit
  }

  public var width: Int { colors.shape[3] }
  public var height: Int { colors.shape[2] }

  /// Reads a picture. Its EXIF orientation is applied, and its colours are converted to sRGB, from the embedded profile
  /// if there is one. Of several pages, the first is read.
  ///
  /// - Throws: `FileError.unreadable(path:reason:)` or `FileError.malformed(path:reason:)`.
  public init(contentsOf path: String) throws {
    _ = try FileReader(path)
    do {
      try self.init(decoding: VipsImage.open(path))
    } catch let error as VipsError {
      throw FileError.malformed(path: path, reason: "not a picture that can be read: \(error.message)")
    }
  }

  /// Draws an SVG document, with `scale` pixels along each axis for one of the document's.
  ///
  /// - Throws: `DrawingError` when libvips was built without SVG, or the document is not SVG.
  package init(svg document: String, scale: Double) throws {
    do {
      self = try Array(document.utf8).withUnsafeBytes { try Picture(decoding: .draw(svg: $0, scale: scale)) }
    } catch let error as VipsError {
      throw DrawingError(description: error.message)
    }
  }

  private init(decoding file: VipsImage) throws {
    var image = try file.applying(shim_image_upright)
    // Everything but 8 bits goes through 16, so that nothing is lost on the way.
    let is16Bit = shim_image_values(image.handle) != shim_values_8_bit
    let isGrey = shim_image_is_grey(image.handle)
    if shim_image_has_profile(image.handle) {
      // A profile that is damaged, or made for other kinds of pixels, is ignored.
      if let converted = try? image.applying({ shim_image_from_profile($0, is16Bit ? 16 : 8) }) { image = converted }
    }
    if isGrey != shim_image_is_grey(image.handle) || !shim_image_is_plain(image.handle) {
      image = try image.applying { isGrey ? shim_image_to_grey($0, is16Bit) : shim_image_to_srgb($0, is16Bit) }
    }
    let values = shim_image_values(image.handle)
    guard values != shim_values_other else {
      throw VipsError(message: "its values are neither of 8 or 16 bits nor floating point")
    }
    if values == shim_values_float { image = try image.applying(shim_image_to_floats) }

    let bands = Int(shim_image_bands(image.handle))
    let hasAlpha = shim_image_has_alpha(image.handle)
    let channels = bands - (hasAlpha ? 1 : 0) >= 3 ? 3 : 1
    let shape: Shape = [1, channels, Int(shim_image_height(image.handle)), Int(shim_image_width(image.handle))]
    let pixelCount = shape[2] * shape[3]

    (colors, alpha) = try image.withPixels { bytes in
      func copy<Value: BitwiseCopyable>(
        _ type: Value.Type, _ band: Int, into plane: UnsafeMutablePointer<Float>, _ convert: (Value) -> Float
      ) {
        let source = bytes.assumingMemoryBound(to: Value.self)
        for pixel in 0..<pixelCount { plane[pixel] = convert(source[pixel * bands + band]) }
      }
      func plane(_ band: Int, into plane: UnsafeMutablePointer<Float>) {
        switch values {
        case shim_values_8_bit: copy(UInt8.self, band, into: plane) { Float($0) / 255 }
        case shim_values_16_bit: copy(UInt16.self, band, into: plane) { Float($0) / 65535 }
        default: copy(Float.self, band, into: plane) { min(max($0, 0), 1) }
        }
      }
      let colors = try Tensor(shape: shape) { (buffer: UnsafeMutableBufferPointer<Float>) in
        guard let base = buffer.baseAddress else { return }
        for channel in 0..<channels { plane(channel, into: base + channel * pixelCount) }
      }
      guard hasAlpha else { return (colors, nil) }
      let alpha = try Tensor(shape: [1, 1, shape[2], shape[3]]) { (buffer: UnsafeMutableBufferPointer<Float>) in
        if let base = buffer.baseAddress { plane(bands - 1, into: base) }
      }
      return (colors, alpha)
    }
    self.is16Bit = is16Bit
  }

  /// What a format that pictures are written in can hold.
  private struct Format {
    var hasAlpha = false
    var has16Bit = false
    /// Options for libvips, in its own syntax.
    var options = ""
  }

  // The default quality of JPEG and WebP, 75, is made for the web; these pictures are results.
  private static let formats: [String: Format] = [
    "png": Format(hasAlpha: true, has16Bit: true), "tif": Format(hasAlpha: true, has16Bit: true),
    "tiff": Format(hasAlpha: true, has16Bit: true), "webp": Format(hasAlpha: true, options: "[Q=92]"),
    "gif": Format(hasAlpha: true), "avif": Format(hasAlpha: true), "heic": Format(hasAlpha: true),
    "jxl": Format(hasAlpha: true), "jp2": Format(hasAlpha: true),
    "jpg": Format(options: "[Q=92]"), "jpeg": Format(options: "[Q=92]"), "jpe": Format(options: "[Q=92]"),
    "ppm": Format(has16Bit: true), "pnm": Format(has16Bit: true), "bmp": Format(),
  ]

  private static func format(of path: String) -> (suffix: String, Format)? {
    let name = (path as NSString).pathExtension.lowercased()
    guard let format = formats[name], VipsImage.canWrite(suffix: "." + name) else { return nil }
    return ("." + name, format)
  }

  /// Whether pictures can be written to a file of this name: PNG, JPEG, TIFF, WebP, GIF, BMP, PPM, and those of AVIF,
  /// HEIC, JPEG 2000 and JPEG XL that this machine's libvips writes.
  public static func canWrite(to path: String) -> Bool {
    format(of: path) != nil
  }

  /// Writes the picture in the format that the file's name ends in. Values outside 0...1 are clipped, NaN becomes
  /// 0. Formats without transparency (JPEG, PPM, BMP) show it on white. An existing file is replaced only when all is
  /// written.
  ///
  /// - Throws: `FileError.notWritten(path:reason:)`.
  public func write(to path: String) throws {
    guard let (suffix, format) = Self.format(of: path) else {
      throw FileError.notWritten(path: path, reason: "its name does not end in a picture format that can be written")
    }
    let in16Bit = is16Bit && format.has16Bit
    do {
      var image = try encoded(in16Bit: in16Bit)
      if alpha != nil, !format.hasAlpha { image = try image.applying { shim_image_flatten($0, in16Bit) } }
      try image.withEncoded(as: suffix + format.options) { try AtomicFile.write($0, to: path) }
    } catch let error as VipsError {
      throw FileError.notWritten(path: path, reason: error.message)
    }
  }

  private func encoded(in16Bit: Bool) throws -> VipsImage {
    let (channels, pixelCount) = (colors.shape[1], width * height)
    let bands = channels + (alpha == nil ? 0 : 1)
    let (colorValues, alphaValues) = (try colors.array(of: Float.self), try alpha?.array(of: Float.self))

    func pixels<Value: FixedWidthInteger>(_ type: Value.Type) -> [Value] {
      let limit = Float(Value.max)
      var values = [Value](repeating: 0, count: pixelCount * bands)
      for band in 0..<bands {
        let source = band < channels ? colorValues[(band * pixelCount)...] : (alphaValues ?? [])[...]
        for (pixel, value) in source.prefix(pixelCount).enumerated() {
          values[pixel * bands + band] = Value(min(max(value.isNaN ? 0 : value, 0), 1) * limit + 0.5)
        }
      }
      return values
    }
    func image<Value: FixedWidthInteger>(_ values: [Value]) throws -> VipsImage {
      try values.withUnsafeBytes {
        try VipsImage.make($0, width: width, height: height, bands: bands, is16Bit: in16Bit)
      }
    }
    return in16Bit ? try image(pixels(UInt16.self)) : try image(pixels(UInt8.self))
  }
}

/// Why a drawing could not become a picture.
package struct DrawingError: Error, CustomStringConvertible {
  package let description: String
}
