// Everything that depends on the trait Pictures. Without it the tool needs no libvips, and can be a single file.

#if Pictures
  import ImageFiles

  typealias Picture = ImageFiles.Picture
  typealias DrawingError = ImageFiles.DrawingError

  extension Picture {
    static let help = """
      All others are pictures: PNG, JPEG, WebP, TIFF, GIF, BMP, PPM, HDR, and HEIF, AVIF, JPEG XL, JPEG 2000 and EXR \
      where libvips has them. They are read as (N, 3, H, W) in colour and (N, 1, H, W) in grey, values 0 to 1; N is more \
      than 1 for pages and animations, which GIF, WebP and TIFF are written as.
      """
    /// Why a file that is neither an array nor a picture cannot be written.
    static let whyNotWritten = "ends neither in .npy nor as a picture format that can be written"
  }
#else
  import InstanceNorm

  /// Stands in for pictures where there are none; whoever asks for one is told so.
  struct Picture {
    let colors: Tensor
    let alpha: Tensor?
    let is16Bit: Bool
    let timing: Timing?
    let notes: [String]

    struct Timing {}

    static let defaultMaxPixels = 300_000_000
    static let help = "This build is without pictures."
    static let whyNotWritten = "does not end in .npy, and \(absence)"
    private static let absence = "this build of instnorm is without pictures"

    init(contentsOf path: String, page: Int? = nil, maxPixels: Int = defaultMaxPixels) throws {
      throw FileError.unsupported(path: path, reason: Self.absence)
    }

    init(svg document: String, scale: Double) throws {
      throw DrawingError(description: Self.absence)
    }

    init(colors: Tensor, alpha: Tensor? = nil, is16Bit: Bool = false, timing: Timing? = nil) throws {
      (self.colors, self.alpha, self.is16Bit, self.timing, notes) = (colors, alpha, is16Bit, timing, [])
    }

    static func canWrite(to path: String) -> Bool { false }

    func write(to path: String) throws {
      throw FileError.notWritten(path: path, reason: Self.absence)
    }
  }

  struct DrawingError: Error, CustomStringConvertible {
    let description: String
  }
#endif
