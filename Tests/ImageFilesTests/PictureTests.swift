import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

@Suite struct PictureTests {
  private let folder = TemporaryFolder()

  /// Values that 8 bits hold exactly.
  private func eightBit(_ shape: Shape, seed: UInt64) throws -> Tensor {
    let values = try Tensor.randomUniform(shape, seed: seed).array(of: Float.self)
    return try Tensor(values.map { ($0 * 255).rounded() / 255 }, shape: shape)
  }

  private func read(_ picture: Picture, as name: String) throws -> Picture {
    try picture.write(to: folder.file(name))
    return try Picture(contentsOf: folder.file(name))
  }

  @Test(arguments: ["a.png", "a.tif", "a.ppm", "A.PNG", "scan[1].png", "with space.tiff"])
  func `formats without loss give back every value`(name: String) throws {
    let colors = try eightBit([1, 3, 5, 7], seed: 1)
    let again = try read(Picture(colors: colors), as: name)
    #expect(again.colors.shape == [1, 3, 5, 7] && again.width == 7 && again.height == 5)
    #expect(again.alpha.map(\.count) == nil && !again.is16Bit)
    #expect(try bits(again.colors) == bits(colors))
  }

  @Test(arguments: ["a.jpg", "a.jpeg", "a.webp", "a.bmp"]) func `formats with loss come close`(name: String) throws {
    let plane = (0..<1024).map { pixel -> Float in Float(pixel / 32 + pixel % 32) / 62 }
    let ramp = try Tensor(plane + plane + plane, shape: [1, 3, 32, 32])
    let again = try read(Picture(colors: ramp), as: name)
    #expect(try meanSquaredError(again.colors, ramp).scalar() < 1e-3)
  }

  @Test(arguments: [false, true]) func `what is between two values of a file becomes the nearer`(is16Bit: Bool) throws {
    let largest: Float = is16Bit ? 65535 : 255
    let codes: [Float] = [0.3, 0.7, 99.4, 99.6, largest - 0.6, largest - 0.4]
    let colors = try Tensor(codes.map { $0 / largest }, shape: [1, 1, 2, 3])
    let again = try read(Picture(colors: colors, is16Bit: is16Bit), as: "n.png")
    #expect(try again.colors.doubles.map { ($0 * Double(largest)).rounded() } == codes.map { Double($0.rounded()) })
  }

  @Test func `grey stays one map`() throws {
    let colors = try eightBit([1, 1, 4, 6], seed: 2)
    let again = try read(Picture(colors: colors), as: "g.png")
    #expect(again.colors.shape == [1, 1, 4, 6])
    #expect(try bits(again.colors) == bits(colors))
  }

  @Test(arguments: [1, 3]) func `transparency is kept apart and comes back`(channels: Int) throws {
    let picture = try Picture(
      colors: eightBit([1, channels, 4, 6], seed: 3), alpha: eightBit([1, 1, 4, 6], seed: 4))
    let again = try read(picture, as: "t.png")
    #expect(again.colors.shape == [1, channels, 4, 6])
    #expect(try bits(again.colors) == bits(picture.colors))
    #expect(try bits(#require(again.alpha)) == bits(#require(picture.alpha)))
  }

  @Test(arguments: ["t.jpg", "t.ppm", "t.bmp"]) func `formats without transparency show white`(name: String)
    throws
  {
    let picture = try Picture(colors: .zeros([1, 3, 16, 16]), alpha: .zeros([1, 1, 16, 16]))
    let again = try read(picture, as: name)
    #expect(again.alpha.map(\.count) == nil)
    #expect(try again.colors.doubles.allSatisfy { $0 > 0.98 })
  }

  @Test(arguments: [1, 3], ["w.png", "w.tif"]) func `16 bits are read and written`(channels: Int, name: String) throws {
    let shape: Shape = [1, channels, 3, 5]
    let values = try Tensor.randomUniform(shape, seed: 5).array(of: Float.self)
    let colors = try Tensor(values.map { ($0 * 65535).rounded() / 65535 }, shape: shape)
    let again = try read(Picture(colors: colors, is16Bit: true), as: name)
    #expect(again.is16Bit && again.colors.shape == shape)
    #expect(try bits(again.colors) == bits(colors))
    // A format of 8 bits is given 8.
    #expect(try !read(Picture(colors: colors, is16Bit: true), as: "w.webp").is16Bit)
  }

  @Test(arguments: 1...8) func `EXIF orientation is applied`(orientation: UInt8) throws {
    // A wide picture, its upper left quarter white.
    let (width, height) = (32, 16)
    let plane = (0..<width * height).map { pixel -> Float in
      pixel / width < height / 2 && pixel % width < width / 2 ? 1 : 0
    }
    let stored = try Tensor(plane + plane + plane, shape: [1, 3, height, width])
    try Picture(colors: stored).write(to: folder.file("e.jpg"))
    // An EXIF segment with the one tag, after the start-of-image marker.
    var exif = Array("Exif".utf8)
    exif += [0, 0, 0x4D, 0x4D, 0, 42, 0, 0, 0, 8]
    exif += [0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]
    exif += [0, 0, 0, 0]
    var jpeg = try bytes(of: folder.file("e.jpg"))
    jpeg.insert(contentsOf: [0xFF, 0xE1, 0, UInt8(exif.count + 2)], at: 2)
    jpeg.insert(contentsOf: exif, at: 6)
    try write(jpeg, to: folder.file("e.jpg"))

    let picture = try Picture(contentsOf: folder.file("e.jpg"))
    let turned = orientation >= 5
    #expect(picture.width == (turned ? height : width) && picture.height == (turned ? width : height))
    // The corner (bottom, right) in which the stored upper left corner is seen.
    let corner = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0)][Int(orientation) - 1]
    for bottom in 0...1 {
      for right in 0...1 {
        let value = try picture.colors[0, 0, bottom * (picture.height - 1), right * (picture.width - 1)]
        #expect((value > 0.5) == (bottom == corner.0 && right == corner.1))
      }
    }
    // Read at a half, which is that of the upright picture.
    let half = try DecodedPicture(
      contentsOf: folder.file("e.jpg"), covering: (picture.height / 2, picture.width / 2))
    #expect(half.height == picture.height / 2 && half.width == picture.width / 2)
    let colors = try half.colors(rows: 0..<half.height, columns: 0..<half.width, on: .cpu)
    #expect(try colors[0, 1, corner.0 * (half.height - 1), corner.1 * (half.width - 1)] > 0.5)
  }

  @Test func `floating point, CMYK, palettes and pages are understood`() throws {
    func read(_ pages: [TIFF.Page]) throws -> Picture {
      try write(TIFF.file(pages), to: folder.file("hand.tif"))
      return try Picture(contentsOf: folder.file("hand.tif"))
    }
    let floats: [Float] = [0, 0.25, 0.5, 1, 1.5, -1]
    let grey = TIFF.Page(
      width: 3, height: 2, bitsPerSample: 32, samplesPerPixel: 1, photometric: 1, sampleFormat: 3,
      pixels: floats.flatMap { littleEndian($0.bitPattern, byteCount: 4) })
    let floatPicture = try read([grey])
    #expect(floatPicture.colors.shape == [1, 1, 2, 3])
    #expect(try floatPicture.colors.array(of: Float.self) == floats)

    // White, black, and full cyan, which has no red.
    let cmyk = TIFF.Page(
      width: 3, height: 1, bitsPerSample: 8, samplesPerPixel: 4, photometric: 5,
      pixels: [0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0])
    let inks = try read([cmyk])
    #expect(inks.colors.shape == [1, 3, 1, 3])
    #expect(try inks.colors[0, 0, 0, 0] > 0.9 && inks.colors[0, 1, 0, 1] < 0.3)
    #expect(try inks.colors[0, 0, 0, 2] < 0.3 && inks.colors[0, 2, 0, 2] > 0.6)

    var colorMap = [UInt16](repeating: 0, count: 768)
    (colorMap[7], colorMap[256 + 7], colorMap[512 + 7]) = (65535, 0, 32896)
    let palette = TIFF.Page(
      width: 1, height: 1, bitsPerSample: 8, samplesPerPixel: 1, photometric: 3, colorMap: colorMap, pixels: [7])
    let entry = try read([palette]).colors.array(of: Float.self)
    #expect(zip(entry, [1, 0, 128.0 / 255]).allSatisfy { abs($0 - $1) < 0.01 })

    let second = TIFF.Page(
      width: 2, height: 2, bitsPerSample: 8, samplesPerPixel: 1, photometric: 1, pixels: [1, 2, 3, 4])
    let differing = try read([second, grey])
    #expect(differing.colors.shape == [1, 1, 2, 2])
    #expect(differing.notes.count == 1 && differing.notes[0].hasPrefix("of its 2 pages page 0 alone is read"))
  }

  @Test func `what is outside 0...1 is clipped, and NaN is black`() throws {
    let colors = try Tensor([-3, 0.2, 7, .nan, .infinity, -.infinity] as [Float], shape: [1, 1, 1, 6])
    let again = try read(Picture(colors: colors), as: "c.png")
    #expect(try again.colors.array(of: Float.self) == [0, 0.2, 1, 0, 1, 0])
  }

  @Test func `either layout and any type can be written`() throws {
    let colors = try eightBit([1, 3, 5, 7], seed: 6)
    let again = try read(Picture(colors: colors.to(.nhwc).to(.float64)), as: "l.png")
    #expect(try bits(again.colors) == bits(colors))
  }

  @Test func `what is not a picture throws and names the file`() throws {
    func expectFault(_ path: String, _ words: String) {
      let error = #expect(throws: FileError.self) { try Picture(contentsOf: path) }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.hasPrefix(path) && text.contains(words) && !text.contains("\n"), "\(text)")
    }
    expectFault(folder.file("none.png"), "No such file")
    expectFault(folder.path, "folder")
    try write([], to: folder.file("empty.png"))
    expectFault(folder.file("empty.png"), "not a picture")
    try write("just text".utf8, to: folder.file("text.jpg"))
    expectFault(folder.file("text.jpg"), "not a picture")
    try Picture(colors: eightBit([1, 3, 64, 64], seed: 7)).write(to: folder.file("cut.png"))
    try write(bytes(of: folder.file("cut.png")).prefix(3000), to: folder.file("cut.png"))
    expectFault(folder.file("cut.png"), "not a picture")
  }

  @Test func `what cannot be written throws and leaves the old file`() throws {
    let picture = try Picture(colors: eightBit([1, 3, 4, 4], seed: 8))
    for name in ["x.xyz", "x", "x.", ".png/", "missing/x.png", "x.png[Q=3]", "x.v", "x.csv", "x.mat", "x.dz"] {
      #expect(throws: FileError.self, "\(name)") { try picture.write(to: folder.file(name)) }
    }
    #expect(!Picture.canWrite(to: "x.xyz") && !Picture.canWrite(to: "x") && Picture.canWrite(to: "x.PNG"))
    #expect(folder.contents == [])
    for shape in [[3, 4, 4], [2, 4, 4, 4], [1, 2, 4, 4], [1, 3, 0, 4], []] as [Shape] {
      #expect(throws: TensorError.self) { try Picture(colors: .zeros(shape)) }
    }
    #expect(throws: TensorError.self) { try Picture(colors: .zeros([1, 3, 4, 4]), alpha: .zeros([1, 1, 4, 5])) }
  }

  @Test func `mutated pictures are read or refused`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let values = try Tensor.randomUniform([1, 3, 24, 24], seed: 9)
      for name in ["m.png", "m.jpg", "m.tif"] {
        let path = folder.file(name)
        try Picture(colors: values).write(to: path)
        let original = try bytes(of: path)
        var mutator = Mutator(original, header: 0..<min(200, original.count), seed: 3)
        for _ in 0..<200 {
          try write(mutator.next(), to: path)
          do { _ = try Picture(contentsOf: path) } catch is FileError {}
        }
      }
    }
  }
}
