import TestSupport

// Pickles and zip archives, put together by hand.

/// Operations, one after the other; text stands for its bytes.
func pickle(_ parts: [UInt8]..., protocol version: UInt8 = 2) -> [UInt8] {
  [0x80, version] + parts.flatMap { $0 } + Array(".".utf8)
}

func op(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ text: String) -> [UInt8] { op("X") + littleEndian(text.utf8.count, byteCount: 4) + Array(text.utf8) }

func number(_ value: Int) -> [UInt8] { [0x8A, 8] + littleEndian(value, byteCount: 8) }

func global(_ module: String, _ name: String) -> [UInt8] { op("c\(module)\n\(name)\n") }

func tuple(_ items: [UInt8]...) -> [UInt8] { op("(") + items.flatMap { $0 } + op("t") }

func numbers(_ values: [Int]) -> [UInt8] { op("(") + values.flatMap(number) + op("t") }

func dictionary(_ items: [(String, [UInt8])]) -> [UInt8] {
  op("}(") + items.flatMap { text($0.0) + $0.1 } + op("u")
}

func storage(_ key: String = "0", _ type: String = "FloatStorage", count: Int) -> [UInt8] {
  tuple(text("storage"), global("torch", type), text(key), text("cpu"), number(count)) + op("Q")
}

/// Some values of the storage, as files before 2018 have it.
func part(from first: Int, _ length: Int, ofStorageOf count: Int) -> [UInt8] {
  tuple(
    text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), number(count),
    tuple(text("1"), number(first), number(length))) + op("Q")
}

func tensor(_ storage: [UInt8], offset: Int = 0, _ shape: [Int], _ strides: [Int]) -> [UInt8] {
  global("torch._utils", "_rebuild_tensor_v2")
    + tuple(
      storage, number(offset), numbers(shape), numbers(strides), [0x88], global("collections", "OrderedDict") + op(")R")
    )
    + op("R")
}

/// A zip archive of files that are stored, or said to be packed in another way.
///
/// - Parameter comment: what its list says of each file.
func zip(_ files: [(name: String, bytes: [UInt8])], method: UInt16 = 0, comment: [UInt8] = []) -> [UInt8] {
  var (body, list): ([UInt8], [UInt8]) = ([], [])
  for (name, bytes) in files {
    let common =
      [20, 0, 0, 0] + littleEndian(method, byteCount: 2) + Array(repeating: 0, count: 8)
      + littleEndian(bytes.count, byteCount: 4) + littleEndian(bytes.count, byteCount: 4)
      + littleEndian(name.utf8.count, byteCount: 2) + [0, 0]
    list += op("PK") + [1, 2, 20, 0] + common + littleEndian(comment.count, byteCount: 2)
    list += Array(repeating: 0, count: 8) + littleEndian(body.count, byteCount: 4) + Array(name.utf8) + comment
    body += op("PK") + [3, 4] + common + Array(name.utf8) + bytes
  }
  let end =
    littleEndian(files.count, byteCount: 2) + littleEndian(files.count, byteCount: 2)
    + littleEndian(list.count, byteCount: 4) + littleEndian(body.count, byteCount: 4) + [0, 0]
  return body + list + op("PK") + [5, 6, 0, 0, 0, 0] + end
}

/// A file as torch.save writes it, of a pickle and one storage of eight bytes.
func file(_ pickle: [UInt8]) -> [UInt8] {
  zip([("a/data.pkl", pickle), ("a/data/0", Array(repeating: 0, count: 8)), ("a/version", op("3\n"))])
}
