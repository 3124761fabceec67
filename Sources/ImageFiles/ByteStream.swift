import ArrayFiles
import Foundation

/// A file's bytes one after the other, of which only a piece is in memory.
struct ByteStream {
  let file: FileReader
  /// Where the next byte is.
  private(set) var place: Int
  private var piece: [UInt8] = []
  private var pieceStart = 0

  private static let pieceSize = 1 << 16

  init(_ file: FileReader, at place: Int = 0) {
    (self.file, self.place) = (file, place)
  }

  var isAtEnd: Bool { place >= file.size }

  mutating func peek() throws -> UInt8? {
    if isAtEnd { return nil }
    if !(pieceStart..<pieceStart + piece.count).contains(place) {
      piece = try file.bytes(at: place, count: min(Self.pieceSize, file.size - place), what: "the picture")
      pieceStart = place
    }
    return piece[place - pieceStart]
  }

  /// - Throws: ``FileError/malformed(path:reason:)`` at the end of the file.
  mutating func next() throws -> UInt8 {
    guard let byte = try peek() else { throw fault("it is truncated") }
    place += 1
    return byte
  }

  mutating func skip(_ count: Int) {
    place += count
  }

  /// Fills memory with the bytes that come next.
  mutating func read(into bytes: UnsafeMutableRawBufferPointer) throws {
    try file.read(at: place, into: bytes)
    place += bytes.count
  }

  /// A number of `byteCount` bytes, the least significant first.
  mutating func little(_ byteCount: Int) throws -> Int {
    try (0..<byteCount).reduce(0) { number, index in number | Int(try next()) << (8 * index) }
  }

  /// The rest of a line, without its end.
  mutating func line(limit: Int = 4096) throws -> String {
    var line: [UInt8] = []
    while true {
      let byte = try next()
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      guard line.count < limit else { throw fault("its header has a line that does not end") }
      line.append(byte)
    }
  }

  func fault(_ reason: String) -> FileError {
    .malformed(path: file.path, reason: "not a picture that can be read: \(reason)")
  }
}

extension PixelMemory {
  /// Memory for what a decoder of our own makes.
  static func make(_ count: Int, of kind: Samples.Kind, for path: String) throws -> PixelMemory {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: kind.byteCount)
    guard !overflow, let memory = malloc(max(1, byteCount)) else {
      throw FileError.unreadable(path: path, reason: "there is no memory for its \(count) values")
    }
    return PixelMemory(owning: .init(start: memory, count: byteCount), release: free)
  }
}
