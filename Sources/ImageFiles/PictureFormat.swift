import ArrayFiles

/// The formats of pictures that are read, each by one decoder. What a file is follows from its first bytes; libvips,
/// left to choose, would give what it does not know to ImageMagick, which opens other files and starts programs.
enum PictureFormat {
  case bmp, exr, gif, heif, jpeg, jpeg2000, jpegXL, png, pnm, radiance, tiff, webp

  /// The loader of libvips; nil where the decoder is our own, since libvips has none or one that loses something.
  var loader: String? {
    switch self {
    case .bmp, .pnm, .radiance: nil
    case .exr: "openexrload"
    case .gif: "gifload_source"
    case .heif: "heifload_source"
    case .jpeg: "jpegload_source"
    case .jpeg2000: "jp2kload_source"
    case .jpegXL: "jxlload_source"
    case .png: "pngload_source"
    case .tiff: "tiffload_source"
    case .webp: "webpload_source"
    }
  }

  /// How its pictures come, where one file may hold several.
  enum Pages {
    /// One picture.
    case none
    /// Frames of one size, which are decoded together.
    case frames
    /// Pictures of any sizes.
    case pages
  }

  var pages: Pages {
    switch self {
    case .gif, .webp: .frames
    case .heif, .tiff: .pages
    default: .none
    }
  }

  /// - Throws: ``FileError/malformed(path:reason:)`` for what is not a picture, and
  ///   ``FileError/unsupported(path:reason:)`` for pictures in formats that are not read.
  init(of file: FileReader) throws {
    let start = try file.bytes(at: 0, count: min(file.size, 4096), what: "its first bytes")
    func has(_ bytes: [UInt8], at place: Int = 0) -> Bool { start.dropFirst(place).starts(with: bytes) }
    func has(_ text: String, at place: Int = 0) -> Bool { has(Array(text.utf8), at: place) }

    if has([0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A]) {
      self = .png
    } else if has([0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if has("RIFF"), has("WEBP", at: 8) {
      self = .webp
    } else if has("GIF87a") || has("GIF89a") {
      self = .gif
    } else if has("II*\0") || has("MM\0*") || has("II+\0") || has("MM\0+") {
      self = .tiff
    } else if has("ftyp", at: 4), Self.heifBrands.contains(where: { has($0, at: 8) }) {
      self = .heif
    } else if has([0xFF, 0x0A]) || has([0, 0, 0, 12] + Array("JXL \r\n".utf8) + [0x87, 0x0A]) {
      self = .jpegXL
    } else if has([0, 0, 0, 12] + Array("jP  \r\n".utf8) + [0x87, 0x0A]) || has([0xFF, 0x4F, 0xFF, 0x51]) {
      self = .jpeg2000
    } else if has([0x76, 0x2F, 0x31, 0x01]) {
      self = .exr
    } else if has("#?RADIANCE") || has("#?RGBE") {
      self = .radiance
    } else if has("BM"), file.size >= 26 {
      self = .bmp
    } else if start.count > 2, start[0] == UInt8(ascii: "P"), "1234567Ff".utf8.contains(start[1]),
      " \t\r\n#".utf8.contains(start[2])
    {
      self = .pnm
    } else {
      throw Self.fault(with: start, try ForeignFile(file), path: file.path)
    }
  }

  private static let heifBrands = [
    "heic", "heix", "hevc", "hevx", "heim", "heis", "avif", "avis", "mif1", "msf1", "miaf",
  ]

  /// What is wrong with a file that is in none of the formats.
  private static func fault(with start: [UInt8], _ foreign: ForeignFile?, path: String) -> FileError {
    func contains(_ text: String) -> Bool {
      let wanted = Array(text.utf8)
      guard start.count >= wanted.count else { return false }
      return (0...start.count - wanted.count).contains { start[$0...].starts(with: wanted) }
    }
    if start.isEmpty { return .malformed(path: path, reason: "not a picture: it is empty") }
    if start.starts(with: "%PDF-".utf8) {
      return .unsupported(path: path, reason: "a PDF document; make a picture of its pages first, a PNG for instance")
    }
    let text = start.drop { " \t\r\n\u{FEFF}".utf8.contains($0) }
    if contains("<svg") || contains("<!DOCTYPE svg")
      || text.starts(with: "<?xml".utf8)
    {
      return .unsupported(
        path: path,
        reason: "not a picture of pixels but a drawing (SVG or another kind of XML); make a PNG of it first")
    }
    if let foreign, !foreign.isPicture {
      return .malformed(path: path, reason: "not a picture: \(foreign.description)")
    }
    return .malformed(
      path: path,
      reason:
        "not a picture that can be read: its first bytes are those of none of PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, "
        + "HEIF, AVIF, JPEG XL, JPEG 2000, HDR and EXR")
  }
}
