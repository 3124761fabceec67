import ArrayFiles
import Foundation
import Tensors

/// Memory for the values of pixels, released with its last reference.
final class PixelMemory {
  let bytes: UnsafeMutableRawBufferPointer
  private let release: (UnsafeMutableRawPointer?) -> Void

  init(owning bytes: UnsafeMutableRawBufferPointer, release: @escaping (UnsafeMutableRawPointer?) -> Void) {
    (self.bytes, self.release) = (bytes, release)
  }

  deinit {
    release(bytes.baseAddress)
  }
}

/// One or several bands of an image as they lie in memory: row by row, all bands of a pixel together.
struct Samples {
  enum Kind {
    case uint8, int8, uint16, int16, uint32, int32, float, double

    var byteCount: Int {
      switch self {
      case .uint8, .int8: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float: 4
      case .double: 8
      }
    }

    /// Whether values may lie beyond 0...1.
    var isUnlimited: Bool { ![.uint8, .uint16, .uint32].contains(self) }

    /// What stands for 1: the largest value of an unsigned type. The others have no limit of their own.
    var one: Double {
      switch self {
      case .uint8: 0xFF
      case .uint16: 0xFFFF
      case .uint32: 0xFFFF_FFFF
      default: 1
      }
    }
  }

  let memory: PixelMemory
  let kind: Kind
  /// Bands that memory has, and the first of those that are meant.
  let bands: Int
  var first = 0
  /// The value that stands for 1.
  let one: Double

  init(_ memory: PixelMemory, _ kind: Kind, bands: Int, one: Double? = nil) {
    (self.memory, self.kind, self.bands, self.one) = (memory, kind, bands, one ?? kind.one)
  }

  /// The same memory, from another band on.
  func from(_ band: Int) -> Samples {
    var samples = self
    samples.first = band
    return samples
  }

  /// Writes pixels of one band, divided by what stands for 1.
  ///
  /// - Parameters:
  ///   - band: the band, counted from the first one meant.
  ///   - start: the first pixel.
  func copy(_ band: Int, from start: Int, into plane: UnsafeMutableBufferPointer<Float>) {
    func copy<Value: BitwiseCopyable>(_ type: Value.Type, _ converted: (Value) -> Float) {
      let source = memory.bytes.assumingMemoryBound(to: Value.self)
      var place = start * bands + first + band
      precondition(place + max(0, plane.count - 1) * bands < source.count, "memory is smaller than its picture")
      withExtendedLifetime(memory) {
        for pixel in plane.indices {
          plane[pixel] = converted(source[place])
          place += bands
        }
      }
    }
    let (narrowOne, one) = (Float(one), one)
    switch kind {
    case .uint8: copy(UInt8.self) { Float($0) / narrowOne }
    case .uint16: copy(UInt16.self) { Float($0) / narrowOne }
    case .uint32: copy(UInt32.self) { Float(Double($0) / one) }
    case .int8: copy(Int8.self) { Float($0) }
    case .int16: copy(Int16.self) { Float($0) }
    case .int32: copy(Int32.self) { Float($0) }
    case .float: copy(Float.self) { $0 / narrowOne }
    case .double: copy(Double.self) { Float($0 / one) }
    }
  }
}

/// What a decoder hands over: pictures of one size, upright, in sRGB or linear light of the same primaries.
struct Raster {
  var width: Int
  var height: Int
  /// Pictures that lie one behind the other.
  var pictures = 1
  /// 1 for grey, 3 for red, green, blue.
  var channels: Int
  var colors: Samples
  var alpha: Samples? = nil
  /// Whether colours are proportional to light, and have yet to be encoded as sRGB.
  var isLinear = false
  /// Whether colours are multiplied by alpha.
  var isPremultiplied = false
  /// Whether values had more than 8 bits in the file.
  var isDeep = false
  /// What was done to values that a reader of the file may not expect.
  var notes: [String] = []
  var timing: Picture.Timing? = nil

  /// What pictures of a batch have in common.
  var form: String {
    "\(width) x \(height) in \(channels == 3 ? "colour" : "grey")\(alpha == nil ? "" : " with transparency")"
  }
}

extension Raster {
  /// The pictures of a file.
  ///
  /// - Throws: ``FileError``.
  static func read(_ path: String, _ request: ReadingRequest) throws -> [Raster] {
    let file = try FileReader(path)
    do {
      switch try PictureFormat(of: file) {
      case .bmp: return [try BMP.read(file, request)]
      case .pnm: return try PNM.read(file, request)
      case .radiance: return [try Radiance.read(file, request)]
      case let format: return try VipsDecoding.read(file, format, request)
      }
    } catch let error as VipsError {
      throw FileError.malformed(path: path, reason: "not a picture that can be read: \(error.message)")
    }
  }

  /// Rasters of one form: the first alone, which says so, where the others differ from it.
  static func alike(_ rasters: [Raster]) -> [Raster] {
    guard var first = rasters.first, let other = rasters.firstIndex(where: { $0.form != first.form }) else {
      return rasters
    }
    first.notes.append(
      "of its \(rasters.count) pictures the first alone is read, since they differ: picture 0 is \(first.form), picture "
        + "\(other) is \(rasters[other].form)")
    return [first]
  }

  /// All pictures of some rasters of the same form as tensors (N, C, H, W) and (N, 1, H, W).
  static func tensors(_ rasters: [Raster]) throws -> (colors: Tensor, alpha: Tensor?) {
    let (first, count) = (rasters[0], rasters.reduce(0) { $0 + $1.pictures })
    let planeSize = first.width * first.height

    func fill(
      _ channels: Int, _ plane: (Raster, Int, Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws -> Tensor {
      let shape: Shape = [count, channels, first.height, first.width]
      return try Tensor(shape: shape) { (buffer: UnsafeMutableBufferPointer<Float>) in
        var place = 0
        for raster in rasters {
          for picture in 0..<raster.pictures {
            for channel in 0..<channels {
              plane(raster, picture * planeSize, channel, .init(rebasing: buffer[place..<place + planeSize]))
              place += planeSize
            }
          }
        }
      }
    }
    var alpha: Tensor?
    if first.alpha != nil {
      alpha = try fill(1) { raster, start, _, plane in raster.alpha?.copy(0, from: start, into: plane) }
    }
    let colors = try fill(first.channels) { raster, start, channel, plane in
      raster.copyColors(channel, from: start, into: plane)
    }
    return (colors, alpha)
  }

  /// Writes pixels of one colour in sRGB, not multiplied by alpha.
  ///
  /// - Parameter start: the first pixel.
  func copyColors(_ channel: Int, from start: Int, into plane: UnsafeMutableBufferPointer<Float>) {
    colors.copy(channel, from: start, into: plane)
    if isPremultiplied, let alpha { Self.unpremultiply(plane, alpha, start) }
    if isLinear { for pixel in plane.indices { plane[pixel] = encodedSRGB(plane[pixel]) } }
  }

  /// Divides colours by their alpha. Where that is 0 they stay as they are: light that hides nothing behind it.
  private static func unpremultiply(_ plane: UnsafeMutableBufferPointer<Float>, _ alpha: Samples, _ start: Int) {
    // A piece at a time, so that alpha needs no plane of its own.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 4096) { piece in
      for place in stride(from: 0, to: plane.count, by: piece.count) {
        let part = UnsafeMutableBufferPointer(rebasing: piece[..<min(piece.count, plane.count - place)])
        alpha.copy(0, from: start + place, into: part)
        for (pixel, value) in part.enumerated() where value != 0 { plane[place + pixel] /= value }
      }
    }
  }
}

/// Linear light as IEC 61966-2-1 encodes it, continued beyond 1, and below 0 in the opposite sense.
func encodedSRGB(_ light: Float) -> Float {
  let amount = abs(light)
  // The difference in float64, so that 1 stays 1.
  let code = amount <= 0.0031308 ? 12.92 * amount : Float(1.055 * Double(pow(amount, 1 / 2.4)) - 0.055)
  return light < 0 ? -code : code
}
