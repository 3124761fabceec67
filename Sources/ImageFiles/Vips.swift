import ArrayFiles
import CVipsShims

/// An image of libvips, released when the last reference goes.
final class VipsImage {
  let handle: OpaquePointer

  /// The pixels that libvips allows on a side. Of more it makes one, without a word.
  static let longestSide = 10_000_000

  private static let isStarted = shim_start()

  /// Takes over what a libvips function returned.
  init(_ handle: OpaquePointer?) throws {
    guard let handle else { throw VipsError(message: Self.lastError()) }
    self.handle = handle
  }

  deinit {
    shim_image_release(handle)
  }

  /// Opens a file with one loader, whatever libvips would choose.
  ///
  /// - Parameters:
  ///   - pages: the pages to read, of a format that has some; nil stands for all behind the last.
  ///   - shrink: 2, 4 or 8 for a JPEG at that part of its size.
  static func open(
    _ path: String, with loader: String, pages: (first: Int, count: Int?)? = nil, shrink: Int = 1
  ) throws -> VipsImage {
    if let absence { throw VipsError(message: absence) }
    guard shim_has(loader) else { throw VipsError(message: "the libvips here was built without it") }
    let first = Int32(clamping: pages?.first ?? 0)
    let count = pages?.count.map { Int32(clamping: $0) } ?? -1
    return try VipsImage(shim_image_open(loader, path.fileName, pages != nil, first, count, Int32(shrink)))
  }

  /// A drawing in SVG as pixels. The text of the SVG must stay in memory until the image is released.
  static func draw(svg: UnsafeRawBufferPointer, scale: Double) throws -> VipsImage {
    if let absence { throw VipsError(message: absence) }
    guard shim_has("svgload_buffer") else { throw VipsError(message: "the libvips here was built without SVG") }
    return try VipsImage(shim_image_draw_svg(svg.baseAddress, svg.count, scale))
  }

  /// An image made of pixels that lie row by row, the bands of each together.
  static func make(_ pixels: UnsafeRawBufferPointer, width: Int, height: Int, bands: Int, is16Bit: Bool) throws
    -> VipsImage
  {
    if let absence { throw VipsError(message: absence) }
    guard max(width, height) <= longestSide else {
      throw VipsError(message: "\(width) x \(height) pixels; a side has \(longestSide) at most")
    }
    return try VipsImage(
      shim_image_make(pixels.baseAddress, pixels.count, Int32(width), Int32(height), Int32(bands), is16Bit))
  }

  /// Why there is no libvips to work with; nil where there is.
  static let absence = isStarted ? nil : lastError()

  static func canWrite(suffix: String) -> Bool {
    isStarted && shim_can_write(suffix)
  }

  /// What stands for opaque beside linear light, which is not the same in all versions of libvips.
  static let alphaOfLight = shim_alpha_of_light()

  var width: Int { Int(shim_image_width(handle)) }
  var height: Int { Int(shim_image_height(handle)) }
  var bands: Int { Int(shim_image_bands(handle)) }

  func applying(_ operation: (OpaquePointer) -> OpaquePointer?) throws -> VipsImage {
    try VipsImage(operation(handle))
  }

  /// Makes this image pages of one height, one below the other, each shown for some milliseconds.
  func setPages(height: Int, delays: [Int32], repeats: Int) {
    shim_image_set_pages(handle, Int32(clamping: height), delays, Int32(delays.count), Int32(clamping: repeats))
  }

  /// The least and the largest value.
  func range() throws -> ClosedRange<Double> {
    var (least, largest) = (0.0, 0.0)
    guard shim_image_range(handle, &least, &largest) else { throw VipsError(message: Self.lastError()) }
    return min(least, largest)...max(least, largest)
  }

  /// The decoded pixels.
  func pixels() throws -> PixelMemory {
    var count = 0
    guard let pixels = shim_image_pixels(handle, &count) else { throw VipsError(message: Self.lastError()) }
    return PixelMemory(owning: UnsafeMutableRawBufferPointer(start: pixels, count: count), release: shim_free)
  }

  /// Calls a closure with the bytes of a file in the format that `suffix` stands for.
  func withEncoded<Result>(as suffix: String, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    var count = 0
    guard let bytes = shim_image_encode(handle, suffix, &count) else { throw VipsError(message: Self.lastError()) }
    defer { shim_free(bytes) }
    return try body(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  /// What libvips says, on one line.
  private static func lastError() -> String {
    guard let text = shim_error() else { return "libvips failed" }
    defer { shim_free(text) }
    let lines = String(cString: text).split(separator: "\n")
    return lines.isEmpty ? "libvips failed" : lines.joined(separator: "; ")
  }
}

struct VipsError: Error {
  var message: String
}
