import ArrayFiles
import Foundation

/// Radiance pictures (.hdr, .pic): 8 bits of each colour and an exponent that they share, as linear light.
///
/// libvips reads them as well, and overlooks how the rows are ordered.
enum Radiance {
  /// - Throws: ``FileError``.
  static func read(_ file: FileReader, _ request: ReadingRequest) throws -> Raster {
    var stream = ByteStream(file)
    var (isXYZ, notes) = (false, [String]())
    while true {
      let line = try stream.line()
      if line.isEmpty { break }
      if line.hasPrefix("FORMAT=") {
        isXYZ = line.hasSuffix("xyze")
        guard isXYZ || line.hasSuffix("rgbe") else { throw stream.fault("its header names an unknown form of values") }
      }
      if line.hasPrefix("PRIMARIES=") {
        let numbers = line.dropFirst(10).split(separator: " ").compactMap { Double($0) }
        // Radiance's own differ from those of sRGB by less than this.
        let isUsual = zip(numbers, [0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.329]).allSatisfy {
          abs($0 - $1) < 0.03
        }
        if !isUsual { notes.append("its primaries are taken for those of sRGB") }
      }
    }

    // "-Y 512 +X 768": 512 rows from the top, of 768 pixels from the left.
    let words = try stream.line().split(separator: " ")
    guard words.count == 4, let outer = Axis(words[0], words[1]), let inner = Axis(words[2], words[3]),
      outer.isVertical != inner.isVertical
    else { throw stream.fault("its header has no size") }
    let (width, height) = outer.isVertical ? (inner.count, outer.count) : (outer.count, inner.count)
    try request.check(width, height, path: file.path)
    _ = try request.pages(of: 1, path: file.path)
    // A run is of 127 values at most, and takes two bytes; in the old form, of up to 2^24 pixels.
    let memory = try PixelMemory.make(width * height * 3, of: .float, for: file.path)

    var line = [UInt8](repeating: 0, count: 4 * inner.count)
    for step in 0..<outer.count {
      try readLine(&line, &stream)
      for (index, place) in stride(from: 0, to: line.count, by: 4).enumerated() {
        let (down, across) = outer.isVertical ? (outer[step], inner[index]) : (inner[index], outer[step])
        let factor = line[place + 3] == 0 ? 0 : scalbn(1, Int(line[place + 3]) - 136)
        var color = SIMD3(Double(line[place]), Double(line[place + 1]), Double(line[place + 2])) * factor
        if isXYZ { color = linearRGB(color) }
        for band in 0..<3 {
          memory.bytes.storeBytes(
            of: Float(color[band]), toByteOffset: 4 * (3 * (down * width + across) + band), as: Float.self)
        }
      }
    }
    return Raster(
      width: width, height: height, channels: 3, colors: Samples(memory, .float, bands: 3), isLinear: true,
      isDeep: true, notes: notes)
  }

  /// One axis of the picture, in the order of the file.
  private struct Axis {
    let isVertical: Bool
    let isReversed: Bool
    let count: Int

    init?(_ name: Substring, _ number: Substring) {
      guard ["-Y", "+Y", "-X", "+X"].contains(name), let count = Int(number), count > 0 else { return nil }
      self.count = count
      isVertical = name.hasSuffix("Y")
      // Y counts upwards, and the first row of a tensor is the uppermost.
      isReversed = name == "+Y" || name == "-X"
    }

    subscript(step: Int) -> Int { isReversed ? count - 1 - step : step }
  }

  /// Reads one line of pixels, four bytes each, in any of the format's three ways.
  private static func readLine(_ line: inout [UInt8], _ stream: inout ByteStream) throws {
    let count = line.count / 4
    var first = [try stream.next(), try stream.next(), try stream.next(), try stream.next()]
    if first[0] == 2, first[1] == 2, first[2] < 128, (8..<32768).contains(count) {
      guard Int(first[2]) << 8 | Int(first[3]) == count else { throw stream.fault("a line is not of its length") }
      for band in 0..<4 {
        var pixel = 0
        while pixel < count {
          let code = Int(try stream.next())
          let (isRun, length) = code > 128 ? (true, code - 128) : (false, code)
          guard length > 0, length <= count - pixel else { throw stream.fault("a run goes beyond its line") }
          let value = isRun ? try stream.next() : 0
          for _ in 0..<length {
            line[4 * pixel + band] = isRun ? value : try stream.next()
            pixel += 1
          }
        }
      }
      return
    }
    var (pixel, shift) = (0, 0)
    while true {
      if first[0] == 1, first[1] == 1, first[2] == 1 {
        // The old form's runs repeat the pixel before; runs in a row are digits of one number.
        let length = Int(first[3]) << shift
        guard pixel > 0, length <= count - pixel else { throw stream.fault("a run goes beyond its line") }
        for _ in 0..<length {
          for band in 0..<4 { line[4 * pixel + band] = line[4 * pixel - 4 + band] }
          pixel += 1
        }
        shift = min(shift + 8, 32)
      } else {
        for band in 0..<4 { line[4 * pixel + band] = first[band] }
        pixel += 1
        shift = 0
      }
      if pixel == count { return }
      first = [try stream.next(), try stream.next(), try stream.next(), try stream.next()]
    }
  }

  /// From CIE XYZ, IEC 61966-2-1.
  private static func linearRGB(_ xyz: SIMD3<Double>) -> SIMD3<Double> {
    SIMD3(3.2406, -0.9689, 0.0557) * xyz.x + SIMD3(-1.5372, 1.8758, -0.2040) * xyz.y
      + SIMD3(-0.4986, 0.0415, 1.0570) * xyz.z
  }
}
