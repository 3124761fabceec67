import ArrayFiles
import Foundation
import ModelFiles

/// What a module is built from: its class and its constructor's arguments, and not its variables.
///
///     let json = try norm.blueprint.json()
///     // {"classname":"InstanceNorm2D","scheme":{"affine":true,"epsilon":1e-05,"name":null,"numOfMaps":3}}
///     let other = try Blueprint(json: json).build()
///
/// The form is PuzzleLib's.
public struct Blueprint: Equatable, Sendable, Codable {
  public var classname: String
  public var scheme: [String: Argument]
  /// Of the modules that it is made of, in their order.
  public var modules: [Blueprint]

  public init(classname: String, scheme: [String: Argument], modules: [Blueprint] = []) {
    self.classname = classname
    self.scheme = scheme
    self.modules = modules
  }

  private enum CodingKeys: CodingKey {
    case classname, scheme, modules
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    classname = try container.decode(String.self, forKey: .classname)
    scheme = try container.decode([String: Argument].self, forKey: .scheme)
    modules = try container.decodeIfPresent([Blueprint].self, forKey: .modules) ?? []
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(classname, forKey: .classname)
    try container.encode(scheme, forKey: .scheme)
    if !modules.isEmpty { try container.encode(modules, forKey: .modules) }
  }

  /// - Throws: ``ModuleError/blueprint(reason:)`` when the text is not a blueprint.
  public init(json: String) throws {
    do {
      self = try JSONDecoder().decode(Blueprint.self, from: Data(json.utf8))
    } catch {
      throw ModuleError.blueprint(reason: "not JSON of the form {\"classname\": ..., \"scheme\": {...}}")
    }
  }

  /// JSON on one line, keys in alphabetical order.
  ///
  /// - Throws: ``ModuleError/blueprint(reason:)`` when a number is not finite.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    } catch {
      throw ModuleError.blueprint(reason: "\(classname): an argument that is not finite")
    }
  }

  static let metadataKey = "blueprint"

  /// The blueprint of the module that was saved to a .safetensors file.
  ///
  /// - Throws: `FileError` when the file cannot be read or has none, as those of other programs;
  ///   ``ModuleError/blueprint(reason:)`` when it is not one.
  public init(contentsOf path: String) throws {
    guard let json = try StateDict(contentsOf: path).metadata[Self.metadataKey] else {
      throw FileError.unsupported(
        path: path, reason: "it does not say what module its tensors are of; make one and load(from:) the file")
    }
    try self.init(json: json)
  }

  /// Builds the module that was saved to a .safetensors file, with its variables.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - builders: how to build classes beside this library's own, by their names.
  /// - Throws: what ``init(contentsOf:)``, ``build(with:)`` and ``Module/load(from:)`` throw.
  public static func load(from path: String, with builders: [String: Builder] = [:]) throws -> Module {
    let blueprint = try Blueprint(contentsOf: path)
    let module = try withoutInitialValues { try blueprint.build(with: builders) }
    try module.load(from: path)
    return module
  }

  /// Makes a module of its class's arguments.
  public typealias Builder = (Blueprint) throws -> Module

  /// Builds a new module.
  ///
  /// - Parameter builders: how to build classes beside this library's own, by their names.
  /// - Throws: ``ModuleError/blueprint(reason:)`` when the class is not known or an argument is missing or of another
  ///   type, and what the constructor throws.
  public func build(with builders: [String: Builder] = [:]) throws -> Module {
    let children = { try modules.map { try $0.build(with: builders) } }
    if builders[classname] == nil, let container = try container(of: children) {
      return container
    }
    guard let builder = builders[classname] ?? Self.builders[classname] else {
      let known = (Array(builders.keys) + Array(Self.builders.keys) + Self.containers).sorted().joined(separator: ", ")
      throw ModuleError.blueprint(reason: "unknown class '\(classname)'; known are \(known); build(with:) takes others")
    }
    return try builder(self)
  }

  private static let containers = ["Sequential", "Residual", "Parallel", "Graph"]

  /// A module made of modules; nil where the class is none.
  private func container(of parts: () throws -> [Module]) throws -> Module? {
    switch classname {
    case "Sequential": try Sequential(name: string("name"), parts())
    case "Residual": try Residual(name: string("name"), parts())
    case "Parallel": Parallel(name: try string("name"), try parts())
    case "Graph": try Graph(self, parts())
    default: nil
    }
  }

  /// A blueprint of a class whose constructor's arguments are one record.
  init(classname: String, _ options: some Encodable) {
    // A record of numbers and names can always be encoded, but for numbers that constructors refuse.
    let scheme = try? JSONDecoder().decode([String: Argument].self, from: JSONEncoder().encode(options))
    self.init(classname: classname, scheme: scheme ?? [:])
  }

  /// The record of the constructor's arguments.
  func options<Options: Decodable>(_ type: Options.Type = Options.self) throws -> Options {
    do {
      return try JSONDecoder().decode(Options.self, from: JSONEncoder().encode(scheme))
    } catch let error as DecodingError {
      throw ModuleError.blueprint(reason: "\(classname): \(Self.reason(error, scheme))")
    } catch {
      throw ModuleError.blueprint(reason: "\(classname): an argument that is not finite")
    }
  }

  private static func reason(_ error: DecodingError, _ scheme: [String: Argument]) -> String {
    func named(_ name: String, _ expected: String) -> String {
      "argument '\(name)': expected \(expected), got \(scheme[name].map { "\($0)" } ?? "nothing")"
    }
    func expected(_ type: any Any.Type) -> String {
      switch type {
      case is Int.Type: "a whole number"
      case is Double.Type: "a number"
      case is Bool.Type: "true or false"
      default: "a string or null"
      }
    }
    switch error {
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      return named(context.codingPath.last?.stringValue ?? "", expected(type))
    case .keyNotFound(let key, _):
      let needed =
        switch key.stringValue {
        case "epsilon", "slope", "strength": "a number"
        case "affine": "true or false"
        default: "a whole number"
        }
      return named(key.stringValue, needed)
    case .dataCorrupted(let context):
      let name = context.codingPath.last?.stringValue ?? ""
      // A number with a fraction where there can be none.
      if case .double = scheme[name] { return named(name, "a whole number") }
      return "argument '\(name)': \(context.debugDescription)"
    @unknown default: return "\(error)"
    }
  }

  /// An argument of a constructor.
  public enum Argument: Equatable, Sendable, Codable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    /// Of rows and columns, or of the four edges.
    case ints([Int])
    /// Names.
    case strings([String])

    /// JSON does not tell 1.0 from 1.
    public static func == (first: Argument, second: Argument) -> Bool {
      switch (first, second) {
      case (.null, .null): true
      case (.bool(let first), .bool(let second)): first == second
      case (.int(let first), .int(let second)): first == second
      case (.double(let first), .double(let second)): first == second
      case (.int(let first), .double(let second)), (.double(let second), .int(let first)): Double(first) == second
      case (.string(let first), .string(let second)): first == second
      case (.ints(let first), .ints(let second)): first == second
      case (.strings(let first), .strings(let second)): first == second
      default: false
      }
    }

    public init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if container.decodeNil() {
        self = .null
      } else if let value = try? container.decode(Bool.self) {
        self = .bool(value)
      } else if let value = try? container.decode(Int.self) {
        self = .int(value)
      } else if let value = try? container.decode(Double.self) {
        self = .double(value)
      } else if let values = try? container.decode([Int].self) {
        self = .ints(values)
      } else if let values = try? container.decode([String].self) {
        self = .strings(values)
      } else {
        self = .string(try container.decode(String.self))
      }
    }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .null: try container.encodeNil()
      case .bool(let value): try container.encode(value)
      case .int(let value): try container.encode(value)
      case .double(let value): try container.encode(value)
      case .string(let value): try container.encode(value)
      case .ints(let values): try container.encode(values)
      case .strings(let values): try container.encode(values)
      }
    }
  }
}
