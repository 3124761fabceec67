/// What a file is that was taken for another, as its first bytes tell.
package struct ForeignFile {
  /// `an HDF5 file`.
  package let name: String
  /// What to do with it; nil where that is plain.
  package let advice: String?
  package let isPicture: Bool

  /// What an error says of it.
  package var description: String { "it is \(name)" + (advice.map { "; \($0)" } ?? "") }

  private init(_ name: String, _ advice: String? = nil, isPicture: Bool = false) {
    self.name = name
    self.advice = advice
    self.isPicture = isPicture
  }

  /// Looks at a file's first bytes; nil for what is not known.
  ///
  /// - Throws: `FileError.unreadable(path:reason:)`.
  package init?(_ file: FileReader) throws {
    let head = try file.bytes(at: 0, count: min(file.size, 512), what: "its first bytes")
    guard let found = Self.found(head, fileSize: file.size) else { return nil }
    self = found
  }

  /// Looks at the first bytes of a file that may not be there.
  package init?(at path: String) {
    guard let file = try? FileReader(path), let found = try? ForeignFile(file) else { return nil }
    self = found
  }

  private static func found(_ head: [UInt8], fileSize: Int) -> ForeignFile? {
    for (start, name, advice) in starts where head.starts(with: start) { return ForeignFile(name, advice) }
    for (start, format) in pictureStarts where head.starts(with: start) {
      return ForeignFile("a picture (\(format))", isPicture: true)
    }
    return zip(head) ?? text(head) ?? binary(head, fileSize: fileSize)
  }

  private static let fromPyTorch =
    "`instnorm convert a.pth -o a.safetensors` makes a .safetensors file of its tensors, and StateDict reads both"

  private static let starts: [(start: [UInt8], name: String, advice: String?)] = [
    (
      [0x89] + Array("HDF\r\n".utf8) + [0x1A, 0x0A], "an HDF5 file, as Keras and PuzzleLib write them",
      "in Python, safetensors.numpy.save_file writes arrays that h5py reads"
    ),
    ([0x93] + Array("NUMPY".utf8), "a NumPy array", "give it a name that ends in .npy"),
    (
      Array("version https://git-lfs.github.com/".utf8), "a pointer of Git LFS, in place of the file itself",
      "`git lfs pull` in its repository fetches that"
    ),
    ([0x1F, 0x8B], "compressed with gzip", "unpack it with gunzip"),
    (Array("BZh".utf8), "compressed with bzip2", "unpack it with bunzip2"),
    ([0xFD] + Array("7zXZ".utf8), "compressed with xz", "unpack it with unxz"),
    ([0x28, 0xB5, 0x2F, 0xFD], "compressed with zstd", "unpack it with unzstd"),
    (Array("GGUF".utf8), "a GGUF file, as language models come in", nil),
    (Array("MATLAB 5.0".utf8), "a MATLAB file", "in Python, numpy.save writes arrays that scipy.io.loadmat reads"),
    (Array("%PDF".utf8), "a PDF document", nil),
  ]

  private static let pictureStarts: [(start: [UInt8], format: String)] = [
    ([0x89] + Array("PNG".utf8), "PNG"), ([0xFF, 0xD8, 0xFF], "JPEG"), (Array("GIF8".utf8), "GIF"),
    (Array("II*\0".utf8), "TIFF"), (Array("MM\0*".utf8), "TIFF"), (Array("#?RADIANCE".utf8), "Radiance"),
    ([0xFF, 0x0A], "JPEG XL"), ([0x76, 0x2F, 0x31, 0x01], "OpenEXR"),
  ]

  private static func zip(_ head: [UInt8]) -> ForeignFile? {
    guard head.starts(with: [0x50, 0x4B, 0x03, 0x04]), head.count > 30 else { return nil }
    let first = String(decoding: head[30...].prefix(Int(head[26])), as: UTF8.self)
    if first.hasSuffix("data.pkl") || first.contains("/.format_version") || first.contains("/.data/") {
      return ForeignFile("a PyTorch file (.pth, .pt, .bin)", fromPyTorch)
    }
    if first.hasSuffix(".npy") {
      return ForeignFile(
        "NumPy arrays in a zip archive (.npz)",
        "in Python, numpy.save(\"a.npy\", numpy.load(\"a.npz\")[\"name\"]) takes one out")
    }
    return ForeignFile("a zip archive", "unpack it first")
  }

  private static func text(_ head: [UInt8]) -> ForeignFile? {
    let start = String(decoding: head.drop { $0 <= 0x20 || [0xEF, 0xBB, 0xBF].contains($0) }.prefix(20), as: UTF8.self)
      .lowercased()
    if start.hasPrefix("<!doctype html") || start.hasPrefix("<html") || start.hasPrefix("<head") {
      return ForeignFile(
        "a web page, perhaps a server's error or the page around the file", "download the file itself")
    }
    if start.hasPrefix("{\"") || start.hasPrefix("{\n") || start.hasPrefix("{ ") {
      return ForeignFile("JSON text", "where a model has several files, its index names them: take one of these")
    }
    return nil
  }

  private static func binary(_ head: [UInt8], fileSize: Int) -> ForeignFile? {
    guard head.count > 12 else { return nil }
    if head[0] == 0x80, (2...5).contains(head[1]) {
      return ForeignFile("a Python pickle, as PyTorch's older files (.pth) are", fromPyTorch)
    }
    if head.starts(with: Array("RIFF".utf8)), head[8...].starts(with: Array("WEBP".utf8)) {
      return ForeignFile("a picture (WebP)", isPicture: true)
    }
    if head[4...].starts(with: Array("TFL3".utf8)) { return ForeignFile("a TensorFlow Lite model") }
    if head.count > 262, head[257...].starts(with: Array("ustar".utf8)) {
      // PyTorch's first files begin with the machine that they were written on.
      return head.starts(with: Array("sys_info\0".utf8))
        ? ForeignFile(
          "a PyTorch file from before version 0.1.10, a tar archive",
          "in Python, torch.save(torch.load(\"a.pth\", weights_only=False), \"b.pth\") makes one of today's, if you "
            + "trust where it comes from") : ForeignFile("a tar archive", "unpack it first")
    }
    let length = head[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    if head[8] == UInt8(ascii: "{"), length <= UInt64(fileSize - 8) {
      return ForeignFile("a .safetensors file", "give it a name that ends so, and pass it as weights")
    }
    // A field of a number, the format's version, and then one of text or of another number.
    if head[0] == 0x08, (1...20).contains(head[1]), [0x12, 0x22, 0x3A].contains(head[2]) {
      return ForeignFile(
        "an ONNX model", "in Python, safetensors.numpy.save_file writes arrays that onnx.numpy_helper.to_array gives")
    }
    return nil
  }
}
