import ArrayFiles

/// The entries of a zip archive whose files lie in it as they are, not compressed.
///
/// Source: APPNOTE.TXT of PKWARE, "ZIP File Format Specification" 6.3.
struct ZipArchive {
  struct Entry {
    let isStored: Bool
    let byteCount: Int
    /// Where its own header is; its bytes follow that.
    let header: Int
  }

  private let file: FileReader
  private(set) var entries: [String: Entry] = [:]

  private static let endCount = 22
  private static let endSignature = Array("PK".utf8) + [5, 6]

  /// Reads the list at the archive's end.
  ///
  /// - Throws: `FileError`.
  init(_ file: FileReader) throws {
    self.file = file
    let directory = try Self.directory(of: file)
    let bytes = try file.bytes(at: directory.lowerBound, count: directory.count, what: "the archive's list of files")
    var place = 0
    while place < bytes.count {
      var fields = Fields(bytes, at: place)
      guard let signature = fields.take(4, at: 0), signature == 0x0201_4B50,
        let flags = fields.take(2, at: 8), let method = fields.take(2, at: 10),
        var packed = fields.take(4, at: 20), var count = fields.take(4, at: 24),
        let nameCount = fields.take(2, at: 28), let extraCount = fields.take(2, at: 30),
        let commentCount = fields.take(2, at: 32), var header = fields.take(4, at: 42),
        let name = fields.bytes(46, Int(nameCount)), let extra = fields.bytes(46 + Int(nameCount), Int(extraCount))
      else { throw malformed("its list of files is broken at byte \(directory.lowerBound + place)") }
      // What does not fit 32 bits is in the extra fields, in this order.
      fields = Fields(Self.zip64(in: extra) ?? [], at: 0)
      var next = 0
      func widen(_ value: inout UInt64) throws {
        guard value == 0xFFFF_FFFF else { return }
        guard let wide = fields.take(8, at: next) else { throw malformed("an entry lacks its size in 64 bits") }
        value = wide
        next += 8
      }
      try widen(&count)
      try widen(&packed)
      try widen(&header)
      let text = String(decoding: name, as: UTF8.self)
      let isStored = method == 0 && flags & 1 == 0
      guard header < UInt64(file.size), !isStored || count <= UInt64(file.size) else {
        throw malformed("truncated: \(quoted(text)) has \(count) bytes at byte \(header), the file \(file.size)")
      }
      let entry = Entry(isStored: isStored, byteCount: Int(clamping: count), header: Int(header))
      guard entries.updateValue(entry, forKey: text) == nil else { throw malformed("\(quoted(text)) stands twice") }
      place += 46 + name.count + extra.count + Int(commentCount)
    }
  }

  /// Where an entry's bytes are in the file.
  ///
  /// - Throws: `FileError.unsupported(path:reason:)` where they are compressed or encrypted.
  func range(of name: String) throws -> Range<Int> {
    guard let entry = entries[name] else { throw malformed("it has no \(quoted(name))") }
    guard entry.isStored else {
      throw FileError.unsupported(
        path: file.path,
        reason:
          "\(quoted(name)) is compressed, which torch.save never does; unpack the archive, and `zip -0 -r` packs it "
          + "again without")
    }
    let header = try file.bytes(at: entry.header, count: 30, what: "the header of \(quoted(name))")
    let fields = Fields(header, at: 0)
    guard fields.take(4, at: 0) == 0x0403_4B50, let nameCount = fields.take(2, at: 26),
      let extraCount = fields.take(2, at: 28)
    else { throw malformed("\(quoted(name)) is not at byte \(entry.header)") }
    let start = entry.header + 30 + Int(nameCount) + Int(extraCount)
    guard start <= file.size, entry.byteCount <= file.size - start else {
      throw malformed("truncated: \(quoted(name)) has \(entry.byteCount) bytes at byte \(start), the file \(file.size)")
    }
    return start..<start + entry.byteCount
  }

  /// Where the list of files is. The record that says so is the archive's last, before a comment of any length.
  private static func directory(of file: FileReader) throws -> Range<Int> {
    func malformed(_ reason: String) -> FileError {
      .malformed(path: file.path, reason: "not a zip archive: \(reason)")
    }
    let tail = try file.bytes(
      at: max(0, file.size - endCount - 0xFFFF), count: min(file.size, endCount + 0xFFFF), what: "its end")
    guard
      let end = stride(from: tail.count - endCount, through: 0, by: -1).first(where: {
        tail[$0] == endSignature[0] && tail[$0..<$0 + 4].elementsEqual(endSignature)
      })
    else { throw malformed("truncated: its end, which lists its files, is missing") }
    let fields = Fields(tail, at: end)
    var (count, start) = (fields.take(4, at: 12) ?? 0, fields.take(4, at: 16) ?? 0)
    // An archive of 64 bits has a longer record, whose place another one says.
    if end >= 20, Fields(tail, at: end - 20).take(4, at: 0) == 0x0706_4B50 {
      let place = Fields(tail, at: end - 20).take(8, at: 8) ?? 0
      guard place <= UInt64(file.size) else { throw malformed("its end of 64 bits would be at byte \(place)") }
      let wide = Fields(try file.bytes(at: Int(place), count: 56, what: "the archive's end of 64 bits"), at: 0)
      guard wide.take(4, at: 0) == 0x0606_4B50, let wideCount = wide.take(8, at: 40),
        let wideStart = wide.take(8, at: 48)
      else { throw malformed("its end of 64 bits is not at byte \(place)") }
      (count, start) = (wideCount, wideStart)
    }
    let (last, overflow) = start.addingReportingOverflow(count)
    guard !overflow, last <= UInt64(file.size) else {
      throw malformed("truncated: its list of files has \(count) bytes at byte \(start), the file \(file.size)")
    }
    return Int(start)..<Int(last)
  }

  /// The extra field of 64-bit numbers.
  private static func zip64(in extra: [UInt8]) -> [UInt8]? {
    var place = 0
    let fields = Fields(extra, at: 0)
    while let id = fields.take(2, at: place), let count = fields.take(2, at: place + 2) {
      if id == 1 { return fields.bytes(place + 4, Int(count)) }
      place += 4 + Int(count)
    }
    return nil
  }

  private func malformed(_ reason: String) -> FileError { .malformed(path: file.path, reason: reason) }

  /// Little-endian numbers in a record, as far as it goes.
  private struct Fields {
    private let record: ArraySlice<UInt8>

    init(_ bytes: [UInt8], at place: Int) { record = bytes[place...] }

    func take(_ byteCount: Int, at offset: Int) -> UInt64? {
      guard offset + byteCount <= record.count else { return nil }
      var value: UInt64 = 0
      for index in 0..<byteCount { value |= UInt64(record[record.startIndex + offset + index]) << (8 * index) }
      return value
    }

    func bytes(_ offset: Int, _ count: Int) -> [UInt8]? {
      guard offset + count <= record.count else { return nil }
      let start = record.startIndex + offset
      return Array(record[start..<start + count])
    }
  }
}
