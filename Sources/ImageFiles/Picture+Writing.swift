import ArrayFiles
import CVipsShims
import Foundation
import Tensors

extension Picture {
  /// What a format that pictures are written in can hold.
  private struct Format {
    var hasAlpha = false
    var has16Bit = false
    /// Whether a file may hold several pictures.
    var hasPages = false
    /// Options for libvips, in its own syntax.
    var options = ""
  }

  // The default quality of JPEG and WebP, 75, is made for the web; these pictures are results.
  private static let formats: [String: Format] = [
    "png": Format(hasAlpha: true, has16Bit: true), "tif": Format(hasAlpha: true, has16Bit: true, hasPages: true),
    "tiff": Format(hasAlpha: true, has16Bit: true, hasPages: true),
    "webp": Format(hasAlpha: true, hasPages: true, options: "[Q=92]"),
    "gif": Format(hasAlpha: true, hasPages: true), "avif": Format(hasAlpha: true), "heic": Format(hasAlpha: true),
    "jxl": Format(hasAlpha: true), "jp2": Format(hasAlpha: true),
    "jpg": Format(options: "[Q=92]"), "jpeg": Format(options: "[Q=92]"), "jpe": Format(options: "[Q=92]"),
    "ppm": Format(has16Bit: true), "pnm": Format(has16Bit: true), "bmp": Format(),
  ]

  private static func format(of path: String) throws(VipsError) -> (name: String, Format) {
    try format(named: (path as NSString).pathExtension.lowercased())
  }

  private static func format(named name: String) throws(VipsError) -> (name: String, Format) {
    guard let format = formats[name] else {
      throw VipsError(message: "its name does not end in a picture format that can be written")
    }
    if let absence = VipsImage.absence { throw VipsError(message: absence) }
    guard name == "bmp" || VipsImage.canWrite(suffix: "." + name) else {
      throw VipsError(message: "the libvips here does not write .\(name) files")
    }
    return (name, format)
  }

  /// Whether pictures can be written to a file of this name: PNG, JPEG, TIFF, WebP, GIF, BMP, PPM, and those of AVIF,
  /// HEIC, JPEG 2000 and JPEG XL that this machine's libvips writes.
  public static func canWrite(to path: String) -> Bool { whyNotWritten(to: path) == nil }

  /// Why no picture can be written to a file of this name; nil where one can.
  public static func whyNotWritten(to path: String) -> String? {
    do {
      _ = try format(of: path)
      return nil
    } catch { return error.message }
  }

  /// Writes the picture in the format that the file's name ends in; several to a GIF, WebP or TIFF, as an animation or
  /// pages. Values outside 0...1 are clipped, NaN becomes 0. Formats without transparency (JPEG, PPM, BMP) show it on
  /// white. An existing file is replaced only when all is written.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - kind: what the name would end in, `png`, where it does not, as that of a pipe.
  /// - Throws: `FileError.notWritten(path:reason:)`, also for several pictures in a format that holds one.
  public func write(to path: String, as kind: String? = nil) throws {
    let (name, format): (String, Format)
    do {
      (name, format) = try Self.format(named: kind ?? (path as NSString).pathExtension.lowercased())
    } catch {
      throw FileError.notWritten(path: path, reason: error.message)
    }
    guard count == 1 || format.hasPages else {
      throw FileError.notWritten(
        path: path,
        reason:
          "a .\(name) file holds one picture, and the shape here is \(colors.shape); .gif, .webp and .tif hold several")
    }
    let in16Bit = is16Bit && format.has16Bit
    do {
      var image = try encoded(in16Bit: in16Bit)
      if alpha != nil, !format.hasAlpha { image = try image.applying { shim_image_flatten($0, in16Bit) } }
      if name == "bmp" {
        let memory = try image.pixels()
        let pixels = withExtendedLifetime(memory) { Array(memory.bytes) }
        let bytes = BMP.encoded(pixels, width: width, height: height, channels: image.bands)
        return try bytes.withUnsafeBytes { try AtomicFile.write($0, to: path) }
      }
      if count > 1 {
        let delays = (timing?.delays ?? []).map { Int32(clamping: $0) }
        let all = (0..<count).map { $0 < delays.count ? delays[$0] : delays.last ?? 100 }
        image.setPages(height: height, delays: all, repeats: timing?.repeats ?? 0)
      }
      try image.withEncoded(as: "." + name + format.options) { try AtomicFile.write($0, to: path) }
    } catch let error as VipsError {
      throw FileError.notWritten(path: path, reason: error.message)
    }
  }

  /// All pictures one below the other.
  private func encoded(in16Bit: Bool) throws -> VipsImage {
    let (channels, pixelCount) = (colors.shape[1], width * height)
    let bands = channels + (alpha == nil ? 0 : 1)
    let (colorValues, alphaValues) = (try colors.array(of: Float.self), try alpha?.array(of: Float.self))

    func pixels<Value: FixedWidthInteger>(_ type: Value.Type) -> [Value] {
      let limit = Float(Value.max)
      var values = [Value](repeating: 0, count: count * pixelCount * bands)
      for picture in 0..<count {
        for band in 0..<bands {
          let source =
            band < channels
            ? colorValues[((picture * channels + band) * pixelCount)...]
            : (alphaValues ?? [])[(picture * pixelCount)...]
          let start = picture * pixelCount
          for (pixel, value) in source.prefix(pixelCount).enumerated() {
            values[(start + pixel) * bands + band] = Value(min(max(value.isNaN ? 0 : value, 0), 1) * limit + 0.5)
          }
        }
      }
      return values
    }
    func image<Value: FixedWidthInteger>(_ values: [Value]) throws -> VipsImage {
      try values.withUnsafeBytes {
        try VipsImage.make($0, width: width, height: count * height, bands: bands, is16Bit: in16Bit)
      }
    }
    return in16Bit ? try image(pixels(UInt16.self)) : try image(pixels(UInt8.self))
  }
}
