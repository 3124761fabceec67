import ArrayFiles

/// The bytes of pickles in a file, read in pieces from front to end.
struct PickleSource {
  let file: FileReader
  /// Of the next byte, in the file.
  private(set) var place: Int
  private let end: Int
  private var piece: [UInt8] = []
  private var pieceStart: Int

  /// - Parameter range: where pickles are. It has to lie in the file.
  init(_ file: FileReader, _ range: Range<Int>) {
    self.file = file
    place = range.lowerBound
    pieceStart = range.lowerBound
    end = min(range.upperBound, range.lowerBound + Self.longest)
  }

  /// Bytes. What a pickle says about tensors takes some hundred of them for each.
  private static let longest = 1 << 26

  mutating func byte() throws -> UInt8 {
    if !piece.indices.contains(place - pieceStart) {
      guard place < end else { throw truncated(needed: place + 1) }
      pieceStart = place
      piece = try file.bytes(at: place, count: min(1 << 15, end - place), what: "a pickle")
    }
    place += 1
    return piece[place - pieceStart - 1]
  }

  mutating func bytes(_ count: UInt64) throws -> [UInt8] {
    guard count <= UInt64(end - place) else {
      throw truncated(needed: Int(clamping: UInt64(place).addingReportingOverflow(count).partialValue))
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(count))
    for _ in 0..<count { bytes.append(try byte()) }
    return bytes
  }

  mutating func text(_ count: UInt64) throws -> String {
    String(decoding: try bytes(count), as: UTF8.self)
  }

  /// A little-endian whole number.
  mutating func unsigned(_ byteCount: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<byteCount { value |= UInt64(try byte()) << (8 * index) }
    return value
  }

  /// The text before the next line feed.
  mutating func line() throws -> String {
    var bytes: [UInt8] = []
    while true {
      let next = try byte()
      if next == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
      guard bytes.count < 1000 else {
        throw FileError.malformed(path: file.path, reason: "the pickle has a name of over 1000 bytes, at byte \(place)")
      }
      bytes.append(next)
    }
  }

  private func truncated(needed: Int) -> FileError {
    end < file.size && end - place > Self.longest / 2
      ? .unsupported(path: file.path, reason: "a pickle of more than \(Self.longest) bytes")
      : .malformed(path: file.path, reason: "truncated: the pickle goes on to byte \(needed), and ends at \(end)")
  }
}
