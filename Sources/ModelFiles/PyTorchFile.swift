import ArrayFiles
import Tensors

/// A file that `torch.save` wrote (.pth, .pt, .bin): named tensors, as `model.state_dict()` gives them.
///
/// Opening reads what the file says about its tensors; a tensor is read when it is asked for.
///
///     let file = try PyTorchFile(contentsOf: "generator.pth")
///     let weight = try file.tensor(named: "conv1.weight")
///
/// Both of PyTorch's formats are read: zip archives, and the one of before version 1.6. Either is a pickle, a program
/// that in Python could do anything. Here it can make tensors, dictionaries, lists, tuples, numbers and text. A file that
/// names any other class or function is refused with that name, and nothing is run.
///
/// A checkpoint has more than weights. Of its dictionaries the one is taken that is named as weights usually are
/// (`state_dict`, `model`, `params_ema`, `generator`...), or the only one with tensors; ``part`` says which,
/// ``passedOver`` what else there is.
///
/// Source: `torch/serialization.py`.
public struct PyTorchFile: Sendable {
  /// What the file says about one tensor.
  public struct Entry: Sendable {
    /// The type as PyTorch names it: `float32`.
    public var dtype: String { tensor.type.name }
    public let shape: Shape

    /// Whether the values are whole numbers, or truth values.
    package var isOfWholeNumbers: Bool { tensor.type.stored?.isWhole == true }

    let tensor: TorchTensor
    /// How many of the storage's values it reaches over.
    let span: Int

    /// Bytes that reading it takes.
    var cost: Int {
      get throws { max(span, try shape.elementCount()) * (tensor.type.stored?.dtype.byteCount ?? 0) }
    }
  }

  public let path: String
  /// All tensors of the part by name, including those of types that ``tensor(named:)`` does not read.
  public let entries: [String: Entry]
  /// The keys that lead to the dictionary that was taken, joined by points: `model.state_dict`. Empty for the outermost.
  public let part: String
  /// All dictionaries that have tensors.
  public let parts: [String]
  /// What else the file has, by the keys that lead there: `["epoch": "a whole number"]`.
  public let passedOver: [String: String]
  /// Whether every name began with `module.`, as `nn.DataParallel` has it, which is left out here.
  public let isParallel: Bool

  let reader: FileReader
  private let container: TorchContainer
  private let isBigEndian: Bool

  /// Opens a file and checks all that it says about its tensors: each has to lie in its storage, and that in the file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - part: the keys that lead to the dictionary to take, joined by points; nil for the one that the rule above
  ///     finds.
  /// - Throws: `FileError` that says what is wrong with it.
  public init(contentsOf path: String, part: String? = nil) throws {
    let reader = try FileReader(path)
    let contents = try TorchContainer.open(reader)
    let objects = contents.machine.objects
    let found = try TensorParts(of: contents.root, in: objects, path: path)
    let taken = try found.part(named: part)

    var tensors: [(name: String, tensor: TorchTensor)] = []
    var seen: Set<String> = []
    for (key, value) in TensorParts.pairs(taken.items) {
      guard case .text(let key) = objects[key], case .tensor(let tensor) = objects[value] else { continue }
      guard seen.insert(key).inserted else {
        throw FileError.malformed(path: path, reason: "\(quoted(key)) stands twice")
      }
      tensors.append((key, tensor))
    }
    let prefix = "module."
    let isParallel = tensors.allSatisfy { $0.name.hasPrefix(prefix) && $0.name.utf8.count > prefix.utf8.count }
    var entries: [String: Entry] = [:]
    var left = Self.mostCost(reader.size)
    for (name, tensor) in tensors {
      let entry = try Self.entry(name, tensor, path)
      _ = try contents.container.range(of: tensor.storage, in: reader)
      left -= try min(entry.cost, left + 1)
      guard left >= 0 else {
        throw FileError.unsupported(
          path: path,
          reason: "its tensors would take over \(Self.mostCost(reader.size)) bytes, and the file has \(reader.size)")
      }
      entries[isParallel ? String(name.dropFirst(prefix.count)) : name] = entry
    }

    self.path = path
    self.reader = reader
    self.entries = entries
    self.part = taken.name
    self.isParallel = isParallel
    container = contents.container
    isBigEndian = contents.isBigEndian
    parts = found.parts.map(\.name).sorted()
    passedOver = found.beside(taken)
  }

  public var names: [String] { entries.keys.sorted() }

  /// Reads a tensor, its values in the order of its shape however they lie in the file. Whole numbers and truth values
  /// become float64.
  ///
  /// - Throws: `FileError.missingTensor(path:name:available:)`, `FileError.unsupported(path:reason:)` when its
  ///   values are neither floating point numbers of 16, 32 or 64 bits nor whole numbers that float64 holds, or the
  ///   system's error.
  public func tensor(named name: String) throws -> Tensor {
    guard let entry = entries[name] else {
      throw FileError.missingTensor(path: path, name: name, available: names)
    }
    let tensor = entry.tensor
    if let trouble = tensor.trouble { throw FileError.unsupported(path: path, reason: "\(quoted(name)) \(trouble)") }
    guard let type = tensor.type.stored else {
      throw FileError.unsupported(
        path: path,
        reason: "\(quoted(name)) has values of type \(entry.dtype) (floating point of 16, 32 and 64 bits and whole "
          + "numbers are read)")
    }
    let start = try container.range(of: tensor.storage, in: reader).lowerBound
    let place = entry.span == 0 ? start : start + tensor.offset * type.byteCount
    if entry.isContiguous {
      return try reader.values(type, at: place, shape: entry.shape, isBigEndian: isBigEndian, of: name)
    }
    let span = try reader.values(type, at: place, shape: [entry.span], isBigEndian: isBigEndian, of: name)
    do {
      return try span.strided(entry.shape, by: tensor.strides)
    } catch let error as TensorError {
      throw FileError.unreadable(path: path, reason: "\(error)")
    }
  }

  /// Bytes that all tensors of an honest file take: eight for each truth value, several for a view that is repeated or
  /// saved under several names.
  private static func mostCost(_ size: Int) -> Int { 16 * min(size, Int.max / 32) + 1 << 20 }

  /// Checks a tensor against its storage.
  private static func entry(_ name: String, _ tensor: TorchTensor, _ path: String) throws -> Entry {
    func fault(_ reason: String) -> FileError { .malformed(path: path, reason: "\(quoted(name)) \(reason)") }
    let shape = Shape(tensor.shape)
    let count: Int
    do { count = try shape.byteCount(of: .float64) / 8 } catch { throw fault("has an impossible shape: \(error)") }
    guard count > 0 else { return Entry(shape: shape, tensor: tensor, span: 0) }
    let available = tensor.storage.count * tensor.storage.type.byteCount / tensor.type.byteCount
    var last = tensor.offset
    for (extent, stride) in zip(tensor.shape, tensor.strides) {
      let (step, overflow) = stride.multipliedReportingOverflow(by: extent - 1)
      let (sum, carry) = last.addingReportingOverflow(step)
      last = overflow || carry ? Int.max : sum
      if last == Int.max { break }
    }
    guard last < available else {
      throw fault("has shape \(shape) from value \(tensor.offset) on, its storage \(available) values")
    }
    return Entry(shape: shape, tensor: tensor, span: last - tensor.offset + 1)
  }
}

extension PyTorchFile.Entry {
  /// Whether the values follow one another in the order of the shape.
  fileprivate var isContiguous: Bool {
    if span == 0 { return true }
    var step = 1
    for (extent, stride) in zip(tensor.shape, tensor.strides).reversed() where extent != 1 {
      guard stride == step else { return false }
      step *= extent
    }
    return true
  }
}
