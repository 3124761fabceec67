import ArrayFiles
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct FileNameTests {
  private let folder = TemporaryFolder()

  @Test func `any bytes are a name, and the same bytes again`() {
    var generator = SeededGenerator(seed: 5)
    let pieces: [[UInt8]] = [
      [0xE8], [0x80], [0xF4, 0x8F, 0xB8, 0x85], [0xF4, 0x8F, 0xBB], Array("ü".utf8), [0xED, 0xA0, 0x80], [0xC0, 0xAF],
      Array("a".utf8), [0x0A], [0x1B], [0x7F], [0xC2, 0x85], Array("\u{2028}\u{202E}".utf8), [0xFF], [0xF0, 0x9F],
      Array("👩‍👧".utf8), [0x65, 0xCC, 0x81],
    ]
    for _ in 0..<3000 {
      let bytes = (0..<Int.random(in: 0...6, using: &generator)).flatMap { _ in
        pieces[Int.random(in: 0..<pieces.count, using: &generator)]
      }
      #expect(String(fileName: bytes).fileNameBytes == bytes)
      #expect(String(fileName: bytes).fileName == bytes.map { CChar(bitPattern: $0) } + [0])
    }
  }

  @Test func `text stays text`() {
    for text in ["", "a/b.npy", "字 ü é e\u{301}", "👩‍👧", "\\x41"] {
      #expect(String(fileName: Array(text.utf8)).unicodeScalars.elementsEqual(text.unicodeScalars))
      #expect(text.fileNameBytes == Array(text.utf8))
    }
  }

  @Test func `a message shows bytes that are not text, and what would move the cursor or hide text`() {
    #expect(String(fileName: [0x72, 0xE8, 0x0A, 0x1B, 0x5B, 0x09, 0x0D, 0x7F]).shown == #"r\xE8\n\x1B[\t\r\x7F"#)
    #expect("a\nb\u{1B}\u{85}\u{202E}\u{2028}ü".shown == #"a\nb\x1B\u{0085}\u{202E}\u{2028}ü"#)
    #expect(FileError.malformed(path: "a\n\u{1B}[2J", reason: "x").description == #"a\n\x1B[2J: x"#)
    #expect(String(fileName: Array("a\nb".utf8)).asText == "a\nb")
    #expect(String(fileName: [0x61, 0xE8]).asText == #"a\xE8"#)
  }

  @Test(.disabled(if: ProcessInfo.processInfo.operatingSystemVersionString.contains("macOS"), "names are UTF-8 there"))
  func `names that differ in bytes that are not text are files of their own`() throws {
    let names: [[UInt8]] = [[0x72, 0xE8], [0x72, 0xE9], [0x72, 0x0A], [0x72]]
    let paths = names.map { folder.path + "/" + String(fileName: $0) }
    for (index, path) in paths.enumerated() { try NPY.write(Tensor([Float(index)]), to: path) }
    for (index, path) in paths.enumerated() { #expect(try NPY.read(from: path).doubles == [Double(index)]) }
    let listing = try #require(opendir(folder.path))
    defer { closedir(listing) }
    var found: Set<[UInt8]> = []
    while let entry = readdir(listing) {
      found.insert(withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) })
    }
    #expect(found == Set(names + [Array(".".utf8), Array("..".utf8)]))
    // A link, too, may lead to such a name.
    symlink(paths[0].fileName, folder.file("link"))
    try NPY.write(Tensor([7 as Float]), to: folder.file("link"))
    #expect(try NPY.read(from: paths[0]).doubles == [7])
  }
}
