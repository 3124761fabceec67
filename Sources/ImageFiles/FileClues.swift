import ArrayFiles

/// What a file says of its values that its decoder in libvips does not pass on.
struct FileClues {
  /// Bits that values had before libvips shifted them to the top of 8 or 16.
  var shiftedBits: Int?
  /// Whether an EXR has no alpha; libvips gives it some.
  var isWithoutAlpha = false
  /// Width and height, of formats that have more room for them than libvips.
  private(set) var size: (width: Int, height: Int)?
  private(set) var notes: [String] = []

  /// - Throws: ``FileError`` for a file that cannot be read.
  init(_ file: FileReader, _ format: PictureFormat) throws {
    switch format {
    case .png: try readPNG(file)
    case .exr: try readEXR(file)
    case .gif: try checkGIF(file)
    case .heif: try readHEIF(file)
    case .jpeg2000: try readJPEG2000(file)
    case .jpegXL: try readJPEGXL(file)
    default: break
    }
  }

  private static func big(_ bytes: some Sequence<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

  /// Chunks before the pixels: a length, a name, that many bytes, a checksum.
  private mutating func readPNG(_ file: FileReader) throws {
    var (place, gamma, isProfiled, wideColors) = (8, Int?.none, false, false)
    while place + 8 <= file.size {
      let head = try file.bytes(at: place, count: 8, what: "a chunk")
      let (length, name) = (Self.big(head[..<4]), String(decoding: head[4...], as: UTF8.self))
      func contents(_ count: Int) throws -> [UInt8] {
        try file.bytes(at: place + 8, count: min(count, length, file.size - place - 8), what: "a chunk")
      }
      switch name {
      case "IHDR":
        let sides = try contents(8)
        if sides.count == 8 { size = (Self.big(sides[..<4]), Self.big(sides[4...])) }
      case "acTL": notes.append("an animated PNG, of which one picture is read")
      case "gAMA": gamma = Self.big(try contents(4))
      case "iCCP", "sRGB": isProfiled = true
      case "cICP": wideColors = try contents(2) != [1, 13]
      default: break
      }
      if name == "IDAT" { break }
      place += 12 + length
    }
    if wideColors { notes.append("its colours, which are not sRGB by its chunk cICP, are taken for sRGB") }
    // 1/2.2, which is as good as sRGB.
    if let gamma, !isProfiled, abs(gamma - 45455) > 1000 {
      notes.append("its gamma of \(Double(gamma) / 100_000), not that of sRGB, is not applied")
    }
  }

  /// Refuses a file that ends within a frame, which libvips would leave out. Many end without the mark of the end.
  private func checkGIF(_ file: FileReader) throws {
    var stream = ByteStream(file, at: 10)
    func skipTable(_ flags: UInt8) { if flags & 0x80 != 0 { stream.skip(3 << (Int(flags & 7) + 1)) } }
    skipTable(try stream.next())
    stream.skip(2)
    // Whether the last block says how the frame behind it is shown.
    var isBeforeFrame = false
    while let mark = try stream.peek(), [0x21, 0x2C].contains(mark) {
      stream.skip(1)
      isBeforeFrame = mark == 0x21 ? try stream.next() == 0xF9 : false
      if mark == 0x2C {
        stream.skip(8)
        skipTable(try stream.next())
        stream.skip(1)
      }
      while case let size = Int(try stream.next()), size > 0 { stream.skip(size) }
    }
    if isBeforeFrame, stream.isAtEnd { throw stream.fault("it is truncated") }
  }

  /// A version, then attributes: a name, a type, a size and that many bytes. A name that is empty ends them.
  private mutating func readEXR(_ file: FileReader) throws {
    var stream = ByteStream(file, at: 5)
    if try stream.next() & 0x10 != 0 { notes.append("a file of several parts, of which the first is read") }
    _ = try stream.little(2)
    func text() throws -> String {
      var bytes: [UInt8] = []
      while case let byte = try stream.next(), byte != 0 {
        guard bytes.count < 256 else { throw stream.fault("a name in its header does not end") }
        bytes.append(byte)
      }
      return String(decoding: bytes, as: UTF8.self)
    }
    var windows: [String: [UInt8]] = [:]
    isWithoutAlpha = true
    while case let name = try text(), !name.isEmpty {
      _ = try text()
      let size = try stream.little(4)
      let end = stream.place + size
      if name == "channels" {
        var others = 0
        while stream.place < end, case let channel = try text(), !channel.isEmpty {
          if channel == "A" { isWithoutAlpha = false }
          if !["R", "G", "B", "A", "Y", "RY", "BY"].contains(channel) { others += 1 }
          stream.skip(16)
        }
        if others > 0 {
          notes.append("it has channels, \(others), that are neither colours nor alpha and are left out")
        }
      } else if name == "displayWindow" || name == "dataWindow" {
        windows[name] = try file.bytes(at: stream.place, count: 16, what: "its header")
      } else if name == "chromaticities" {
        notes.append("its primaries are taken for those of sRGB")
      }
      stream.skip(end - stream.place)
    }
    if let window = windows["dataWindow"] {
      let corners = stride(from: 0, to: 16, by: 4).map { place in
        Int(Int32(truncatingIfNeeded: Self.big(window[place..<place + 4].reversed())))
      }
      size = (corners[2] - corners[0] + 1, corners[3] - corners[1] + 1)
    }
    if windows["displayWindow"] != windows["dataWindow"] {
      notes.append("its data window, which is not the display window, is read")
    }
  }

  /// Boxes are not walked: those that matter are near the start, and their names are found there.
  private mutating func readHEIF(_ file: FileReader) throws {
    let start = try file.bytes(at: 0, count: min(file.size, 1 << 16), what: "its header")
    if start.dropFirst(8).starts(with: "avis".utf8) || start.dropFirst(8).starts(with: "msf1".utf8)
      || start.dropFirst(8).starts(with: "hevc".utf8)
    {
      notes.append("a sequence, of which the still picture is read")
    }
    if let place = Self.find(Array("colrnclx".utf8), in: start), place + 12 <= start.count {
      let (primaries, transfer) = (Self.big(start[place + 8..<place + 10]), Self.big(start[place + 10..<place + 12]))
      // BT.709's primaries; the curves of BT.709, BT.601, sRGB and BT.2020, which are all but one; 2 for none given.
      if ![1, 2].contains(primaries) || ![1, 2, 6, 13, 14, 15].contains(transfer) {
        notes.append(
          "its colours, which are not sRGB (primaries \(primaries), transfer \(transfer)), are taken for sRGB")
      }
    }
  }

  /// The marker SIZ, behind that of the start, has the two far corners of the picture and, of the first band, its bits
  /// less 1.
  private mutating func readJPEG2000(_ file: FileReader) throws {
    let start = try file.bytes(at: 0, count: min(file.size, 1 << 16), what: "its header")
    guard let place = Self.find([0xFF, 0x4F, 0xFF, 0x51], in: start), place + 42 < start.count else { return }
    shiftedBits = Int(start[place + 42] & 0x7F) + 1
    let corners = stride(from: place + 8, to: place + 24, by: 4).map { Self.big(start[$0..<$0 + 4]) }
    size = (corners[0] - corners[2], corners[1] - corners[3])
  }

  /// Of the codestream's header the bits up to the one that says whether there is an animation.
  private mutating func readJPEGXL(_ file: FileReader) throws {
    let start = try file.bytes(at: 0, count: min(file.size, 1 << 16), what: "its header")
    var place = 0
    if start[0] != 0xFF {
      // A container of boxes, of which one has the codestream or, behind a number, its first part.
      let part = Self.find(Array("jxlp".utf8), in: start).map { $0 + 8 }
      guard let codestream = Self.find(Array("jxlc".utf8), in: start).map({ $0 + 4 }) ?? part else { return }
      place = codestream
    }
    var bit = 8 * (place + 2)
    func bits(_ count: Int) -> Int {
      defer { bit += count }
      guard bit + count <= 8 * start.count else { return 0 }
      return (0..<count).reduce(0) { $0 | Int(start[(bit + $1) / 8] >> UInt8((bit + $1) % 8) & 1) << $1 }
    }
    func readSize() -> (width: Int, height: Int) {
      let isSmall = bits(1) == 1
      func side() -> Int { isSmall ? 8 * (bits(5) + 1) : bits([9, 13, 18, 30][bits(2)]) + 1 }
      let height = side()
      let ratio = bits(3)
      guard ratio > 0 else { return (side(), height) }
      let (across, down) = [(1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)][ratio - 1]
      return (height * across / down, height)
    }
    size = readSize()
    let (isDefault, hasMore) = (bits(1) == 1, bits(1) == 1)
    guard !isDefault, hasMore else { return }
    _ = bits(3)
    if bits(1) == 1 { _ = readSize() }
    let hasPreview = bits(1) == 1
    if !hasPreview, bits(1) == 1 { notes.append("an animation, of which one frame is read") }
  }

  private static func find(_ wanted: [UInt8], in bytes: [UInt8]) -> Int? {
    guard bytes.count >= wanted.count else { return nil }
    return (0...bytes.count - wanted.count).first { bytes[$0] == wanted[0] && bytes[$0...].starts(with: wanted) }
  }
}
