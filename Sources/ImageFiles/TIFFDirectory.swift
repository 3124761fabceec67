import ArrayFiles

/// What a page of a TIFF file says of its values that libvips does not pass on.
struct TIFFDirectory {
  private(set) var width = 0
  private(set) var height = 0
  /// Bits of each value; values of unequal sizes are refused.
  private(set) var bits = 1
  /// 1 for unsigned integers, 2 for signed ones, 3 for floating point, 5 and 6 for complex numbers.
  private(set) var sampleFormat = 1
  private(set) var samplesPerPixel = 1
  private(set) var photometric = 1
  /// What each band behind the colours is: 0 for anything, 1 for alpha that colours are multiplied by, 2 for alpha.
  private(set) var extraSamples: [Int] = []

  /// - Parameter page: the page, counted from 0.
  /// - Throws: ``FileError`` when the file has no such page, or ends within it.
  init(_ file: FileReader, page: Int) throws {
    let start = try file.bytes(at: 0, count: 8, what: "its header")
    let isBig = start[0] == UInt8(ascii: "M")
    let isWide = start[2] | start[3] == 43
    func number(at place: Int, _ byteCount: Int) throws -> Int {
      let bytes = try file.bytes(at: place, count: byteCount, what: "a directory")
      let number = (isBig ? bytes : bytes.reversed()).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard let number = Int(exactly: number), number <= file.size || byteCount < 8 else {
        throw ByteStream(file).fault("a directory of its has no place in the file")
      }
      return number
    }
    let (countSize, entrySize, wordSize) = isWide ? (8, 20, 8) : (2, 12, 4)
    var place = try number(at: isWide ? 8 : 4, wordSize)
    for _ in 0..<page {
      place += countSize + entrySize * (try number(at: place, countSize))
      place = try number(at: place, wordSize)
    }
    for entry in 0..<(try number(at: place, countSize)) {
      let entryPlace = place + countSize + entry * entrySize
      let tag = try number(at: entryPlace, 2)
      guard [256, 257, 258, 262, 277, 338, 339].contains(tag) else { continue }
      let valueSize = [3: 2, 4: 4, 16: 8][try number(at: entryPlace + 2, 2)] ?? 1
      let count = min(try number(at: entryPlace + 4, isWide ? 8 : 4), 64)
      let field = entryPlace + (isWide ? 12 : 8)
      let valuesPlace = count * valueSize > wordSize ? try number(at: field, wordSize) : field
      let values = try (0..<count).map { try number(at: valuesPlace + $0 * valueSize, valueSize) }
      switch tag {
      case 256: width = values.first ?? width
      case 257: height = values.first ?? height
      case 258:
        guard Set(values).count < 2 else {
          throw FileError.unsupported(path: file.path, reason: "bands of different sizes: \(values) bits")
        }
        bits = values.first ?? bits
      case 262: photometric = values.first ?? photometric
      case 277: samplesPerPixel = values.first ?? samplesPerPixel
      case 338: extraSamples = values
      default: sampleFormat = values.first ?? sampleFormat
      }
    }
  }

  /// Whether colours are multiplied by alpha.
  var isPremultiplied: Bool { extraSamples.contains(1) }

  /// Whether the band behind the colours may be something else than alpha.
  var hasBandOfAnyKind: Bool { extraSamples.first == 0 || (extraSamples.isEmpty && colorBands < samplesPerPixel) }

  private var colorBands: Int { [0: 1, 1: 1, 3: 1, 5: 4][photometric] ?? 3 }

  /// Refuses values that libvips does not read, in words that say which they are.
  ///
  /// - Throws: ``FileError/unsupported(path:reason:)``.
  func check(path: String) throws {
    let kind = [2: "signed integers", 3: "floating-point values", 5: "complex integers", 6: "complex numbers"]
    let name = "\(kind[sampleFormat] ?? "unsigned integers") of \(bits) bits"
    let isRead =
      switch sampleFormat {
      case 2: [8, 16, 32].contains(bits)
      case 3: bits == 32
      case 5, 6: false
      default: [8, 16, 32].contains(bits) || ([1, 2, 4].contains(bits) && samplesPerPixel == 1)
      }
    guard isRead else {
      throw FileError.unsupported(
        path: path, reason: "\(name); integers of 8, 16 and 32 bits, grey of 1, 2 and 4 and floats of 32 are read")
    }
    // libvips divides these by alpha as if they were of 8 bits.
    if isPremultiplied, sampleFormat != 3, bits > 16 || sampleFormat == 2 {
      throw FileError.unsupported(path: path, reason: "\(name) that are multiplied by alpha")
    }
  }
}
