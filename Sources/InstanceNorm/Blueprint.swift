import Foundation

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

  public init(classname: String, scheme: [String: Argument]) {
    self.classname = classname
    self.scheme = scheme
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

  /// Makes a module of its class's arguments.
  public typealias Builder = (Blueprint) throws -> Module

  /// Builds a new module.
  ///
  /// - Parameter builders: how to build classes beside this library's own, by their names.
  /// - Throws: ``ModuleError/blueprint(reason:)`` when the class is not known or an argument is missing or of another
  ///   type, and what the constructor throws.
  public func build(with builders: [String: Builder] = [:]) throws -> Module {
    guard let builder = builders[classname] ?? Self.builders[classname] else {
      let known = (Array(builders.keys) + Array(Self.builders.keys)).sorted().joined(separator: ", ")
      throw ModuleError.blueprint(reason: "unknown class '\(classname)'; known are \(known)")
    }
    return try builder(self)
  }

  private static var builders: [String: Builder] {
    [
      "InstanceNorm1D": instanceNorm(
        InstanceNorm1D.init(numOfMaps:epsilon:affine:activation:residualPlace:name:)),
      "InstanceNorm2D": instanceNorm(
        InstanceNorm2D.init(numOfMaps:epsilon:affine:activation:residualPlace:name:)),
      "InstanceNorm3D": instanceNorm(
        InstanceNorm3D.init(numOfMaps:epsilon:affine:activation:residualPlace:name:)),
    ]
  }

  private static func instanceNorm(
    _ make: @escaping (Int, Double, Bool, Activation, ResidualPlace, String?) throws -> Module
  ) -> Builder {
    {
      try make(
        $0.int("numOfMaps"), $0.double("epsilon"), $0.bool("affine"), $0.activation(), $0.residualPlace(),
        $0.string("name"))
    }
  }

  /// An argument of a constructor.
  public enum Argument: Equatable, Sendable, Codable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)

    /// JSON does not tell 1.0 from 1.
    public static func == (first: Argument, second: Argument) -> Bool {
      switch (first, second) {
      case (.null, .null): true
      case (.bool(let first), .bool(let second)): first == second
      case (.int(let first), .int(let second)): first == second
      case (.double(let first), .double(let second)): first == second
      case (.int(let first), .double(let second)), (.double(let second), .int(let first)): Double(first) == second
      case (.string(let first), .string(let second)): first == second
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
      }
    }
  }
}

// MARK: - Reading arguments

extension Blueprint {
  public func int(_ name: String) throws -> Int {
    if case .int(let value) = scheme[name] { return value }
    throw wrong(name, "a whole number")
  }

  public func double(_ name: String) throws -> Double {
    switch scheme[name] {
    case .double(let value): return value
    case .int(let value): return Double(value)
    default: throw wrong(name, "a number")
    }
  }

  public func bool(_ name: String) throws -> Bool {
    if case .bool(let value) = scheme[name] { return value }
    throw wrong(name, "true or false")
  }

  /// nil for null, or where there is none.
  public func string(_ name: String) throws -> String? {
    switch scheme[name] {
    case .string(let value): return value
    case .null, nil: return nil
    default: throw wrong(name, "a string or null")
    }
  }

  private func activation() throws -> Activation {
    switch try string("activation") {
    case nil: return .none
    case "relu": return .relu
    case "leakyReLU": return .leakyReLU(slope: try double("slope"))
    default: throw wrong("activation", "relu, leakyReLU or null")
    }
  }

  private func residualPlace() throws -> ResidualPlace {
    guard let name = try string("residualPlace") else { return .afterActivation }
    guard let place = ResidualPlace(rawValue: name) else {
      throw wrong("residualPlace", ResidualPlace.allCases.map(\.rawValue).joined(separator: " or "))
    }
    return place
  }

  private func wrong(_ name: String, _ expected: String) -> ModuleError {
    let got = scheme[name].map { "\($0)" } ?? "nothing"
    return .blueprint(reason: "\(classname): argument '\(name)': expected \(expected), got \(got)")
  }
}
