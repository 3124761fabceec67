import ArrayFiles

/// Windows bitmaps, which libvips would leave to ImageMagick: palettes of 1, 4 and 8 bits and colours of 16, 24 and 32
/// bits, not compressed.
enum BMP {
  /// Where the bits of a band are in a pixel.
  private struct Mask {
    let shift: Int
    let largest: Int

    init?(_ bits: Int) {
      guard bits != 0 else { return nil }
      shift = bits.trailingZeroBitCount
      largest = bits >> shift
      // One run of bits.
      guard largest & (largest + 1) == 0 else { return nil }
    }

    func value(in pixel: Int) -> Int { pixel >> shift & largest }
  }

  /// - Throws: ``FileError``.
  static func read(_ file: FileReader, _ request: ReadingRequest) throws -> Raster {
    func fault(_ reason: String) -> FileError { ByteStream(file).fault(reason) }
    func unsupported(_ reason: String) -> FileError { .unsupported(path: file.path, reason: reason) }

    var stream = ByteStream(file, at: 10)
    let pixelsPlace = try stream.little(4)
    let headerSize = try stream.little(4)
    let isOld = headerSize == 12
    guard isOld || (40...1024).contains(headerSize) else { throw fault("its header has \(headerSize) bytes") }
    func signed(_ value: Int) -> Int { Int(Int32(truncatingIfNeeded: value)) }
    let width = isOld ? try stream.little(2) : signed(try stream.little(4))
    let storedHeight = isOld ? try stream.little(2) : signed(try stream.little(4))
    _ = try stream.little(2)
    let depth = try stream.little(2)
    let compression = isOld ? 0 : try stream.little(4)
    if !isOld { stream.skip(12) }
    let colorCount = isOld ? 0 : try stream.little(4)
    if !isOld { stream.skip(4) }
    // From the lowest row up, unless the height is negative.
    let height = abs(storedHeight)
    try request.check(width, height, path: file.path)
    _ = try request.pages(of: 1, path: file.path)
    guard [0, 3, 6].contains(compression) else { throw unsupported("a compressed BMP; save it as a PNG") }

    let rowSize = (width * depth + 31) / 32 * 4
    guard pixelsPlace <= file.size, rowSize * height <= file.size - pixelsPlace + 3 else {
      throw fault("it is truncated: \(width) x \(height) pixels end at byte \(pixelsPlace + rowSize * height)")
    }
    func forEachRow(_ body: (_ row: Int, _ bytes: [UInt8]) throws -> Void) throws {
      for stored in 0..<height {
        let place = pixelsPlace + stored * rowSize
        let count = min(rowSize, file.size - place)
        guard count * 8 >= width * depth else { throw fault("it is truncated") }
        try body(
          storedHeight < 0 ? stored : height - 1 - stored, try file.bytes(at: place, count: count, what: "a row"))
      }
    }

    switch depth {
    case 1, 4, 8:
      let entrySize = isOld ? 3 : 4
      let count = colorCount == 0 ? 1 << depth : min(colorCount, 1 << depth)
      let table = try file.bytes(at: 14 + headerSize, count: count * entrySize, what: "its palette")
      let palette = (0..<count).map { entry in (0..<3).map { table[entry * entrySize + 2 - $0] } }
      let isGrey = palette.allSatisfy { $0[0] == $0[1] && $0[1] == $0[2] }
      let channels = isGrey ? 1 : 3
      let memory = try PixelMemory.make(width * height * channels, of: .uint8, for: file.path)
      try forEachRow { row, bytes in
        for column in 0..<width {
          let bit = column * depth
          let index = Int(bytes[bit / 8]) >> (8 - depth - bit % 8) & (1 << depth - 1)
          guard index < count else { throw fault("it has colour \(index) of a palette of \(count)") }
          for band in 0..<channels { memory.bytes[(row * width + column) * channels + band] = palette[index][band] }
        }
      }
      return Raster(
        width: width, height: height, channels: channels, colors: Samples(memory, .uint8, bands: channels))

    case 16, 24, 32:
      var bits = depth == 16 ? [0x7C00, 0x3E0, 0x1F, 0] : [0xFF0000, 0xFF00, 0xFF, 0]
      if compression != 0 {
        guard depth != 24 else { throw fault("its colours are of 24 bits, and its header gives their places") }
        bits = try (0..<3).map { _ in try stream.little(4) }
        bits.append(headerSize >= 56 || compression == 6 ? try stream.little(4) : 0)
      }
      let masks = bits.map(Mask.init)
      guard let red = masks[0], let green = masks[1], let blue = masks[2] else {
        throw unsupported("colours of scattered bits")
      }
      let bands = [red, green, blue] + (masks[3].map { [$0] } ?? [])
      let isPlain = bands.allSatisfy { $0.largest == 255 }
      let kind: Samples.Kind = isPlain ? .uint8 : .float
      let memory = try PixelMemory.make(width * height * bands.count, of: kind, for: file.path)
      var largestAlpha = 0
      try forEachRow { row, bytes in
        for column in 0..<width {
          let place = column * depth / 8
          let pixel = (0..<depth / 8).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
          for (band, mask) in bands.enumerated() {
            let value = mask.value(in: pixel)
            let index = (row * width + column) * bands.count + band
            if band == 3 { largestAlpha = max(largestAlpha, value) }
            if isPlain {
              memory.bytes[index] = UInt8(value)
            } else {
              let share = Float(value) / Float(mask.largest)
              memory.bytes.storeBytes(of: share, toByteOffset: 4 * index, as: Float.self)
            }
          }
        }
      }
      let samples = Samples(memory, kind, bands: bands.count)
      var raster = Raster(width: width, height: height, channels: 3, colors: samples)
      raster.isDeep = bands.contains { $0.largest > 255 }
      if bands.count == 4, largestAlpha > 0 {
        raster.alpha = samples.from(3)
      } else if bands.count == 4 {
        raster.notes.append("its transparency, which would hide all of it, is left out")
      }
      return raster

    default: throw unsupported("a BMP of \(depth) bits a pixel")
    }
  }

  /// The bytes of a file, of 8 bits a pixel for grey and 24 for colour.
  ///
  /// - Parameter pixels: from the upper left on, row by row; red, green, blue or one grey.
  static func encoded(_ pixels: [UInt8], width: Int, height: Int, channels: Int) -> [UInt8] {
    func little(_ value: Int, _ byteCount: Int) -> [UInt8] { (0..<byteCount).map { UInt8(value >> (8 * $0) & 0xFF) } }
    let rowSize = (width * channels + 3) / 4 * 4
    let paletteSize = channels == 1 ? 256 : 0
    let start = 54 + 4 * paletteSize
    var bytes = Array("BM".utf8) + little(start + rowSize * height, 4) + little(0, 4) + little(start, 4)
    bytes += little(40, 4) + little(width, 4) + little(height, 4) + little(1, 2) + little(8 * channels, 2)
    // Not compressed; 72 dots an inch.
    bytes += little(0, 4) + little(rowSize * height, 4) + little(2835, 4) + little(2835, 4)
    bytes += little(paletteSize, 4) + little(0, 4)
    for grey in 0..<paletteSize { bytes += [UInt8(grey), UInt8(grey), UInt8(grey), 0] }
    bytes.reserveCapacity(start + rowSize * height)
    for row in (0..<height).reversed() {
      for column in 0..<width {
        let place = (row * width + column) * channels
        for band in (0..<channels).reversed() { bytes.append(pixels[place + band]) }
      }
      bytes += [UInt8](repeating: 0, count: rowSize - width * channels)
    }
    return bytes
  }
}
