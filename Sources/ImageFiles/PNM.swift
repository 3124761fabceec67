import ArrayFiles

/// Netpbm's formats: PBM, PGM and PPM in text or binary (P1 to P6), PAM (P7), and PFM's floating-point values (Pf, PF).
/// A file may hold several pictures. Values are out of the header's maxval, whatever that is.
struct PNM {
  private var stream: ByteStream
  private let request: ReadingRequest

  /// - Throws: ``FileError``.
  static func read(_ file: FileReader, _ request: ReadingRequest) throws -> [Raster] {
    var reader = PNM(stream: ByteStream(file), request: request)
    return try reader.all()
  }

  private struct Header {
    var kind: UInt8
    var width = 0
    var height = 0
    var bands = 1
    var maximum = 1
    var hasAlpha = false
    /// PFM's scale: its size is for the values, its sign says which byte is first.
    var scale = 1.0
  }

  private mutating func all() throws -> [Raster] {
    var rasters: [Raster] = []
    var (index, pixels) = (0, 0)
    repeat {
      let header = try header()
      let isWanted = request.page == nil || request.page == index
      try request.check(header.width, header.height, path: stream.file.path)
      if isWanted {
        pixels += header.width * header.height
        try request.check(pixels, 1, path: stream.file.path)
        rasters.append(try raster(header))
      } else {
        try pass(header)
      }
      index += 1
    } while try isAtNextPicture()
    _ = try request.pages(of: index, path: stream.file.path)
    if let rest = try restSize(), !rasters.isEmpty {
      rasters[rasters.count - 1].notes.append("\(rest) bytes behind the picture are left out")
    }
    return rasters
  }

  private mutating func skipSpace() throws {
    while let byte = try stream.peek(), Self.isSpace(byte) { stream.skip(1) }
  }

  /// Whether another picture follows. Programs that write several put nothing between them.
  private mutating func isAtNextPicture() throws -> Bool {
    var ahead = stream
    while let byte = try ahead.peek(), Self.isSpace(byte) { ahead.skip(1) }
    guard try ahead.peek() == UInt8(ascii: "P") else { return false }
    ahead.skip(1)
    guard let kind = try ahead.peek(), "1234567Ff".utf8.contains(kind) else { return false }
    stream = ahead
    return true
  }

  private mutating func restSize() throws -> Int? {
    try skipSpace()
    return stream.isAtEnd ? nil : stream.file.size - stream.place
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

  // MARK: Headers

  private mutating func header() throws -> Header {
    // The first picture's P; that of a later one has been seen already.
    if try stream.peek() == UInt8(ascii: "P") { stream.skip(1) }
    var header = Header(kind: try stream.next())
    if header.kind == UInt8(ascii: "7") { return try arbitraryHeader(header) }
    header.width = try number()
    header.height = try number()
    switch header.kind {
    case UInt8(ascii: "1"), UInt8(ascii: "4"): break
    case UInt8(ascii: "F"), UInt8(ascii: "f"):
      guard let scale = Double(try word()), scale != 0, scale.isFinite else {
        throw stream.fault("its scale is no number")
      }
      header.scale = scale
    default: header.maximum = try number()
    }
    if [UInt8(ascii: "3"), UInt8(ascii: "6"), UInt8(ascii: "F")].contains(header.kind) { header.bands = 3 }
    return try checked(header)
  }

  private func checked(_ header: Header) throws -> Header {
    guard (1...65535).contains(header.maximum) else {
      throw stream.fault("its largest value is to be \(header.maximum), which is not in 1...65535")
    }
    return header
  }

  /// A word of a header, and the one space behind it. A comment goes from # to the end of its line.
  private mutating func word() throws -> String {
    var word: [UInt8] = []
    while true {
      let byte = try stream.next()
      if byte == UInt8(ascii: "#") {
        while try stream.next() != UInt8(ascii: "\n") {}
        if !word.isEmpty { break }
      } else if Self.isSpace(byte) {
        if !word.isEmpty { break }
      } else {
        guard word.count < 32 else { throw stream.fault("its header has no numbers where they belong") }
        word.append(byte)
      }
    }
    return String(decoding: word, as: UTF8.self)
  }

  private mutating func number() throws -> Int {
    guard let number = Int(try word()), number >= 0 else {
      throw stream.fault("its header has no number where it should")
    }
    return number
  }

  private mutating func arbitraryHeader(_ start: Header) throws -> Header {
    var (header, tuple) = (start, "")
    header.maximum = 0
    _ = try stream.line()
    while true {
      let line = try stream.line()
      let words = line.split(whereSeparator: \.isWhitespace)
      guard let name = words.first, !line.hasPrefix("#") else { continue }
      if name == "ENDHDR" { break }
      let value = words.count > 1 ? Int(words[1]) : nil
      switch name {
      case "WIDTH": header.width = value ?? 0
      case "HEIGHT": header.height = value ?? 0
      case "DEPTH": header.bands = value ?? 0
      case "MAXVAL": header.maximum = value ?? 0
      case "TUPLTYPE": tuple = words.dropFirst().joined(separator: " ")
      default: throw stream.fault("its header has a line of an unknown kind")
      }
    }
    header.hasAlpha = tuple.hasSuffix("_ALPHA")
    guard [1, 3].contains(header.bands - (header.hasAlpha ? 1 : 0)) else {
      throw FileError.unsupported(
        path: stream.file.path,
        reason:
          "it has \(header.bands) bands\(header.hasAlpha ? ", alpha among them" : ""); expected grey or three colours, "
          + "with alpha or without")
    }
    return try checked(header)
  }

  // MARK: Values

  private func kind(of header: Header) -> Samples.Kind {
    switch header.kind {
    case UInt8(ascii: "F"), UInt8(ascii: "f"): .float
    default: header.maximum > 255 ? .uint16 : .uint8
    }
  }

  /// Bytes of a binary picture; nil for one in text.
  private func byteCount(of header: Header) throws -> Int? {
    switch header.kind {
    case UInt8(ascii: "1"), UInt8(ascii: "2"), UInt8(ascii: "3"): nil
    case UInt8(ascii: "4"): (header.width + 7) / 8 * header.height
    default: header.width * header.height * header.bands * kind(of: header).byteCount
    }
  }

  private mutating func pass(_ header: Header) throws {
    if let count = try byteCount(of: header) { return stream.skip(count) }
    for _ in 0..<header.width * header.height * header.bands { _ = try textValue(header) }
  }

  private mutating func raster(_ header: Header) throws -> Raster {
    let count = header.width * header.height * header.bands
    let kind = kind(of: header)
    if let byteCount = try byteCount(of: header), byteCount > stream.file.size - stream.place {
      throw stream.fault(
        "it is truncated: \(header.width) x \(header.height) pixels take \(byteCount) bytes, and "
          + "\(max(0, stream.file.size - stream.place)) are left")
    }
    let memory = try PixelMemory.make(count, of: kind, for: stream.file.path)
    switch header.kind {
    case UInt8(ascii: "1"), UInt8(ascii: "2"), UInt8(ascii: "3"):
      for index in 0..<count {
        let value = try textValue(header)
        if kind == .uint8 {
          memory.bytes.storeBytes(of: UInt8(value), toByteOffset: index, as: UInt8.self)
        } else {
          memory.bytes.storeBytes(of: UInt16(value), toByteOffset: 2 * index, as: UInt16.self)
        }
      }
    case UInt8(ascii: "4"):
      for row in 0..<header.height {
        var byte: UInt8 = 0
        for column in 0..<header.width {
          if column % 8 == 0 { byte = try stream.next() }
          // A 1 is black.
          memory.bytes[row * header.width + column] = byte & 0x80 >> UInt8(column % 8) == 0 ? 1 : 0
        }
      }
    case UInt8(ascii: "F"), UInt8(ascii: "f"):
      let rowSize = header.width * header.bands * 4
      // From the lowest row up.
      for row in (0..<header.height).reversed() {
        try stream.read(into: .init(rebasing: memory.bytes[row * rowSize..<(row + 1) * rowSize]))
      }
      for index in 0..<count {
        let stored = memory.bytes.load(fromByteOffset: 4 * index, as: UInt32.self)
        let value = Float(bitPattern: header.scale < 0 ? UInt32(littleEndian: stored) : UInt32(bigEndian: stored))
        memory.bytes.storeBytes(of: value * Float(abs(header.scale)), toByteOffset: 4 * index, as: Float.self)
      }
    default:
      try stream.read(into: memory.bytes)
      var largest = 0
      for index in 0..<count {
        if kind == .uint8 {
          largest = max(largest, Int(memory.bytes[index]))
        } else {
          let value = UInt16(bigEndian: memory.bytes.load(fromByteOffset: 2 * index, as: UInt16.self))
          memory.bytes.storeBytes(of: value, toByteOffset: 2 * index, as: UInt16.self)
          largest = max(largest, Int(value))
        }
      }
      guard largest <= header.maximum else { throw beyond(largest, header) }
    }
    let samples = Samples(memory, kind, bands: header.bands, one: kind == .float ? 1 : Double(header.maximum))
    let channels = header.bands - (header.hasAlpha ? 1 : 0)
    return Raster(
      width: header.width, height: header.height, channels: channels, colors: samples,
      alpha: header.hasAlpha ? samples.from(channels) : nil, isLinear: kind == .float && channels == 3,
      isDeep: header.maximum > 255 || kind == .float)
  }

  private func beyond(_ value: Int, _ header: Header) -> FileError {
    stream.fault("it has a value of \(value), and its header says at most \(header.maximum)")
  }

  private mutating func textValue(_ header: Header) throws -> Int {
    func digit(_ byte: UInt8) -> Int? { (48...57).contains(byte) ? Int(byte) - 48 : nil }
    var byte = try stream.next()
    while Self.isSpace(byte) || byte == UInt8(ascii: "#") {
      if byte == UInt8(ascii: "#") { while try stream.next() != UInt8(ascii: "\n") {} }
      byte = try stream.next()
    }
    guard var value = digit(byte) else { throw stream.fault("it has something else among its numbers") }
    if header.kind == UInt8(ascii: "1") {
      guard value <= 1 else { throw beyond(value, header) }
      return 1 - value
    }
    while let next = try stream.peek(), let digit = digit(next) {
      value = 10 * value + digit
      guard value <= header.maximum else { throw beyond(value, header) }
      stream.skip(1)
    }
    guard value <= header.maximum else { throw beyond(value, header) }
    return value
  }
}
