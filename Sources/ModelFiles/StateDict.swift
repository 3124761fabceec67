import ArrayFiles
import Tensors

/// A file of named tensors, in either of the forms that trained networks come in: .safetensors, or what `torch.save`
/// writes. Its first bytes decide, not its name.
///
///     let weights = try StateDict(contentsOf: "generator.pth")
///     let scale = try weights.tensor(named: "in1.weight")
///
/// Opening reads what the file says about its tensors; a tensor is read when it is asked for.
public struct StateDict: Sendable {
  /// What the file says about one tensor.
  public struct Entry: Sendable {
    /// The type as the file names it: `F32` in .safetensors, `float32` in PyTorch's files.
    public let dtype: String
    public let shape: Shape
    /// Whether the values are whole numbers or truth values, which ``StateDict/tensor(named:)`` gives as float64.
    public let isOfWholeNumbers: Bool
  }

  /// The file in its own form.
  public enum Source: Sendable {
    case safetensors(SafetensorsFile)
    case pyTorch(PyTorchFile)
  }

  public let path: String
  /// All tensors by name, including those of types that ``tensor(named:)`` does not read.
  public let entries: [String: Entry]
  public let source: Source

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - part: of a file of PyTorch's, the keys that lead to the dictionary to take, joined by points; nil for the one
  ///     that ``PyTorchFile`` finds.
  /// - Throws: `FileError` that says what is wrong with it; also for a part of a .safetensors file, which has none.
  public init(contentsOf path: String, part: String? = nil) throws {
    if try Self.isPyTorch(path) {
      self.init(try PyTorchFile(contentsOf: path, part: part))
    } else if let part {
      throw FileError.unsupported(
        path: path, reason: "a .safetensors file has no parts, and \(quoted(part)) is asked for")
    } else {
      self.init(try SafetensorsFile(contentsOf: path))
    }
  }

  /// What a .safetensors file that is open already holds.
  public init(_ file: SafetensorsFile) {
    (path, source) = (file.path, .safetensors(file))
    entries = file.entries.mapValues {
      Entry(dtype: $0.dtype, shape: $0.shape, isOfWholeNumbers: $0.isOfWholeNumbers)
    }
  }

  /// What a file of PyTorch's that is open already holds.
  public init(_ file: PyTorchFile) {
    (path, source) = (file.path, .pyTorch(file))
    entries = file.entries.mapValues {
      Entry(dtype: $0.dtype, shape: $0.shape, isOfWholeNumbers: $0.isOfWholeNumbers)
    }
  }

  public var names: [String] { entries.keys.sorted() }

  /// The text that a .safetensors file carries beside its tensors; empty for PyTorch's files.
  public var metadata: [String: String] {
    if case .safetensors(let file) = source { file.metadata } else { [:] }
  }

  /// Reads a tensor. Whole numbers become float64.
  ///
  /// - Throws: `FileError.missingTensor(path:name:available:)`, `FileError.unsupported(path:reason:)` when its
  ///   values are neither floating point numbers of 16, 32 or 64 bits nor whole numbers that float64 holds, or the
  ///   system's error.
  public func tensor(named name: String) throws -> Tensor {
    switch source {
    case .safetensors(let file): try file.tensor(named: name)
    case .pyTorch(let file): try file.tensor(named: name)
    }
  }

  /// Whether a file begins as one of PyTorch's: as a zip archive, a pickle or, from before them, a tar archive. A
  /// .safetensors file begins with a length, which may look like anything, and then with a brace.
  private static func isPyTorch(_ path: String) throws -> Bool {
    let file = try FileReader(path)
    let head = try file.bytes(at: 0, count: min(file.size, 262), what: "its first bytes")
    if head.starts(with: [0x50, 0x4B, 3, 4]) { return true }
    if head.count > 8, head[8] == UInt8(ascii: "{") { return false }
    return head.first == 0x80 || head.dropFirst(257).elementsEqual("ustar".utf8)
  }
}
