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

  /// Makes a module of its class's arguments.
  public typealias Builder = (Blueprint) throws -> Module

  /// Builds a new module.
  ///
  /// - Parameter builders: how to build classes beside this library's own, by their names.
  /// - Throws: ``ModuleError/blueprint(reason:)`` when the class is not known or an argument is missing or of another
  ///   type, and what the constructor throws.
  public func build(with builders: [String: Builder] = [:]) throws -> Module {
    if classname == "Sequential", builders[classname] == nil {
      return try Sequential(name: string("name"), modules.map { try $0.build(with: builders) })
    }
    guard let builder = builders[classname] ?? Self.builders[classname] else {
      let known = (Array(builders.keys) + Array(Self.builders.keys) + ["Sequential"]).sorted().joined(separator: ", ")
      throw ModuleError.blueprint(reason: "unknown class '\(classname)'; known are \(known); build(with:) takes others")
    }
    return try builder(self)
  }

  private static var builders: [String: Builder] {
    [
      "InstanceNorm1D": tracking(
        false,
        InstanceNorm1D.init(
          numOfMaps:epsilon:affine:trackRunningStats:momentum:activation:residualPlace:name:)),
      "InstanceNorm2D": tracking(
        false,
        InstanceNorm2D.init(
          numOfMaps:epsilon:affine:trackRunningStats:momentum:activation:residualPlace:name:)),
      "InstanceNorm3D": tracking(
        false,
        InstanceNorm3D.init(
          numOfMaps:epsilon:affine:trackRunningStats:momentum:activation:residualPlace:name:)),
      "BatchNorm2D": tracking(
        true, BatchNorm2D.init(numOfMaps:epsilon:affine:trackRunningStats:momentum:activation:residualPlace:name:)),
      "LayerNorm2D": {
        try LayerNorm2D(
          numOfMaps: $0.optionalInt("numOfMaps"), perElement: $0.extent(), epsilon: $0.double("epsilon"),
          affine: $0.bool("affine"), activation: $0.activation(), residualPlace: $0.residualPlace(),
          name: $0.string("name"))
      },
      "GroupNorm2D": {
        try GroupNorm2D(
          groups: $0.int("groups"), numOfMaps: $0.optionalInt("numOfMaps"), epsilon: $0.double("epsilon"),
          affine: $0.bool("affine"), activation: $0.activation(), residualPlace: $0.residualPlace(),
          name: $0.string("name"))
      },
      "ConditionalInstanceNorm2D": {
        try ConditionalInstanceNorm2D(
          numOfMaps: $0.optionalInt("numOfMaps"), numOfStyles: $0.int("numOfStyles"), epsilon: $0.double("epsilon"),
          activation: $0.activation(), residualPlace: $0.residualPlace(), name: $0.string("name"))
      },
      "AdaptiveInstanceNorm2D": {
        try AdaptiveInstanceNorm2D(
          epsilon: $0.double("epsilon"), strength: $0.double("strength"), name: $0.string("name"))
      },
      "ReLU": { ReLU(name: try $0.string("name")) },
      "LeakyReLU": { try LeakyReLU(slope: $0.double("slope"), name: $0.string("name")) },
      "Tanh": { Tanh(name: try $0.string("name")) },
      "Identity": { Identity(name: try $0.string("name")) },
    ]
  }

  private typealias Normalizer = (
    Int?, Double, Bool, Bool, Double?, Activation, ResidualPlace, String?
  ) throws -> Module

  /// A builder of layers that may have running statistics, and do so or not unless their blueprint says.
  private static func tracking(_ isUsual: Bool, _ make: @escaping Normalizer) -> Builder {
    {
      try make(
        $0.optionalInt("numOfMaps"), $0.double("epsilon"), $0.bool("affine"),
        $0.scheme["trackRunningStats"] == nil ? isUsual : $0.bool("trackRunningStats"), $0.momentum(), $0.activation(),
        $0.residualPlace(), $0.string("name"))
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

  /// nil for null, or where there is none.
  public func optionalInt(_ name: String) throws -> Int? {
    switch scheme[name] {
    case .null, nil: nil
    default: try int(name)
    }
  }

  private func momentum() throws -> Double? {
    switch scheme["momentum"] {
    case nil: 0.1
    case .null: nil
    default: try double("momentum")
    }
  }

  private func extent() throws -> (height: Int, width: Int)? {
    if scheme["height"] == nil, scheme["width"] == nil { return nil }
    return (try int("height"), try int("width"))
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
