import Foundation
import Operations
import Tensors

/// A .safetensors file: named tensors as PyTorch's ecosystem exchanges them.
///
/// Opening reads and checks the header; a tensor is read when it is asked for.
///
///     let file = try SafetensorsFile(contentsOf: "generator.safetensors")
///     let weight = try file.tensor(named: "norm1.weight")
///
/// Source: the format's description at https://huggingface.co/docs/safetensors.
public struct SafetensorsFile: Sendable {
  /// What the header says about one tensor.
  public struct Entry: Equatable, Sendable {
    /// The type as the file names it: `F32`.
    public var dtype: String
    public var shape: Shape
    /// The bytes of its values, counted from the end of the header.
    public var range: Range<Int>

    /// Whether the values are whole numbers.
    package var isOfWholeNumbers: Bool { dtype.first == "I" || dtype.first == "U" || dtype == "BOOL" }
  }

  public let path: String
  /// All tensors by name, including those of types that ``tensor(named:)`` does not read.
  public let entries: [String: Entry]
  /// The text that the file carries beside its tensors.
  public let metadata: [String: String]

  let reader: FileReader
  let start: Int

  /// Opens a file and checks all that its header says: each tensor must have as many bytes as its shape needs, all of
  /// them in the file and none shared with another tensor, and no bytes may be left over. What the format may have
  /// learnt since, types that are not known and keys beside those of a tensor, is let be.
  ///
  /// - Throws: ``FileError`` that says what is wrong with it.
  public init(contentsOf path: String) throws { try self.init(FileReader(path)) }

  /// As above, of a file that is a part of the program.
  package init(_ bytes: UnsafeRawBufferPointer, name: String) throws {
    try self.init(FileReader(bytes, name: name))
  }

  private init(_ reader: FileReader) throws {
    (self.reader, path) = (reader, reader.path)
    let path = reader.path
    func notOurs(_ reason: @autoclosure () -> String) throws -> FileError {
      let reason = try ForeignFile(reader)?.description ?? reason()
      return .malformed(path: path, reason: "not a .safetensors file: \(reason)")
    }
    guard reader.size >= 8 else { throw try notOurs("truncated: it has \(reader.size) bytes, and a header 8 or more") }
    let length = try reader.unsigned(at: 0, byteCount: 8, what: "the header's length")
    guard length <= UInt64(reader.size - 8) else {
      throw try notOurs("the header would have \(length) bytes, the file has \(reader.size)")
    }
    let first = try reader.bytes(at: 8, count: length == 0 ? 0 : 1, what: "the header")
    guard first == [UInt8(ascii: "{")] else {
      throw try notOurs("the header does not begin with '{'")
    }
    guard length <= Self.longestHeader else {
      throw FileError.unsupported(
        path: path, reason: "its header has \(length) bytes, and the format allows \(Self.longestHeader)")
    }
    let text = try reader.bytes(at: 8, count: Int(length), what: "the header")
    start = 8 + text.count
    let header: SafetensorsHeader
    do {
      header = try SafetensorsHeader(parsing: text)
    } catch let fault as HeaderScanner.Fault {
      throw FileError.malformed(path: path, reason: "the header is malformed: \(fault.reason)")
    }
    metadata = header.metadata
    entries = header.entries
    try check(size: reader.size - start)
  }

  public var names: [String] { entries.keys.sorted() }

  /// Writes named tensors, those of wide types first and otherwise by name. An existing file is replaced only when all is
  /// written.
  ///
  /// - Parameters:
  ///   - tensors: by their names.
  ///   - wholeNumbers: the names of float64 tensors that are written as whole numbers of 64 bits (I64).
  ///   - metadata: text that the file carries beside its tensors.
  ///   - path: the file.
  /// - Throws: ``FileError/notWritten(path:reason:)``; also for a value that should be a whole number and is none.
  public static func write(
    _ tensors: [String: Tensor], wholeNumbers: Set<String> = [], metadata: [String: String] = [:], to path: String
  ) throws {
    if tensors[SafetensorsHeader.metadataKey] != nil {
      throw FileError.notWritten(path: path, reason: "a tensor cannot be named \(SafetensorsHeader.metadataKey)")
    }
    // Wide types first, so that each tensor begins at a multiple of its width.
    let ordered = try tensors.sorted {
      ($1.value.dtype.byteCount, $0.key) < ($0.value.dtype.byteCount, $1.key)
    }.map { name, tensor in
      let rows = try tensor.toHost().to(.nchw)
      return (name, wholeNumbers.contains(name) ? try asWholeNumbers(rows, name, path) : rows)
    }

    var header = SafetensorsHeader()
    header.metadata = metadata
    var offset = 0
    for (name, tensor) in ordered {
      header.entries[name] = Entry(
        dtype: wholeNumbers.contains(name) ? "I64" : Self.dtypes.first { $0.value == tensor.dtype }?.key ?? "",
        shape: tensor.shape,
        range: offset..<offset + tensor.byteCount)
      offset += tensor.byteCount
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text = [UInt8](try encoder.encode(header))
    text += Array(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) }

    try AtomicFile.write(to: path) { append in
      try (length + text).withUnsafeBytes { try append($0) }
      for (_, tensor) in ordered { try tensor.withUnsafeBytes { try append($0) } }
    }
  }

  /// A float64 tensor's numbers as whole numbers of 64 bits, in a tensor that only carries the bits.
  private static func asWholeNumbers(_ tensor: Tensor, _ name: String, _ path: String) throws -> Tensor {
    let numbers = try tensor.array(of: Double.self).map { value in
      guard let number = Int64(exactly: value) else {
        throw FileError.notWritten(path: path, reason: "\(quoted(name)) has \(value), which is not a whole number")
      }
      return Double(bitPattern: UInt64(bitPattern: number.littleEndian))
    }
    return try Tensor(numbers, shape: tensor.shape)
  }

  /// Bytes. No honest file has a longer header, and the format's own reader takes no longer one.
  private static let longestHeader: UInt64 = 100_000_000

  static let dtypes: [String: DType] = [
    "F16": .float16, "BF16": .bfloat16, "F32": .float32, "F64": .float64,
  ]

  /// The bits that a value takes, for every type that the format has today.
  private static let widths: [String: Int] = [
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
  ]

  /// Checks every entry against the number of bytes that there are.
  private func check(size: Int) throws {
    for (name, entry) in entries {
      func fault(_ reason: String) -> FileError { .malformed(path: path, reason: "\(quoted(name)) \(reason)") }
      let end = entry.range.upperBound
      guard end <= size else { throw fault("ends at byte \(end), the values at \(size)") }
      let count: Int
      do { count = try entry.shape.elementCount() } catch { throw fault("has an impossible shape: \(error)") }
      // Nobody knows how wide a value of a later type is; it matters to those who ask for it.
      guard let width = Self.widths[entry.dtype] else { continue }
      let (bits, overflow) = count.multipliedReportingOverflow(by: width)
      guard !overflow, bits % 8 == 0, bits / 8 == entry.range.count else {
        throw fault("has shape \(entry.shape) of \(entry.dtype), which is not \(entry.range.count) bytes")
      }
    }
    var end = 0
    for range in entries.values.map(\.range).sorted(by: {
      ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound)
    }) {
      guard range.lowerBound == end else {
        let names = entries.filter { $0.value.range == range }.keys.sorted()
        throw FileError.malformed(
          path: path,
          reason: range.lowerBound < end
            ? "\(quoted(names.first ?? "")) overlaps another tensor at byte \(range.lowerBound)"
            : "bytes \(end) to \(range.lowerBound) belong to no tensor")
      }
      end = range.upperBound
    }
    guard end == size else {
      throw FileError.malformed(path: path, reason: "bytes \(end) to \(size) belong to no tensor")
    }
  }
}
