import Operations
import Tensors

/// The arguments of the constructors of ``Normalization``'s types, as one record: what constructors, blueprints and
/// descriptions are made of.
public struct NormalizationOptions: Hashable, Sendable {
  /// C; nil to take it from the first data.
  public var numOfMaps: Int?
  /// Added to the variance under the root, 0 or more.
  public var epsilon = 1e-5
  /// Whether scale and bias are trained.
  public var affine = true
  /// Whether evaluation normalises by the statistics that training has seen.
  public var trackRunningStats = false
  /// How far a call moves these, 0 to 1; nil for the averages over all calls.
  public var momentum: Double? = 0.1
  public var activation = Activation.none
  public var residualPlace = ResidualPlace.afterActivation
  /// Of a ``GroupNorm2D``.
  public var groups: Int?
  /// Of a ``LayerNorm2D`` with parameters by element.
  public var perElement: Size?
  /// Of a ``ConditionalInstanceNorm2D``.
  public var numOfStyles: Int?
  /// Of an ``AdaptiveInstanceNorm2D``.
  public var strength: Double?
  public var name: String?

  /// A height and a width.
  public struct Size: Hashable, Sendable {
    public var height: Int
    public var width: Int
  }

  public init(
    numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = false,
    momentum: Double? = 0.1, activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation,
    name: String? = nil
  ) {
    self.numOfMaps = numOfMaps
    self.epsilon = epsilon
    self.affine = affine
    self.trackRunningStats = trackRunningStats
    self.momentum = momentum
    self.activation = activation
    self.residualPlace = residualPlace
    self.name = name
  }

  // MARK: What they mean

  /// The shape of scale and bias.
  func parameterShape(maps: Int) -> Shape {
    if let perElement { return [maps, perElement.height, perElement.width] }
    if let numOfStyles { return [numOfStyles, maps] }
    return [maps]
  }

  /// The number of maps that such a scale has values for.
  func maps(ofParameter shape: Shape) -> Int? { numOfStyles == nil ? shape.first : shape.last }

  /// Whether the first data decides the number of maps for good.
  var fixesMaps: Bool { strength == nil }

  /// Whether a call is a normalisation and nothing else.
  var isOneOperation: Bool { strength == nil && numOfStyles == nil }

  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``, of a module that is called `label`.
  func check(_ label: String) throws {
    func require(_ isRight: Bool, _ name: String, _ expected: String, _ got: Any) throws {
      if !isRight { throw ModuleError.argument(module: label, name: name, expected: expected, got: "\(got)") }
    }
    try require(epsilon >= 0 && epsilon.isFinite, "epsilon", "a finite number, 0 or more", epsilon)
    if case .leakyReLU(let slope) = activation {
      try require(slope.isFinite, "activation", "a finite slope", slope)
    }
    if let momentum { try require((0...1).contains(momentum), "momentum", "a number from 0 to 1, or nil", momentum) }
    if let groups { try require(groups > 0, "groups", "1 or more", groups) }
    if let numOfStyles { try require(numOfStyles > 0, "numOfStyles", "1 or more", numOfStyles) }
    if let strength { try require(strength.isFinite, "strength", "a finite number", strength) }
    if let size = perElement {
      try require(
        size.height > 0 && size.width > 0, "perElement", "a height and a width of 1 or more",
        (height: size.height, width: size.width))
    }
    if let numOfMaps { try check(maps: numOfMaps, label) }
  }

  /// Refuses numbers of maps that the type cannot have.
  func check(maps: Int, _ label: String) throws {
    guard maps > 0 else {
      throw ModuleError.argument(module: label, name: "numOfMaps", expected: "1 or more", got: "\(maps)")
    }
    if let groups, maps % groups != 0 {
      throw ModuleError.argument(
        module: label, name: "numOfMaps", expected: "a multiple of the \(groups) groups", got: "\(maps)")
    }
  }

  /// As descriptions show them.
  ///
  /// - Parameter numOfMaps: known by now.
  func description(numOfMaps: Int?) -> String {
    var parts: [String] = []
    if let groups { parts.append("groups: \(groups)") }
    if let perElement { parts.append("perElement: (\(perElement.height), \(perElement.width))") }
    if let numOfStyles { parts.append("numOfStyles: \(numOfStyles)") }
    if let strength { parts.append("strength: \(strength)") }
    parts += ["numOfMaps: \(numOfMaps.map { "\($0)" } ?? "inferred")", "epsilon: \(epsilon)", "affine: \(affine)"]
    if trackRunningStats {
      parts += ["trackRunningStats: true", "momentum: \(momentum.map { "\($0)" } ?? "nil")"]
    }
    if activation != .none { parts.append("activation: \(activation)") }
    if residualPlace != .afterActivation { parts.append("residualPlace: \(residualPlace)") }
    return "(\(parts.joined(separator: ", ")))"
  }
}

extension NormalizationOptions: Codable {
  private enum CodingKeys: CodingKey {
    case numOfMaps, epsilon, affine, trackRunningStats, momentum, activation, slope, residualPlace, groups, height
    case width, numOfStyles, strength, name
  }

  /// PuzzleLib's arguments always; what it does not have where it is not as usual.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(epsilon, forKey: .epsilon)
    if strength == nil { try container.encode(numOfMaps, forKey: .numOfMaps) }
    if strength == nil, numOfStyles == nil { try container.encode(affine, forKey: .affine) }
    switch activation {
    case .none: break
    case .relu: try container.encode("relu", forKey: .activation)
    case .leakyReLU(let slope):
      try container.encode("leakyReLU", forKey: .activation)
      try container.encode(slope, forKey: .slope)
    }
    if residualPlace != .afterActivation { try container.encode(residualPlace.rawValue, forKey: .residualPlace) }
    if trackRunningStats {
      try container.encode(true, forKey: .trackRunningStats)
      try container.encode(momentum, forKey: .momentum)
    }
    try container.encodeIfPresent(groups, forKey: .groups)
    try container.encodeIfPresent(perElement?.height, forKey: .height)
    try container.encodeIfPresent(perElement?.width, forKey: .width)
    try container.encodeIfPresent(numOfStyles, forKey: .numOfStyles)
    try container.encodeIfPresent(strength, forKey: .strength)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    name = try container.decodeIfPresent(String.self, forKey: .name)
    epsilon = try container.decode(Double.self, forKey: .epsilon)
    strength = try container.decodeIfPresent(Double.self, forKey: .strength)
    numOfStyles = try container.decodeIfPresent(Int.self, forKey: .numOfStyles)
    numOfMaps = try container.decodeIfPresent(Int.self, forKey: .numOfMaps)
    if strength != nil {
      affine = false
    } else if numOfStyles == nil {
      affine = try container.decode(Bool.self, forKey: .affine)
    }
    switch try container.decodeIfPresent(String.self, forKey: .activation) {
    case nil: break
    case "relu": activation = .relu
    case "leakyReLU": activation = .leakyReLU(slope: try container.decode(Double.self, forKey: .slope))
    case .some(let other): throw Self.fault("relu, leakyReLU or null", other, .activation, container)
    }
    if let place = try container.decodeIfPresent(String.self, forKey: .residualPlace) {
      guard let known = ResidualPlace(rawValue: place) else {
        let names = ResidualPlace.allCases.map(\.rawValue).joined(separator: " or ")
        throw Self.fault(names, place, .residualPlace, container)
      }
      residualPlace = known
    }
    trackRunningStats = try container.decodeIfPresent(Bool.self, forKey: .trackRunningStats) ?? false
    if container.contains(.momentum) { momentum = try container.decode(Double?.self, forKey: .momentum) }
    groups = try container.decodeIfPresent(Int.self, forKey: .groups)
    if container.contains(.height) || container.contains(.width) {
      perElement = Size(
        height: try container.decode(Int.self, forKey: .height),
        width: try container.decode(Int.self, forKey: .width))
    }
  }

  private static func fault(
    _ expected: String, _ got: String, _ key: CodingKeys, _ container: KeyedDecodingContainer<CodingKeys>
  ) -> DecodingError {
    DecodingError.dataCorruptedError(
      forKey: key, in: container, debugDescription: "expected \(expected), got string(\"\(got)\")")
  }
}
