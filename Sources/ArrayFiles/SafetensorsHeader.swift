import Foundation
import Tensors

/// The header of a .safetensors file: a JSON object of tensors by name, and perhaps metadata.
struct SafetensorsHeader {
  static let metadataKey = "__metadata__"

  var entries: [String: SafetensorsFile.Entry] = [:]
  var metadata: [String: String] = [:]

  private typealias Fault = HeaderScanner.Fault

  init() {}

  /// - Throws: `HeaderScanner.Fault` unless the text is such an object. Whether ranges and shapes fit is not checked.
  init(parsing text: [UInt8]) throws {
    var scanner = HeaderScanner(text, .json)
    var hasMetadata = false
    try scanner.list("{", "}") { scanner in
      let name = try scanner.string()
      try scanner.expect(":")
      if name == Self.metadataKey {
        guard !hasMetadata else { throw Fault(reason: "\(quoted(name)) stands twice") }
        hasMetadata = true
        if !scanner.accept(word: "null") { metadata = try Self.texts(&scanner) }
      } else {
        guard entries[name] == nil else { throw Fault(reason: "\(quoted(name)) stands twice") }
        entries[name] = try Self.entry(&scanner, name)
      }
    }
    try scanner.expectEnd()
  }

  private static func texts(_ scanner: inout HeaderScanner) throws -> [String: String] {
    var texts: [String: String] = [:]
    try scanner.list("{", "}") { scanner in
      let key = try scanner.string()
      try scanner.expect(":")
      guard texts.updateValue(try scanner.string(), forKey: key) == nil else {
        throw Fault(reason: "\(quoted(key)) stands twice")
      }
    }
    return texts
  }

  private static func entry(_ scanner: inout HeaderScanner, _ name: String) throws -> SafetensorsFile.Entry {
    var dtype: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.list("{", "}") { scanner in
      let key = try scanner.string()
      try scanner.expect(":")
      switch key {
      case "dtype" where dtype == nil: dtype = try scanner.string()
      case "shape" where shape == nil: shape = try integers(&scanner, limit: Shape.maximumRank)
      case "data_offsets" where offsets == nil: offsets = try integers(&scanner, limit: 2)
      case "dtype", "shape", "data_offsets": throw Fault(reason: "\(quoted(name)): \(quoted(key)) stands twice")
      default: try scanner.skipValue()
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2 else {
      throw Fault(reason: "\(quoted(name)): 'dtype', 'shape' and two 'data_offsets' are needed")
    }
    guard offsets[0] >= 0, offsets[0] <= offsets[1] else {
      throw Fault(reason: "\(quoted(name)) lies at bytes \(offsets[0]) to \(offsets[1])")
    }
    return SafetensorsFile.Entry(dtype: dtype, shape: Shape(shape), range: offsets[0]..<offsets[1])
  }

  private static func integers(_ scanner: inout HeaderScanner, limit: Int) throws -> [Int] {
    var values: [Int] = []
    try scanner.list("[", "]", limit: limit) { values.append(try $0.integer()) }
    return values
  }
}

extension SafetensorsHeader: Encodable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private struct Entry: Encodable {
    let dtype: String
    let shape: [Int]
    let offsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    if !metadata.isEmpty { try container.encode(metadata, forKey: Key(stringValue: Self.metadataKey)) }
    for (name, entry) in entries {
      let range = [entry.range.lowerBound, entry.range.upperBound]
      try container.encode(
        Entry(dtype: entry.dtype, shape: entry.shape.dimensions, offsets: range), forKey: Key(stringValue: name))
    }
  }
}
