import InstanceNorm

/// The first convolutions of ``VGG19`` distilled to a quarter of its maps (Wang, Li, Liu, Hu and Yang, "Collaborative
/// distillation for ultra-resolution universal style transfer", 2020): a loss network of an eighteenth of its work.
///
/// | convolution | maps, for width 16 | size |
/// | --- | --- | --- |
/// | 1x1 | 3 | H x W |
/// | 3x3, twice | 16 | H x W |
/// | 3x3, twice | 32 | H/2 x W/2 |
/// | 3x3, four times | 64 | H/4 x W/4 |
/// | 3x3 | 128 | H/8 x W/8 |
///
/// The first makes the network's numbers of a picture of 0 to 1. The others are of a picture that is mirrored at its edges
/// and are followed by ReLU; the greatest of 2x2 values is taken where the size is halved, or their mean
/// (``LossNetwork/pooling``). Names in files are those of `SmallEncoder4_16x_aux` and its like in
/// MingSun-Tse/Collaborative-Distillation: `conv0.weight`, `conv11.weight`. Those that are there for the distillation alone
/// (`conv11_aux`) are passed over.
public final class SmallVGG19: LossNetwork, SavedNetwork {
  /// Maps at full size.
  public let width: Int
  /// How many convolutions of 3x3 there are.
  public let depth: Int

  let conv0: Conv2D
  let convs: [Conv2D]

  /// The convolutions, by stage and number in it.
  private static let places = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (3, 4), (4, 1)]

  private static func maps(_ stage: Int, width: Int) -> Int { width << (stage - 1) }

  /// - Parameters:
  ///   - width: maps at full size; there are eight times as many at an eighth of it.
  ///   - depth: how many convolutions of 3x3: 1 to 9.
  ///   - inMaps: C of the data.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(width: Int = 16, depth: Int = 9, inMaps: Int = 3, name: String? = nil) throws {
    try Self.require("width", width, from: 1)
    try Self.require("depth", depth, from: 1, to: Self.places.count)
    (self.width, self.depth) = (width, depth)
    conv0 = try Conv2D(inMaps: inMaps, outMaps: inMaps, size: 1)
    var last = inMaps
    convs = try Self.places.prefix(depth).map { stage, number in
      let maps = Self.maps(stage, width: width)
      defer { last = maps }
      return try Conv2D(
        inMaps: last, outMaps: maps, size: 3, pad: 1, paddingMode: .reflect, name: "conv\(stage)\(number)")
    }
    super.init(
      names: Self.places.prefix(depth).map { "relu\($0)_\($1)" }, inMaps: inMaps, name: name,
      ["width": .int(width), "depth": .int(depth)])
  }

  public override var styleLayers: [String] {
    ["relu1_2", "relu2_2", "relu3_3", "relu4_1"].filter(names.contains)
  }

  public override var contentLayers: [String] {
    [["relu3_1", "relu2_2"].first(where: names.contains) ?? names[0]]
  }

  override func features(of x: Tensor, through deepest: Int) throws -> [Tensor] {
    var (x, found) = (try conv0(x), [Tensor]())
    for (place, conv) in zip(Self.places, convs.prefix(deepest + 1)) {
      if place.0 > 1, place.1 == 1 { x = try halved(x) }
      x = try conv(x).relu()
      found.append(x)
    }
    return found
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    let stage = Self.places[depth - 1].0
    return [shape[0], Self.maps(stage, width: width), shape[2] >> (stage - 1), shape[3] >> (stage - 1)]
  }

  /// The deepest features.
  override func layers(_ x: Tensor) throws -> Tensor { try features(of: x, through: depth - 1)[depth - 1] }

  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.optionalInt("width") ?? 16, depth: blueprint.optionalInt("depth") ?? 9,
      inMaps: blueprint.optionalInt("inMaps") ?? 3, name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    guard let first = file.kernel("conv0.weight", size: 1), let width = file.kernel("conv11.weight", size: 3)?.outMaps
    else { return nil }
    var (depth, last) = (0, first.outMaps)
    for (stage, number) in places {
      let maps = maps(stage, width: width)
      guard file.has("conv\(stage)\(number).weight", [maps, last, 3, 3]) else { break }
      (depth, last) = (depth + 1, maps)
    }
    return Blueprint(
      classname: "\(Self.self)",
      scheme: ["width": .int(width), "depth": .int(depth), "inMaps": .int(first.inMaps)])
  }
}
