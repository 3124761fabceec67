import ArrayFiles
import CVipsShims

/// An image of libvips, released when the last reference goes.
final class VipsImage {
  let handle: OpaquePointer

  private static let isStarted = shim_start()

  /// Takes over what a libvips function returned.
  init(_ handle: OpaquePointer?) throws {
    guard let handle else { throw VipsError(message: Self.lastError()) }
    self.handle = handle
  }

  deinit {
    shim_image_release(handle)
  }

  static func open(_ path: String) throws -> VipsImage {
    guard isStarted else { throw VipsError(message: lastError()) }
    return try VipsImage(shim_image_open(path))
  }

  /// A drawing in SVG as pixels. The text of the SVG must stay in memory until the image is released.
  static func draw(svg: UnsafeRawBufferPointer, scale: Double) throws -> VipsImage {
    guard isStarted else { throw VipsError(message: lastError()) }
    guard shim_can_draw_svg() else { throw VipsError(message: "the libvips here was built without SVG") }
    return try VipsImage(shim_image_draw_svg(svg.baseAddress, svg.count, scale))
  }

  /// An image made of pixels that lie row by row, the bands of each together.
  static func make(_ pixels: UnsafeRawBufferPointer, width: Int, height: Int, bands: Int, is16Bit: Bool) throws
    -> VipsImage
  {
    guard isStarted else { throw VipsError(message: lastError()) }
    guard let width = Int32(exactly: width), let height = Int32(exactly: height) else {
      throw VipsError(message: "\(width) x \(height) pixels are more than a picture can have")
    }
    return try VipsImage(shim_image_make(pixels.baseAddress, pixels.count, width, height, Int32(bands), is16Bit))
  }

  static func canWrite(suffix: String) -> Bool {
    isStarted && shim_can_write(suffix)
  }

  func applying(_ operation: (OpaquePointer) -> OpaquePointer?) throws -> VipsImage {
    try VipsImage(operation(handle))
  }

  /// Calls a closure with the decoded pixels.
  func withPixels<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    var count = 0
    guard let pixels = shim_image_pixels(handle, &count) else { throw VipsError(message: Self.lastError()) }
    defer { shim_free(pixels) }
    return try body(UnsafeRawBufferPointer(start: pixels, count: count))
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
