import ArrayFiles
import Foundation
import Operations
import Tensors

/// All that a training needs to go on where it stopped, in one file: tensors and other values, under names.
///
///     var checkpoint = try Checkpoint(of: ["model": model, "optimizer": optimizer])
///     try checkpoint.set(generator, for: "random state")
///     try checkpoint.write(to: "run.safetensors")
///
///     let checkpoint = try Checkpoint(contentsOf: "run.safetensors")
///     try checkpoint.restore(["model": model, "optimizer": optimizer])
///     generator = try checkpoint.value(for: "random state")
///
/// The file is a .safetensors file, whose metadata has the other values as JSON. Every number comes back with the bits
/// that it had. Tensors are not copied until they change, so that a checkpoint is made in no time.
public struct Checkpoint: Sendable {
  /// The tensors by their names.
  public var tensors: [String: Tensor] = [:]
  /// JSON by the values' names.
  private var texts: [String: String] = [:]
  /// The file that it was read from; nil for one that was not.
  public let path: String?

  /// An empty checkpoint.
  public init() { path = nil }

  /// The state of some objects, each under a name of its own.
  ///
  /// - Throws: as ``save(_:)``.
  public init(of parts: [String: any Resumable]) throws {
    self.init()
    try save(parts)
  }

  /// Reads a file.
  ///
  /// - Throws: `FileError`.
  public init(contentsOf path: String) throws {
    let file = try SafetensorsFile(contentsOf: path)
    self.path = path
    texts = file.metadata
    for name in file.names { tensors[name] = try file.tensor(named: name) }
  }

  /// Writes a file. An existing one is replaced only when all is written.
  ///
  /// - Throws: `FileError.notWritten(path:reason:)`.
  public func write(to path: String) throws {
    try SafetensorsFile.write(tensors, metadata: texts, to: path)
  }

  // MARK: Objects

  /// Adds the state of some objects, each under a name of its own.
  ///
  /// - Throws: ``CheckpointError``; then nothing is added.
  public mutating func save(_ parts: [String: any Resumable]) throws {
    var all = self
    for (name, part) in parts.sorted(by: { $0.key < $1.key }) { try part.save(into: &all, as: name) }
    self = all
  }

  /// Gives some objects the state that they were saved with.
  ///
  /// - Throws: ``CheckpointError`` where one does not fit its object; then none of them has changed.
  public func restore(_ parts: [String: any Resumable]) throws {
    let assignments = try parts.sorted { $0.key < $1.key }.map { try $1.restoration(from: self, as: $0) }
    for assign in assignments { assign() }
  }

  // MARK: Tensors

  /// Adds a tensor.
  ///
  /// - Throws: ``CheckpointError/twice(name:)``.
  public mutating func add(_ tensor: Tensor, as name: String) throws {
    guard tensors.updateValue(tensor.withoutOrigin, forKey: name) == nil else {
      throw CheckpointError.twice(name: name)
    }
  }

  /// A tensor, in the layout and on the device of the one that it is to replace.
  ///
  /// - Throws: ``CheckpointError`` when there is none of this name, or one of another shape or dtype.
  public func tensor(named name: String, like current: Tensor) throws -> Tensor {
    guard let tensor = tensors[name] else {
      throw CheckpointError.missing(path: path, name: name, available: tensors.keys.sorted())
    }
    guard tensor.shape == current.shape, tensor.dtype == current.dtype else {
      throw CheckpointError.mismatch(
        path: path, name: name, expected: "shape \(current.shape), \(current.dtype)",
        got: "shape \(tensor.shape), \(tensor.dtype)")
    }
    return try Recording.pause { try tensor.to(current.layout).to(current.device) }
  }

  /// Refuses tensors of an object, those whose names begin with its own and a slash, that it has no place for: a smaller
  /// network would find all that it needs in a larger one's file.
  public func check(only names: some Sequence<String>, of object: String) throws {
    let known = Set(names)
    if let name = tensors.keys.filter({ $0.hasPrefix("\(object)/") && !known.contains($0) }).min() {
      throw CheckpointError.mismatch(
        path: path, name: name, expected: "no such tensor, as '\(object)' has no place for it",
        got: tensors[name].map { "shape \($0.shape), \($0.dtype)" } ?? "none")
    }
  }

  // MARK: Other values

  /// Adds a value, or replaces the one of that name.
  ///
  /// - Throws: ``CheckpointError/mismatch(path:name:expected:got:)`` when it cannot be written as JSON.
  public mutating func set<Value: Encodable>(_ value: Value, for name: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      texts[name] = String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      throw CheckpointError.mismatch(
        path: path, name: name, expected: "a value that can be written as JSON", got: "\(Value.self)")
    }
  }

  /// A value.
  ///
  /// - Throws: ``CheckpointError`` when there is none of this name, or one of another type.
  public func value<Value: Decodable>(_ type: Value.Type = Value.self, for name: String) throws -> Value {
    guard let text = texts[name] else {
      throw CheckpointError.missing(path: path, name: name, available: texts.keys.sorted())
    }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      return try decoder.decode(type, from: Data(text.utf8))
    } catch {
      throw CheckpointError.mismatch(path: path, name: name, expected: "\(type)", got: text)
    }
  }
}

/// What can be wrong with a ``Checkpoint``.
public enum CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  /// It has no tensor or value of a name.
  case missing(path: String?, name: String, available: [String])
  /// A tensor or value is not what is needed.
  case mismatch(path: String?, name: String, expected: String, got: String)
  /// Two tensors are to be saved under one name.
  case twice(name: String)
  /// An object has no state as yet: an optimizer before `setup(on:)`, a layer before the data from which it infers its
  /// number of maps.
  case notReady(object: String, reason: String)

  public var description: String {
    switch self {
    case .missing(let path, let name, let available):
      "\(Self.shown(path)): no '\(name)'; \(choice(of: available, for: name, "entry"))"
    case .mismatch(let path, let name, let expected, let got):
      "\(Self.shown(path)): '\(name)': expected \(expected), got \(got)"
    case .twice(let name): "checkpoint: there are two tensors for the name '\(name)'"
    case .notReady(let object, let reason): "checkpoint: \(object) \(reason)"
    }
  }

  private static func shown(_ path: String?) -> String { path?.shown ?? "checkpoint" }
}
