import InstanceNorm

/// One network that paints in several styles, and in blends of them (Dumoulin, Shlens and Kudlur, "A learned
/// representation for artistic style", 2017): the layers of ``TransformerNet``, whose normalisations have a scale and a
/// bias for each style.
///
///     let painter = try ConditionalTransformerNet(numOfStyles: 10)
///     try painter.select(style: 3)
///     let y = try painter(x)
///     try painter.select(["ink": 0.7, "dots": 0.3])          // where the network knows names
///
/// Names in files are those of ``TransformerNet``, except that `in1.weight` and its like are (S, C).
public final class ConditionalTransformerNet: StyleNetwork, SavedNetwork {
  /// S.
  public let numOfStyles: Int
  /// What the styles are called, in their order: their numbers, where they have no names.
  public let styleNames: [String]

  /// - Parameters:
  ///   - numOfStyles: how many styles there are.
  ///   - styleNames: what they are called, all different; nil for their numbers.
  ///   - width: maps at full size; there are four times as many at a quarter of it.
  ///   - blocks: residual blocks.
  ///   - upsampling: how sizes are doubled.
  ///   - inMaps: C of the data.
  ///   - outMaps: C of the result.
  ///   - valueRange: what the numbers of both mean.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(
    numOfStyles: Int, styleNames: [String]? = nil, width: Int = 32, blocks: Int = 5,
    upsampling: Upsampling = .nearest, inMaps: Int = 3, outMaps: Int = 3, valueRange: ValueRange = .bytes,
    name: String? = nil
  ) throws {
    try Self.require("numOfStyles", numOfStyles, from: 1)
    if let styleNames, styleNames.count != numOfStyles || Set(styleNames).count != numOfStyles {
      throw ModuleError.argument(
        module: "\(Self.self)", name: "styleNames", expected: "\(numOfStyles) that are all different",
        got: "\(styleNames)")
    }
    self.numOfStyles = numOfStyles
    self.styleNames = styleNames ?? (0..<numOfStyles).map { "\($0)" }
    try super.init(
      width: width, blocks: blocks, upsampling: upsampling, inMaps: inMaps, outMaps: outMaps, valueRange: valueRange,
      name: name,
      ["numOfStyles": .int(numOfStyles), "styleNames": styleNames.map { .strings($0) } ?? .null]
    ) { try ConditionalInstanceNorm2D(numOfMaps: $0, numOfStyles: numOfStyles, activation: $1) }
  }

  /// Gives one style to all pictures of the calls that follow. At first it is 0.
  ///
  /// - Throws: `ModuleError.argument(module:name:expected:got:)` when there is no such style.
  public func select(style: Int) throws {
    for norm in norms { try norm.select(style: style) }
  }

  /// Gives each picture of the calls that follow a style of its own.
  ///
  /// - Parameter styles: the number of each picture's.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)` when there is no such style.
  public func select(styles: [Int]) throws {
    guard !styles.isEmpty, styles.allSatisfy((0..<numOfStyles).contains) else {
      throw ModuleError.argument(
        module: label, name: "styles", expected: "numbers of 0 to \(numOfStyles - 1)", got: "\(styles)")
    }
    let rows = styles.flatMap { style in (0..<numOfStyles).map { $0 == style ? 1.0 : 0.0 } }
    try select(weights: Tensor(rows, shape: [styles.count, numOfStyles]))
  }

  /// Gives the calls that follow a blend of styles.
  ///
  /// - Parameter blend: how much of each style, by ``styleNames``; the blend is of their proportions.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)` when there is no style of a name, a weight is negative
  ///   or all are 0.
  public func select(_ blend: [String: Double]) throws {
    func wrong(_ expected: String, _ got: String) -> ModuleError {
      .argument(module: label, name: "style", expected: expected, got: got)
    }
    for (name, weight) in blend.sorted(by: { $0.key < $1.key }) {
      if !styleNames.contains(name) { throw wrong(styleNames.joined(separator: ", "), "'\(name)'") }
      if !(weight >= 0 && weight.isFinite) { throw wrong("weights of 0 or more", "\(name): \(weight)") }
    }
    let weights = styleNames.map { blend[$0] ?? 0 }
    let sum = weights.reduce(0, +)
    guard sum > 0, sum.isFinite else { throw wrong("a weight of more than 0", "\(blend)") }
    try select(weights: Tensor(weights.map { $0 / sum }, shape: [1, numOfStyles]))
  }

  /// Gives the calls that follow a blend of styles.
  ///
  /// - Parameter weights: how much of each style, (1, S) for all pictures or (N, S) for each.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)` when the shape is another.
  public func select(weights: Tensor) throws {
    for norm in norms { try norm.select(weights: weights) }
  }

  private var norms: [ConditionalInstanceNorm2D] {
    ([in1, in2, in3, in4, in5] + res.flatMap { [$0.in1, $0.in2] }).compactMap { $0 as? ConditionalInstanceNorm2D }
  }

  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      numOfStyles: blueprint.optionalInt("numOfStyles") ?? 1, styleNames: blueprint.optionalStrings("styleNames"),
      width: blueprint.optionalInt("width") ?? 32, blocks: blueprint.optionalInt("blocks") ?? 5,
      upsampling: blueprint.choice("upsampling", or: .nearest), inMaps: blueprint.optionalInt("inMaps") ?? 3,
      outMaps: blueprint.optionalInt("outMaps") ?? 3, valueRange: blueprint.valueRange(or: .bytes),
      name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    guard var arguments = arguments(in: file), let rows = file.entries["in1.weight"]?.shape, rows.rank == 2 else {
      return nil
    }
    arguments["numOfStyles"] = .int(rows[0])
    return Blueprint(classname: "\(Self.self)", scheme: arguments)
  }
}
