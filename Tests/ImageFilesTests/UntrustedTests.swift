import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// What a stranger's file can reach, and how much it can take.
@Suite struct UntrustedTests {
  private let folder = TemporaryFolder()

  private func fault(_ name: String, _ bytes: [UInt8], maxPixels: Int = Picture.defaultMaxPixels) throws -> String {
    try write(bytes, to: folder.file(name))
    let error = #expect(throws: FileError.self) { try Picture(contentsOf: folder.file(name), maxPixels: maxPixels) }
    return error.map { "\($0)" } ?? ""
  }

  /// Files that ImageMagick or another program would draw, and that name a file or a command.
  @Test(arguments: ["e.png", "e.svg", "e.jpg", "e.mvg", "e"])
  func `a drawing is refused, whatever its name`(name: String) throws {
    let image = "<image width=\"9\" height=\"9\" xlink:href=\"\(folder.file("private.png"))\"/>"
    let space = String(repeating: " ", count: 6000)
    for text in [
      "<svg xmlns=\"http://www.w3.org/2000/svg\">\(image)</svg>",
      "<?xml version=\"1.0\"?><!--\(space)--><svg>\(image)</svg>",
      "\u{FEFF}\n <!DOCTYPE svg><svg>\(image)</svg>", "%PDF-1.4\n1 0 obj",
    ] {
      let text = try fault(name, Array(text.utf8))
      #expect(text.contains("a drawing") || text.contains("PDF"), "\(text)")
      #expect(text.contains("first"), "it does not say what to do: \(text)")
    }
    for text in [
      "push graphic-context\nimage over 0,0 0,0 '\(folder.file("private.png"))'\n", "%!PS-Adobe-3.0\n",
      "<image><read filename=\"private.png\"/></image>", "8BPS\0\u{1}", "id=ImageMagick", "/* XPM */", "# vips 8",
      "1 2 3\n4 5 6", "SIMPLE  =                    T", "MATLAB 5.0 MAT-file", "",
    ] {
      #expect(try fault(name, Array(text.utf8)).contains("not a picture"))
    }
  }

  @Test(arguments: ["png", "bmp", "pgm", "hdr", "tif"])
  func `a picture's size is held against the limit before anything is decoded`(name: String) throws {
    let large = 20000
    let files: [String: [UInt8]] = [
      "png": PNG.file(width: large, height: large, colorType: 2, rows: [[0]]),
      "bmp": Array("BM".utf8) + [UInt8](repeating: 0, count: 8)
        + [54, 40, large, large].flatMap { littleEndian($0, byteCount: 4) } + [1, 0, 24, 0]
        + [UInt8](repeating: 0, count: 24),
      "pgm": Array("P5 \(large) \(large) 255\n".utf8), "hdr": Array("#?RADIANCE\n\n-Y \(large) +X \(large)\n".utf8),
      "tif": TIFF.file([
        TIFF.Page(width: large, height: large, bitsPerSample: 8, samplesPerPixel: 1, photometric: 1, pixels: [0])
      ]),
    ]
    let text = try fault("a.\(name)", try #require(files[name]))
    #expect(text.contains("20000 x 20000") && text.contains("400000000") && text.contains("300000000"), "\(text)")
  }

  @Test func `a side that libvips would take for one pixel is refused`() throws {
    let (long, row) = (10_000_001, [UInt8](repeating: 0, count: 4))
    let page = TIFF.Page(width: long, height: 1, bitsPerSample: 8, samplesPerPixel: 1, photometric: 1, pixels: row)
    #expect(try fault("a.png", PNG.file(width: long, height: 1, colorType: 0, rows: [row])).contains("10000001 x 1"))
    #expect(try fault("a.tif", TIFF.file([page])).contains("10000001 x 1"))
    let picture = try Picture(colors: .zeros([1, 1, long, 1]))
    #expect(throws: FileError.self) { try picture.write(to: folder.file("b.tif")) }
  }

  @Test func `the limit is of all pictures of a file together`() throws {
    let page = TIFF.Page(
      width: 3, height: 2, bitsPerSample: 8, samplesPerPixel: 1, photometric: 1, pixels: [0, 1, 2, 3, 4, 5])
    let gif = GIF(width: 3, height: 2, frames: [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
    let text = Array("P5 3 2 255\n123456P5 3 2 255\n123456".utf8)
    for (name, bytes) in [("a.tif", TIFF.file([page, page])), ("a.gif", gif.file), ("a.pgm", text)] {
      #expect(try fault(name, bytes, maxPixels: 11).contains("the limit of 11"))
      #expect(try Picture(contentsOf: folder.file(name), maxPixels: 12).count == 2)
      #expect(try Picture(contentsOf: folder.file(name), page: 1, maxPixels: 6).count == 1)
    }
  }

  @Test func `mutated files of our own decoders are read or refused`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      try Picture(colors: .randomUniform([1, 3, 9, 9], seed: 9)).write(to: folder.file("m.bmp"))
      let pixels = (0..<48).map { UInt8($0) }
      for original in [
        try bytes(of: folder.file("m.bmp")), Array("P6 4 4 255\n".utf8) + pixels, Array("P2 4 4 99 1 2 3 4 5 6".utf8),
        Array("PF 2 2 -1.0\n".utf8) + pixels, Array("#?RGBE\nFORMAT=32-bit_rle_rgbe\n\n-Y 3 +X 4\n".utf8) + pixels,
        Array("P7\nWIDTH 4\nHEIGHT 4\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n".utf8) + pixels,
      ] {
        var mutator = Mutator(original, header: 0..<min(60, original.count), seed: 3)
        for _ in 0..<300 {
          try write(mutator.next(), to: folder.file("m"))
          do { _ = try Picture(contentsOf: folder.file("m"), maxPixels: 1_000_000) } catch is FileError {}
        }
      }
    }
  }
}
