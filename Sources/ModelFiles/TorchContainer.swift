import ArrayFiles

/// The two ways in which `torch.save` puts a pickle and the values of storages into a file: a zip archive since version
/// 1.6, and before that one after the other.
enum TorchContainer {
  case archive(ZipArchive, root: String)
  /// Where the values of each storage are.
  case sequence([String: Range<Int>])

  /// What a pickle made, and where it lies.
  struct Contents {
    let container: TorchContainer
    let machine: PickleMachine
    /// The place of what the pickle describes, among the machine's objects.
    let root: Int
    let isBigEndian: Bool
  }

  /// Where the values of a storage are.
  func range(of storage: TorchStorage, in file: FileReader) throws -> Range<Int> {
    let range: Range<Int>
    switch self {
    case .archive(let archive, let root): range = try archive.range(of: "\(root)data/\(storage.key)")
    case .sequence(let ranges):
      guard let known = ranges[storage.key] else {
        throw FileError.malformed(path: file.path, reason: "it has no storage \(quoted(storage.key))")
      }
      range = known
    }
    let first = storage.first * storage.type.byteCount
    let needed = first + storage.count * storage.type.byteCount
    guard needed <= range.count else {
      throw FileError.malformed(
        path: file.path,
        reason: "storage \(quoted(storage.key)) has \(range.count) bytes, and \(needed) are needed")
    }
    return range.lowerBound + first..<range.lowerBound + needed
  }

  // MARK: - Opening

  static func open(_ file: FileReader) throws -> Contents {
    let head = try file.bytes(at: 0, count: min(file.size, 4), what: "its first bytes")
    if head == [0x50, 0x4B, 3, 4] { return try openArchive(file) }
    if head.first == 0x80 { return try openSequence(file) }
    let foreign = try ForeignFile(file)?.description ?? "it begins neither as a zip archive nor as a pickle"
    throw FileError.unsupported(
      path: file.path, reason: "expected a file as torch.save writes it since 2017; \(foreign)")
  }

  private static func openArchive(_ file: FileReader) throws -> Contents {
    let archive = try ZipArchive(file)
    let pickles = archive.entries.keys.filter { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw FileError.malformed(
        path: file.path,
        reason: "not a PyTorch file: a zip archive with \(pickles.isEmpty ? "no" : "\(pickles.count)") data.pkl in it")
    }
    let root = String(pickle.dropLast("data.pkl".count))
    if archive.entries["\(root)constants.pkl"] != nil {
      throw FileError.unsupported(
        path: file.path,
        reason: "it is a TorchScript program; in Python, torch.save(torch.jit.load(\"a.pt\").state_dict(), \"b.pth\") "
          + "takes its weights out")
    }
    var isBigEndian = false
    if archive.entries["\(root)byteorder"] != nil {
      let range = try archive.range(of: "\(root)byteorder")
      let order = try file.bytes(at: range.lowerBound, count: min(range.count, 16), what: "its order of bytes")
      let text = String(decoding: order, as: UTF8.self)
      guard ["little", "big"].contains(text) else {
        throw FileError.malformed(path: file.path, reason: "its order of bytes is \(quoted(text)), not little or big")
      }
      isBigEndian = text == "big"
    }
    var machine = PickleMachine(PickleSource(file, try archive.range(of: pickle)))
    let made = try machine.load()
    return Contents(
      container: .archive(archive, root: root), machine: machine, root: made, isBigEndian: isBigEndian)
  }

  /// Reads the magic number, the format's version, the machine it was written on, what was saved, the keys of storages
  /// and then, for each, its length and values, which are little-endian on every machine.
  private static func openSequence(_ file: FileReader) throws -> Contents {
    var source = PickleSource(file, 0..<file.size)
    func next() throws -> (PickleMachine, Int) {
      var machine = PickleMachine(source)
      let root = try machine.load()
      source = machine.source
      return (machine, root)
    }
    let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    var (machine, root) = try next()
    guard case .long(magic) = machine.objects[root] else {
      throw FileError.malformed(
        path: file.path, reason: "a Python pickle that torch.save did not write: it has no magic number of PyTorch's")
    }
    (machine, root) = try next()
    guard case .integer(1001) = machine.objects[root] else {
      throw FileError.unsupported(path: file.path, reason: "PyTorch's format before zip, of a version other than 1001")
    }
    _ = try next()
    let (contents, made) = try next()
    (machine, root) = try next()
    guard case .list(let keys) = machine.objects[root] else {
      throw FileError.malformed(path: file.path, reason: "it has no list of its storages")
    }

    var ranges: [String: Range<Int>] = [:]
    var place = source.place
    for key in keys {
      guard case .text(let key) = machine.objects[key], let storage = contents.storages[key] else {
        throw FileError.malformed(path: file.path, reason: "its list of storages has one that no tensor has")
      }
      let count = try file.unsigned(at: place, byteCount: 8, what: "the length of storage \(quoted(key))")
      guard count == UInt64(storage.count) else {
        throw FileError.malformed(
          path: file.path, reason: "storage \(quoted(key)) has \(count) values, its tensors say \(storage.count)")
      }
      place += 8
      let byteCount = storage.count * storage.type.byteCount
      guard byteCount <= file.size - place else {
        throw FileError.malformed(
          path: file.path,
          reason: "truncated: storage \(quoted(key)) has \(byteCount) bytes at byte \(place), the file \(file.size)")
      }
      guard ranges.updateValue(place..<place + byteCount, forKey: key) == nil else {
        throw FileError.malformed(path: file.path, reason: "storage \(quoted(key)) stands twice")
      }
      place += byteCount
    }
    return Contents(container: .sequence(ranges), machine: contents, root: made, isBigEndian: false)
  }
}
