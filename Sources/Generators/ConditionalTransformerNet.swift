import InstanceNorm

/// One network that paints in several styles, and in blends of them (Dumoulin, Shlens and Kudlur, "A learned
/// representation for artistic style", 2017): the layers of ``TransformerNet``, whose normalisations have a scale and a
/// bias for each style.
///
///     let painter = try ConditionalTransformerNet(numOfStyles: 10)
///     try painter.select(style: 3)
///     let y = try painter(x)
///
/// Names in files are those of ``TransformerNet``, except that `in1.weight` and its like are (S, C).
public final class ConditionalTransformerNet: StyleNetwork, SavedNetwork {
  /// S.
  public let numOfStyles: Int

  /// - Parameters:
  ///   - numOfStyles: how many styles there are.
  ///   - width: maps at full size; there are four times as many at a quarter of it.
  ///   - blocks: residual blocks.
  ///   - inMaps: C of the data.
  ///   - outMaps: C of the result.
  ///   - valueRange: what the numbers of both mean.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(
    numOfStyles: Int, width: Int = 32, blocks: Int = 5, inMaps: Int = 3, outMaps: Int = 3,
    valueRange: ValueRange = .bytes, name: String? = nil
  ) throws {
    try Self.require("numOfStyles", numOfStyles, from: 1)
    self.numOfStyles = numOfStyles
    try super.init(
      width: width, blocks: blocks, inMaps: inMaps, outMaps: outMaps, valueRange: valueRange, name: name,
      ["numOfStyles": .int(numOfStyles)]
    ) { try ConditionalInstanceNorm2D(numOfMaps: $0, numOfStyles: numOfStyles, activation: $1) }
  }

  /// Gives one style to all pictures of the calls that follow. At first it is 0.
  ///
  /// - Throws: `ModuleError.argument(module:name:expected:got:)` when there is no such style.
  public func select(style: Int) throws {
    for norm in norms { try norm.select(style: style) }
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
      numOfStyles: blueprint.optionalInt("numOfStyles") ?? 1, width: blueprint.optionalInt("width") ?? 32,
      blocks: blueprint.optionalInt("blocks") ?? 5, inMaps: blueprint.optionalInt("inMaps") ?? 3,
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
