import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import TestSupport
import Testing

/// Values of every type, number of bands, kind of alpha and profile, in files that are written by hand.
@Suite struct TIFFMatrixTests {
  private let folder = TemporaryFolder()

  private func read(_ page: TIFF.Page) throws -> Picture {
    try write(TIFF.file([page]), to: folder.file("hand.tif"))
    return try Picture(contentsOf: folder.file("hand.tif"))
  }

  enum Alpha: CaseIterable { case none, straight, premultiplied }

  enum Kind: String, CaseIterable {
    case uint8, uint16, uint32, float

    var largest: Double { [255, 65535, 4_294_967_295, 1][Kind.allCases.firstIndex(of: self)!] }
    var byteCount: Int { self == .uint8 ? 1 : self == .uint16 ? 2 : 4 }

    func bytes(_ value: Double) -> [UInt8] {
      self == .float ? littleEndian(Float(value)) : littleEndian(Int(value), byteCount: byteCount)
    }
  }

  @Test(arguments: Kind.allCases, Alpha.allCases)
  func `every type, number of bands, alpha and profile is brought to one form`(kind: Kind, alpha: Alpha) throws {
    for (channels, hasProfile) in [(1, false), (3, false), (1, true), (3, true)] {
      let name = "\(kind), \(channels), \(alpha), profile \(hasProfile)"
      let opacity = [1, 0.4, 0.8]
      var (stored, colors, alphas) = ([UInt8](), [[Double]](repeating: [], count: channels), [Double]())
      for pixel in 0..<3 {
        func whole(_ value: Double) -> Double {
          kind == .float ? Double(Float(value)) : (value * kind.largest).rounded()
        }
        let opaque = whole(opacity[pixel])
        for channel in 0..<channels {
          let color = [0.2, 0.55, 0.9][(pixel + channel) % 3]
          let value = whole(alpha == .premultiplied ? color * opacity[pixel] : color)
          stored += kind.bytes(value)
          colors[channel].append(value / (alpha == .premultiplied ? opaque : kind.largest))
        }
        if alpha != .none { stored += kind.bytes(opaque) }
        alphas.append(opaque / kind.largest)
      }
      let page = TIFF.Page(
        width: 3, height: 1, bitsPerSample: 8 * kind.byteCount, samplesPerPixel: channels + (alpha == .none ? 0 : 1),
        photometric: channels == 1 ? 1 : 2, sampleFormat: kind == .float ? 3 : 1,
        extraSamples: alpha == .none ? [] : [alpha == .premultiplied ? 1 : 2],
        profile: hasProfile ? channels == 1 ? Profile.grey : Profile.exchangedColors : [], pixels: stored)
      if alpha == .premultiplied, kind == .uint32 || (kind == .float && hasProfile) {
        #expect(throws: FileError.self, "\(name)") { try read(page) }
        continue
      }
      let picture = try read(page)
      if hasProfile {
        colors = colors.map { $0.map { srgb(pow($0, Profile.gamma)) } }
        if channels == 3 { colors.swapAt(0, 1) }
      } else if kind == .float, channels == 3 {
        colors = colors.map { $0.map(srgb) }
      }
      // Eight bits are divided by alpha, and converted, in eight bits.
      let isRounded = kind == .uint8 && (alpha == .premultiplied || hasProfile)
      let tolerance = isRounded ? 2.1 / 255 : hasProfile ? 2e-3 : alpha == .premultiplied ? 2e-5 : 1e-6
      try expect(picture.colors, [1, channels, 1, 3], colors.flatMap { $0 }, within: tolerance, name)
      if alpha == .none {
        #expect(picture.alpha.map(\.count) == nil, "\(name)")
      } else {
        try expect(picture.alpha, [1, 1, 1, 3], alphas, name)
      }
      #expect(picture.is16Bit == (kind != .uint8) && picture.notes == [], "\(name): \(picture.notes)")
    }
  }

  @Test(arguments: [1, 2, 4, 8], [0, 1]) func `grey of few bits and from white to black`(bits: Int, photometric: Int)
    throws
  {
    let largest = 1 << bits - 1
    let values = [0, largest, largest / 2, 1 % (largest + 1)]
    var packed = values.reduce(0) { $0 << bits | $1 }
    let byteCount = (4 * bits + 7) / 8
    packed <<= 8 * byteCount - 4 * bits
    let picture = try read(
      TIFF.Page(
        width: 4, height: 1, bitsPerSample: bits, samplesPerPixel: 1, photometric: photometric,
        pixels: bigEndian(packed, byteCount)))
    let greys = values.map { Double($0) / Double(largest) }
    try expect(picture.colors, [1, 1, 1, 4], photometric == 0 ? greys.map { 1 - $0 } : greys)
  }

  @Test func `what has no limit of its own is kept as it is, and announced`() throws {
    func page(_ bits: Int, _ format: Int, _ pixels: [UInt8], profile: [UInt8] = []) -> TIFF.Page {
      TIFF.Page(
        width: 3, height: 1, bitsPerSample: bits, samplesPerPixel: 1, photometric: 1, sampleFormat: format,
        profile: profile, pixels: pixels)
    }
    let floats = [0, 127.5, 255].flatMap { littleEndian(Float($0)) }
    let grey = try read(page(32, 3, floats))
    try expect(grey.colors, [1, 1, 1, 3], [0, 127.5, 255])
    #expect(grey.notes == ["its values, 0.0 to 255.0, go beyond 0...1 and are kept"])
    for bits in [8, 16, 32] {
      let integers = [-100, 0, 99].flatMap { littleEndian($0, byteCount: bits / 8) }
      let picture = try read(page(bits, 2, integers))
      try expect(picture.colors, [1, 1, 1, 3], [-100, 0, 99])
      #expect(picture.notes == ["its values, -100.0 to 99.0, go beyond 0...1 and are kept"])
      #expect(throws: FileError.self) { try read(page(bits, 2, integers, profile: Profile.grey)) }
    }
    let odd = try read(page(32, 3, [Float.nan, .infinity, 0.5].flatMap(littleEndian)))
    #expect(try odd.colors[0, 0, 0, 0].isNaN && odd.colors[0, 0, 0, 1] == .infinity && odd.notes.count == 2)

    // A profile is for 0...1.
    let clipped = try read(page(32, 3, floats, profile: Profile.grey))
    try expect(clipped.colors, [1, 1, 1, 3], [0, 1, 1], within: 1e-4)
    #expect(clipped.notes == ["its values, 0.0 to 255.0, are clipped to 0...1, which its colour profile is for"])
    // Nothing is clipped where the profile is left out.
    let unclipped = try read(page(32, 3, floats, profile: Array("no profile".utf8)))
    try expect(unclipped.colors, [1, 1, 1, 3], [0, 127.5, 255])
    #expect(unclipped.notes.count == 2 && unclipped.notes[1] == grey.notes[0])
    let ignored = try read(page(8, 1, [0, 51, 255], profile: Array("no profile".utf8)))
    try expect(ignored.colors, [1, 1, 1, 3], [0, 0.2, 1])
    #expect(ignored.notes == ["its colour profile, which is damaged or for other values, is left out"])
  }

  @Test func `a band that could be anything is announced, and one too many refused`() throws {
    func page(_ samples: Int, photometric: Int, _ extra: [Int]) -> TIFF.Page {
      TIFF.Page(
        width: 1, height: 1, bitsPerSample: 8, samplesPerPixel: samples, photometric: photometric, extraSamples: extra,
        pixels: [51, 102, 153, 204, 255].prefix(samples).map { $0 })
    }
    let picture = try read(page(4, photometric: 2, [0]))
    try expect(picture.colors, [1, 3, 1, 1], [0.2, 0.4, 0.6])
    try expect(picture.alpha, [1, 1, 1, 1], [0.8])
    #expect(picture.notes == ["its last band, which could be of any kind, is taken as transparency"])
    for refused in [
      page(5, photometric: 2, [2, 0]), page(5, photometric: 2, [0, 0]), page(3, photometric: 1, [0, 0]),
    ] {
      let error = try #require(throws: FileError.self) { try read(refused) }
      #expect("\(error)".contains("\(refused.samplesPerPixel) bands"), "\(error)")
    }
  }

  @Test(arguments: [(1, 12), (1, 64), (2, 64), (3, 16), (3, 64), (6, 64)])
  func `what libvips does not read is named`(format: Int, bits: Int) throws {
    let page = TIFF.Page(
      width: 2, height: 1, bitsPerSample: bits, samplesPerPixel: 1, photometric: 1, sampleFormat: format,
      pixels: [UInt8](repeating: 0, count: bits / 4))
    let error = try #require(throws: FileError.self) { try read(page) }
    #expect("\(error)".contains(" of \(bits) bits"), "\(error)")
  }

  @Test func `Lab becomes sRGB`() throws {
    // White, black, and the grey of lightness 54.1 %, of which sRGB's code is about a half.
    let picture = try read(
      TIFF.Page(
        width: 3, height: 1, bitsPerSample: 8, samplesPerPixel: 3, photometric: 8,
        pixels: [255, 0, 0, 0, 0, 0, 138, 0, 0]))
    let lightness: Double = 100 * 138 / 255
    let light = pow((lightness + 16) / 116, 3)
    for channel in 0..<3 {
      for (pixel, value) in [1, 0, srgb(light)].enumerated() {
        #expect(abs(try picture.colors[0, channel, 0, pixel] - value) < 5e-3)
      }
    }
  }

  @Test(arguments: 1...8) func `orientation is applied`(orientation: Int) throws {
    // 0 1 2
    // 3 4 5
    let picture = try read(
      TIFF.Page(
        width: 3, height: 2, bitsPerSample: 8, samplesPerPixel: 1, photometric: 1, orientation: orientation,
        pixels: [0, 1, 2, 3, 4, 5]))
    let turned = [
      [0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3], [5, 4, 3, 2, 1, 0], [3, 4, 5, 0, 1, 2],
      [0, 3, 1, 4, 2, 5], [3, 0, 4, 1, 5, 2], [5, 2, 4, 1, 3, 0], [2, 5, 1, 4, 0, 3],
    ][orientation - 1]
    let shape: Shape = orientation < 5 ? [1, 1, 2, 3] : [1, 1, 3, 2]
    try expect(picture.colors, shape, turned.map { Double($0) / 255 })
  }
}
