import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// A GIF file put together by hand: greys 0, 2, 4 and so on.
struct GIF {
  let width: Int
  let height: Int
  /// Indexes into the palette, below 128.
  let frames: [[UInt8]]
  /// Hundredths of a second.
  var delays: [Int] = []
  var repeats: Int?

  var file: [UInt8] {
    var bytes = Array("GIF89a".utf8) + littleEndian(width, byteCount: 2) + littleEndian(height, byteCount: 2)
    bytes += [0xF6, 0, 0] + (0..<128).flatMap { [UInt8](repeating: 2 * $0, count: 3) }
    if let repeats {
      bytes += [0x21, 0xFF, 11] + Array("NETSCAPE2.0".utf8) + [3, 1] + littleEndian(repeats, byteCount: 2) + [0]
    }
    for (index, frame) in frames.enumerated() {
      let delay = index < delays.count ? delays[index] : 0
      bytes += [0x21, 0xF9, 4, 0] + littleEndian(delay, byteCount: 2) + [0, 0]
      bytes += [0x2C, 0, 0, 0, 0] + littleEndian(width, byteCount: 2) + littleEndian(height, byteCount: 2) + [0]
      // Codes of 8 bits, as long as the table is cleared (128) before it has grown to more; 129 is the end.
      bytes += [7, UInt8(frame.count + 2), 128] + frame + [129, 0]
    }
    return bytes + [0x3B]
  }
}

/// Files that hold several pictures.
@Suite struct AnimationTests {
  private let folder = TemporaryFolder()
  private let frames: [[UInt8]] = [[0, 10, 20, 30], [40, 50, 60, 70], [80, 90, 100, 110]]

  private var greys: [Double] { frames.flatMap { $0 }.map { 2 * Double($0) / 255 } }

  @Test func `all frames of an animation are read, and when they are shown`() throws {
    let gif = GIF(width: 2, height: 2, frames: frames, delays: [5, 10, 20], repeats: 4)
    try write(gif.file, to: folder.file("a.gif"))
    let all = try Picture(contentsOf: folder.file("a.gif"))
    #expect(all.count == 3 && all.colors.shape[0] == 3 && all.timing?.delays == [50, 100, 200])
    let channels = all.colors.shape[1]
    for picture in 0..<3 {
      let one = try Picture(contentsOf: folder.file("a.gif"), page: picture)
      #expect(one.count == 1 && one.timing == nil)
      for channel in 0..<channels {
        for pixel in 0..<4 {
          let expected = greys[4 * picture + pixel]
          #expect(abs(try all.colors[picture, channel, pixel / 2, pixel % 2] - expected) < 1e-6)
          #expect(abs(try one.colors[0, channel, pixel / 2, pixel % 2] - expected) < 1e-6)
        }
      }
    }
    for page in [3, -1] {
      let error = try #require(throws: FileError.self) { try Picture(contentsOf: folder.file("a.gif"), page: page) }
      #expect("\(error)".contains("page \(page)") && "\(error)".contains("3 pages"))
    }
    // The mark of the end is often missing; whatever else is, a frame would be lost.
    for lost in 1...27 {
      try write(gif.file.dropLast(lost), to: folder.file("cut.gif"))
      if lost == 1 {
        #expect(try Picture(contentsOf: folder.file("cut.gif")).count == 3)
      } else {
        #expect(throws: FileError.self, "\(lost)") { try Picture(contentsOf: folder.file("cut.gif")) }
      }
    }
  }

  @Test(arguments: ["a.gif", "a.webp", "a.tif"], [1, 3]) func `several pictures are written and come back`(
    name: String, channels: Int
  ) throws {
    // Plain surfaces, which all three formats keep.
    let levels = [0.2, 0.6, 1].flatMap { level in [Float](repeating: Float(level), count: channels * 64) }
    let colors = try Tensor(levels, shape: [3, channels, 8, 8])
    let timing = Picture.Timing(delays: [40, 100, 200], repeats: 2)
    try Picture(colors: colors, timing: timing).write(to: folder.file(name))
    let again = try Picture(contentsOf: folder.file(name))
    #expect(again.count == 3 && again.width == 8 && again.height == 8)
    for picture in 0..<3 {
      #expect(abs(try again.colors[picture, 0, 4, 4] - [0.2, 0.6, 1][picture]) < 0.02, "\(picture)")
    }
    if name != "a.tif" { #expect(again.timing == timing) }
    #expect(try Picture(contentsOf: folder.file(name), page: 2).count == 1)
  }

  @Test func `frames beyond the delays are shown as long as the last that has one`() throws {
    let colors = try Tensor(
      [Float](repeating: 0, count: 64) + [Float](repeating: 1, count: 64) + [Float](repeating: 0.5, count: 64),
      shape: [3, 1, 8, 8])
    for (delays, expected) in [([40, 250], [40, 250, 250]), ([], [100, 100, 100])] as [([Int], [Int])] {
      try Picture(colors: colors, timing: Picture.Timing(delays: delays, repeats: 0)).write(to: folder.file("a.gif"))
      #expect(try Picture(contentsOf: folder.file("a.gif")).timing?.delays == expected)
    }
  }

  @Test func `thousands of pages are read one at a time`() throws {
    let pages = (0..<4097).map { index in
      TIFF.Page(
        width: 1, height: 1, bitsPerSample: 8, samplesPerPixel: 1, photometric: 1, pixels: [UInt8(index % 256)])
    }
    try write(TIFF.file(pages), to: folder.file("a.tif"))
    let error = try #require(throws: FileError.self) { try Picture(contentsOf: folder.file("a.tif")) }
    #expect("\(error)".contains("4097 pages"))
    try expect(Picture(contentsOf: folder.file("a.tif"), page: 4000).colors, [1, 1, 1, 1], [160.0 / 255])
  }

  @Test(arguments: ["a.png", "a.jpg", "a.bmp", "a.ppm"]) func `a format of one picture refuses several`(name: String)
    throws
  {
    let error = try #require(throws: FileError.self) {
      try Picture(colors: .zeros([3, 1, 4, 4])).write(to: folder.file(name))
    }
    #expect("\(error)".contains("(3, 1, 4, 4)") && "\(error)".contains(".gif"))
    #expect(folder.contents == [])
  }

  @Test func `what a decoder leaves out is announced`() throws {
    func notes(_ chunks: [UInt8]) throws -> [String] {
      let file = PNG.file(width: 2, height: 1, colorType: 0, rows: [[0, 51]], chunks: chunks)
      try write(file, to: folder.file("a.png"))
      let picture = try Picture(contentsOf: folder.file("a.png"))
      try expect(picture.colors, [1, 1, 1, 2], [0, 0.2])
      return picture.notes
    }
    #expect(try notes([]) == [])
    #expect(try notes(PNG.chunk("gAMA", bigEndian(45455, 4))) == [])
    #expect(try notes(PNG.chunk("gAMA", bigEndian(100_000, 4))).count == 1)
    #expect(try notes(PNG.chunk("gAMA", bigEndian(100_000, 4)) + PNG.chunk("sRGB", [0])) == [])
    let control = PNG.chunk("acTL", bigEndian(2, 4) + bigEndian(0, 4))
    #expect(try notes(control) == ["an animated PNG, of which one picture is read"])
  }

  @Test(arguments: [1, 2, 4, 8, 16]) func `PNG of every depth`(depth: Int) throws {
    let largest = 1 << depth - 1
    let values = [0, largest, largest / 2, 1]
    let bits = values.reduce(0) { $0 << depth | $1 } << ((8 - 4 * depth % 8) % 8)
    let row = bigEndian(bits, (4 * depth + 7) / 8)
    try write(
      PNG.file(width: 4, height: 1, depth: depth, colorType: 0, rows: [row]), to: folder.file("a.png"))
    let picture = try Picture(contentsOf: folder.file("a.png"))
    try expect(picture.colors, [1, 1, 1, 4], values.map { Double($0) / Double(largest) })
    #expect(picture.is16Bit == (depth == 16))
  }
}
