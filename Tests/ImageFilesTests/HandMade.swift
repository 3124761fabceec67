import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Linear light as sRGB encodes it, by IEC 61966-2-1.
func srgb(_ light: Double) -> Double {
  light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055
}

func bigEndian(_ value: Int, _ byteCount: Int) -> [UInt8] { littleEndian(value, byteCount: byteCount).reversed() }

func littleEndian(_ value: Float) -> [UInt8] { littleEndian(value.bitPattern, byteCount: 4) }

/// Holds the values of a tensor, row by row, against what they have to be.
func expect(
  _ tensor: Tensor?, _ shape: Shape, _ values: [Double], within tolerance: Double = 1e-6, _ name: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let tensor = try #require(tensor, "\(name)", sourceLocation: sourceLocation)
  #expect(tensor.shape == shape, "\(name)", sourceLocation: sourceLocation)
  let found = try tensor.doubles
  #expect(
    found.count == values.count && zip(found, values).allSatisfy { abs($0 - $1) <= tolerance },
    "\(name): \(found), not \(values)", sourceLocation: sourceLocation)
}

/// Colour profiles put together by hand, of ICC's version 2.
enum Profile {
  static let gamma = 563.0 / 256

  /// Colours of sRGB's primaries, red and green exchanged, light raised to 1 / ``gamma``.
  static let exchangedColors = file(
    space: "RGB ",
    tags: [
      "wtpt": xyz(0.9642, 1, 0.8249), "rXYZ": xyz(0.3851, 0.7169, 0.0971), "gXYZ": xyz(0.4360, 0.2225, 0.0139),
      "bXYZ": xyz(0.1431, 0.0606, 0.7141), "rTRC": curve, "gTRC": curve, "bTRC": curve,
    ])
  /// Grey light raised to 1 / ``gamma``.
  static let grey = file(space: "GRAY", tags: ["wtpt": xyz(0.9642, 1, 0.8249), "kTRC": curve])

  private static let curve = Array("curv".utf8) + bigEndian(0, 4) + bigEndian(1, 4) + bigEndian(563, 2) + [0, 0]

  private static func xyz(_ values: Double...) -> [UInt8] {
    Array("XYZ ".utf8) + bigEndian(0, 4) + values.flatMap { bigEndian(Int(($0 * 65536).rounded()), 4) }
  }

  private static func file(space: String, tags: [String: [UInt8]]) -> [UInt8] {
    var (table, data) = (bigEndian(tags.count, 4), [UInt8]())
    for (name, tag) in tags.sorted(by: { $0.key < $1.key }) {
      table += Array(name.utf8) + bigEndian(128 + 4 + 12 * tags.count + data.count, 4) + bigEndian(tag.count, 4)
      data += tag
    }
    var header = bigEndian(128 + table.count + data.count, 4) + bigEndian(0, 4) + bigEndian(0x0210_0000, 4)
    header += Array("mntr\(space)XYZ ".utf8) + [UInt8](repeating: 0, count: 12) + Array("acsp".utf8)
    header += [UInt8](repeating: 0, count: 28)
    for value in [0xF6D6, 0x10000, 0xD32D] { header += bigEndian(value, 4) }
    return header + [UInt8](repeating: 0, count: 128 - header.count) + table + data
  }
}

/// PNG files put together by hand.
enum PNG {
  static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    bigEndian(data.count, 4) + Array(name.utf8) + data + bigEndian(Int(checksum(Array(name.utf8) + data)), 4)
  }

  /// - Parameters:
  ///   - colorType: 0 for grey, 2 for RGB, 3 for a palette, 4 and 6 with alpha.
  ///   - rows: the bytes of each row.
  ///   - chunks: those before the pixels.
  static func file(
    width: Int, height: Int, depth: Int = 8, colorType: Int, rows: [[UInt8]], chunks: [UInt8] = []
  ) -> [UInt8] {
    let raw: [UInt8] = rows.flatMap { (row: [UInt8]) -> [UInt8] in [0] + row }
    // Deflate's stored blocks, and Adler's checksum.
    var (a, b) = (1, 0)
    for byte in raw { (a, b) = ((a + Int(byte)) % 65521, (b + a + Int(byte)) % 65521) }
    let size = littleEndian(raw.count, byteCount: 2)
    var data: [UInt8] = [0x78, 0x01, 0x01] + size + size.map { ~$0 }
    data += raw + bigEndian(b << 16 | a, 4)
    return [0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A]
      + chunk("IHDR", bigEndian(width, 4) + bigEndian(height, 4) + [UInt8(depth), UInt8(colorType), 0, 0, 0])
      + chunks + chunk("IDAT", data) + chunk("IEND", [])
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var sum = UInt32.max
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
