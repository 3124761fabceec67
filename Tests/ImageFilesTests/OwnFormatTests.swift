import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Netpbm's formats, BMP, HDR and EXR, in files that are written by hand.
@Suite struct OwnFormatTests {
  private let folder = TemporaryFolder()

  private func read(_ bytes: [UInt8], page: Int? = nil) throws -> Picture {
    try write(bytes, to: folder.file("hand"))
    return try Picture(contentsOf: folder.file("hand"), page: page)
  }

  private func read(_ header: String, _ bytes: [UInt8] = []) throws -> Picture {
    try read(Array(header.utf8) + bytes)
  }

  // MARK: Netpbm

  @Test(arguments: [1, 3, 100, 255, 256, 1023, 4095, 65535])
  func `values are out of the largest that the header names`(largest: Int) throws {
    let values = [0, largest, largest / 2, 1, largest / 3, largest - largest / 3]
    let shares = values.map { Double($0) / Double(largest) }
    let binary = values.flatMap { bigEndian($0, largest > 255 ? 2 : 1) }
    let text = values.map(String.init).joined(separator: "\n ")
    for grey in [try read("P5\n3 2\n\(largest)\n", binary), try read("P2 3 2 # a comment\n\(largest)\n\(text)")] {
      try expect(grey.colors, [1, 1, 2, 3], shares)
      #expect(grey.is16Bit == (largest > 255) && grey.notes == [])
    }
    // Pixels lie together in the file, planes in the tensor.
    let planes = [0, 3, 1, 4, 2, 5].map { shares[$0] }
    let arbitrary = "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL \(largest)\nTUPLTYPE RGB\nENDHDR\n"
    for color in [
      try read("P6 2 1 \(largest)\n", binary), try read("P3 2 1 \(largest)\n\(text)\n"), try read(arbitrary, binary),
    ] {
      try expect(color.colors, [1, 3, 1, 2], planes)
    }
    let transparent = arbitrary.replacingOccurrences(
      of: "WIDTH 2\nHEIGHT 1\nDEPTH 3", with: "WIDTH 3\nHEIGHT 1\nDEPTH 2"
    )
    .replacingOccurrences(of: "RGB", with: "GRAYSCALE_ALPHA")
    let picture = try read(transparent, binary)
    try expect(picture.colors, [1, 1, 1, 3], [0, 2, 4].map { shares[$0] })
    try expect(picture.alpha, [1, 1, 1, 3], [1, 3, 5].map { shares[$0] })
  }

  @Test func `bits are 0 for white`() throws {
    try expect(
      try read("P4 10 2\n", [0b1010_0000, 0b0100_0000, 0xFF, 0xFF]).colors, [1, 1, 2, 10],
      [0, 1, 0, 1, 1, 1, 1, 1, 1, 0] + [Double](repeating: 0, count: 10))
    try expect(try read("P1\n3 1\n101").colors, [1, 1, 1, 3], [0, 1, 0])
  }

  @Test func `floating-point grey is as it is, and colours are light`() throws {
    let values = [-0.5, 0.001, 0.5, 1, 4, 0.25]
    for (scale, order) in [(-1.0, littleEndian as (Float) -> [UInt8]), (2.0, { littleEndian($0).reversed() })] {
      let bytes = values.flatMap { order(Float($0)) }
      // From the lowest row up.
      let grey = try read("Pf\n3 2\n\(scale)\n", bytes)
      try expect(grey.colors, [1, 1, 2, 3], (values[3...] + values[..<3]).map { $0 * abs(scale) })
      let color = try read("PF\n2 1\n\(scale)\n", bytes)
      let codes = values.map { ($0 < 0 ? -1 : 1) * srgb(abs($0 * scale)) }
      try expect(color.colors, [1, 3, 1, 2], [0, 3, 1, 4, 2, 5].map { codes[$0] }, within: 1e-5)
      #expect(color.is16Bit && color.notes.count == 1)
    }
  }

  @Test func `several pictures in a file are read, or one of them`() throws {
    let both = Array("P5 2 1 255\n".utf8) + [0, 51] + Array("P5 2 1 15\n".utf8) + [15, 3]
    try expect(try read(both).colors, [2, 1, 1, 2], [0, 0.2, 1, 0.2])
    try expect(try read(both, page: 1).colors, [1, 1, 1, 2], [1, 0.2])
    #expect(throws: FileError.self) { try read(both, page: 2) }
    #expect(try read(both + [0, 1, 2]).notes == ["3 bytes behind the picture are left out"])
  }

  @Test func `of several pictures that differ the first is read, and says so`() throws {
    for other in [Array("P5 1 1 255\n".utf8) + [9], Array("P6 2 1 255\n".utf8) + [1, 2, 3, 4, 5, 6]] {
      let picture = try read(Array("P5 2 1 255\n".utf8) + [0, 51] + other)
      try expect(picture.colors, [1, 1, 1, 2], [0, 0.2])
      #expect(picture.notes.count == 1 && picture.notes[0].contains("of its 2 pictures the first alone is read"))
    }
  }

  @Test(arguments: [
    "P5 2 2 255\n123", "P5 2 2 0\n1234", "P5 2 2 65536\n12345678", "P5 -2 2 255\n1234", "P5 2 x 255\n1234", "P5 2",
    "P5 2 2 3\n1234", "P2 2 1 3\n2 4", "P2 2 1 3\n2 z", "P2 2 1 3\n2", "P1 2 1\n02", "P7\nWIDTH 2\nENDHDR\n",
    "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 5\nMAXVAL 255\nTUPLTYPE X\nENDHDR\n12345", "PF 1 1 0\n123456789012", "P5 0 2 255\n",
    "P5 99999999999 99999999999 255\n1", "P599 1 1 255\n1", "#?RADIANCE\n\n-Y 1 +Y 1\n",
    "#?RADIANCE\n\n-Y 1 +X 9\n\u{2}",
  ])
  func `what contradicts itself is refused`(text: String) throws {
    let error = try #require(throws: FileError.self) { try read(text) }
    #expect("\(error)".filter(\.isNewline).isEmpty)
  }

  // MARK: BMP

  private func bmp(_ width: Int, _ height: Int, _ depth: Int, _ body: [UInt8], masks: [Int] = [], colors: Int = 0)
    -> [UInt8]
  {
    func words(_ values: Int...) -> [UInt8] { values.flatMap { littleEndian($0, byteCount: 4) } }
    let size = masks.isEmpty ? 40 : 56
    let start = 14 + size + 4 * colors
    var bytes = Array("BM".utf8)
    bytes += words(start + body.count - 4 * colors, 0, start, size, width, height)
    bytes += [1, 0, UInt8(depth), 0]
    bytes += words(masks.isEmpty ? 0 : 3, 0, 0, 0, colors, 0)
    for mask in masks { bytes += words(mask) }
    return bytes + body
  }

  @Test func `bitmaps of every depth are read`() throws {
    // Blue, green, red; rows of four bytes, the lowest first.
    let rows: [[UInt8]] = [[0, 51, 102, 153, 204, 255, 0, 0], [255, 0, 0, 0, 255, 0, 0, 0]]
    let colors = [0, 0, 0.4, 1, 0, 1, 0.2, 0.8, 1, 0, 0, 0.6]
    try expect(try read(bmp(2, 2, 24, rows[0] + rows[1])).colors, [1, 3, 2, 2], colors)
    try expect(try read(bmp(2, -2, 24, rows[1] + rows[0])).colors, [1, 3, 2, 2], colors)

    let masks = [0xFF, 0xFF00, 0xFF0000, 0xFF00_0000]
    let transparent = try read(bmp(1, 1, 32, [51, 102, 153, 204], masks: masks))
    try expect(transparent.colors, [1, 3, 1, 1], [0.2, 0.4, 0.6])
    try expect(transparent.alpha, [1, 1, 1, 1], [0.8])
    let hidden = try read(bmp(1, 1, 32, [51, 102, 153, 0], masks: masks))
    #expect(hidden.alpha.map(\.count) == nil && hidden.notes.count == 1)
    // 5, 6 and 5 bits.
    let packed = littleEndian(31 << 11 | 21 << 5 | 8, byteCount: 2) + [0, 0]
    try expect(
      try read(bmp(1, 1, 16, packed, masks: [0xF800, 0x7E0, 0x1F, 0])).colors, [1, 3, 1, 1], [1, 21.0 / 63, 8.0 / 31])

    let palette: [UInt8] = [0, 0, 255, 0, 51, 51, 51, 0]
    for (depth, row) in [(1, [0b0100_0000]), (4, [0x01, 0x00]), (8, [0, 1, 0])] as [(Int, [UInt8])] {
      let body = palette + row + [UInt8](repeating: 0, count: 4 - row.count)
      try expect(
        try read(bmp(3, 1, depth, body, colors: 2)).colors, [1, 3, 1, 3], [1, 0.2, 1, 0, 0.2, 0, 0, 0.2, 0])
    }
    // Greys are one map.
    try expect(
      try read(bmp(2, 1, 8, [0, 0, 0, 0, 51, 51, 51, 0] + [1, 0, 0, 0], colors: 2)).colors, [1, 1, 1, 2], [0.2, 0])
    for wrong in [
      bmp(2, 2, 24, rows[0]), bmp(1, 1, 8, palette + [2, 0, 0, 0], colors: 2), bmp(1, 1, 7, palette),
      bmp(1, 1, 32, [1, 2, 3, 4], masks: [5, 0xFF00, 0xFF0000, 0]), Array(bmp(9, 9, 24, []).prefix(30)),
    ] {
      #expect(throws: FileError.self) { try read(wrong) }
    }
  }

  // MARK: Light

  @Test func `HDR is light, however its lines are written and ordered`() throws {
    func pixel(_ red: Int, _ green: Int, _ blue: Int, _ exponent: Int) -> [UInt8] {
      [red, green, blue, exponent].map { UInt8($0) }
    }
    let header = "#?RADIANCE\n# a comment\nFORMAT=32-bit_rle_rgbe\n\n"
    // 1 is 128 x 2^-7; (2, 1, 0.5), black, and (0.25, 0.125, 0).
    let pixels = [pixel(128, 64, 32, 130), pixel(9, 9, 9, 0), pixel(128, 64, 0, 127)]
    let light = [2, 0, 0.25, 1, 0, 0.125, 0.5, 0, 0]
    let flat = try read(header + "-Y 1 +X 3\n", pixels.flatMap { $0 })
    try expect(flat.colors, [1, 3, 1, 3], light.map(srgb))
    #expect(flat.is16Bit && flat.alpha.map(\.count) == nil)
    #expect(flat.notes.count == 1 && flat.notes[0].hasSuffix("go beyond 0...1 and are kept"))

    // Orders of rows and columns; (down, across) of the second pixel in the file.
    for (order, place) in [
      ("-Y 2 +X 2", (0, 1)), ("-Y 2 -X 2", (0, 0)), ("+Y 2 +X 2", (1, 1)), ("+Y 2 -X 2", (1, 0)), ("+X 2 -Y 2", (1, 0)),
      ("-X 2 -Y 2", (1, 1)), ("+X 2 +Y 2", (0, 0)), ("-X 2 +Y 2", (0, 1)),
    ] {
      let dark = pixel(0, 0, 0, 0)
      let picture = try read(header + order + "\n", dark + pixel(128, 128, 128, 129) + dark + dark)
      for down in 0...1 {
        for across in 0...1 {
          #expect(try picture.colors[0, 0, down, across] == ((down, across) == place ? 1 : 0), "\(order)")
        }
      }
    }
    // The old form's runs, and the new form's, of a band at a time.
    let old = try read(header + "-Y 1 +X 5\n", pixel(128, 128, 128, 129) + pixel(1, 1, 1, 4))
    try expect(old.colors, [1, 3, 1, 5], [Double](repeating: 1, count: 15))
    // Each pixel begins a number anew; runs in a row are digits of one, the lowest first.
    let (bright, dark) = (pixel(128, 128, 128, 129), pixel(0, 0, 0, 0))
    let runs = bright + pixel(1, 1, 1, 2) + dark + pixel(1, 1, 1, 3) + bright + pixel(1, 1, 1, 2) + pixel(1, 1, 1, 1)
    let greys = [(3, 1.0), (4, 0), (259, 1)].flatMap { count, value in [Double](repeating: value, count: count) }
    try expect(try read(header + "-Y 1 +X 266\n", runs).colors, [1, 3, 1, 266], greys + greys + greys)
    var new: [UInt8] = [2, 2, 0, 9]
    for band in [128, 64, 32] as [UInt8] { new += [128 + 7, band, 2, 0, band] }
    new += [128 + 9, 129]
    let picture = try read(header + "-Y 1 +X 9\n", new)
    let planes = [1, 0.5, 0.25].flatMap { (value: Double) -> [Double] in
      [Double](repeating: value, count: 7) + [0, value]
    }
    try expect(picture.colors, [1, 3, 1, 9], planes.map(srgb))
    #expect(throws: FileError.self) { try read(header + "-Y 1 +X 9\n", new.dropLast()) }
    #expect(throws: FileError.self) { try read(header + "-Y 1 +X 9\n", [2, 2, 0, 9, 128 + 10, 1]) }
  }

  /// An EXR file of one row of floating-point values.
  private func exr(_ channels: [(name: String, values: [Float])]) -> [UInt8] {
    let width = channels[0].values.count
    func little(_ value: Int, _ count: Int = 4) -> [UInt8] { littleEndian(value, byteCount: count) }
    func attribute(_ name: String, _ type: String, _ value: [UInt8]) -> [UInt8] {
      Array("\(name)\0\(type)\0".utf8) + little(value.count) + value
    }
    var list: [UInt8] = []
    for channel in channels { list += Array("\(channel.name)\0".utf8) + little(2) + little(0) + little(1) + little(1) }
    list.append(0)
    let window = little(0) + little(0) + little(width - 1) + little(0)
    var header: [UInt8] = [0x76, 0x2F, 0x31, 0x01, 2, 0, 0, 0]
    header += attribute("channels", "chlist", list) + attribute("compression", "compression", [0])
    header += attribute("dataWindow", "box2i", window) + attribute("displayWindow", "box2i", window)
    header += attribute("lineOrder", "lineOrder", [0]) + attribute("pixelAspectRatio", "float", littleEndian(Float(1)))
    header += attribute("screenWindowCenter", "v2f", little(0) + little(0))
    header += attribute("screenWindowWidth", "float", littleEndian(Float(1))) + [0]
    let values = channels.flatMap(\.values).flatMap { (value: Float) -> [UInt8] in littleEndian(value) }
    return header + little(header.count + 8, 8) + little(0) + little(values.count) + values
  }

  @Test func `EXR is light that is multiplied by alpha`() throws {
    let red: [Float] = [0.25, 2, 0.5]
    let colors = [("B", [Float](repeating: 0, count: 3)), ("G", [0.125, 0.125, 0.125]), ("R", red)]
    let opaque = try read(exr(colors))
    try expect(
      opaque.colors, [1, 3, 1, 3], (red.map(Double.init) + [0.125, 0.125, 0.125, 0, 0, 0]).map(srgb), within: 1e-5)
    #expect(opaque.alpha.map(\.count) == nil)
    let picture = try read(exr([("A", [0.5, 1, 0])] + colors))
    // Where alpha is 0 there is nothing to divide by.
    try expect(
      picture.colors, [1, 3, 1, 3], [0.5, 2, 0.5, 0.25, 0.125, 0.125, 0, 0, 0].map(srgb), within: 1e-5)
    try expect(picture.alpha, [1, 1, 1, 3], [0.5, 1, 0])
    // Wider than what is divided at a time.
    let alpha = (0..<5000).map { Float($0 % 7 + 1) / 8 }
    let wide = try read(exr([("A", alpha), ("B", alpha), ("G", alpha), ("R", alpha.map { $0 / 2 })]))
    try expect(
      wide.colors, [1, 3, 1, 5000], [0.5, 1, 1].flatMap { [Double](repeating: srgb($0), count: 5000) }, within: 1e-5)
    let deep = try read(exr(colors + [("Z", red)]))
    #expect(deep.notes.contains("it has channels, 1, that are neither colours nor alpha and are left out"))
  }
}
