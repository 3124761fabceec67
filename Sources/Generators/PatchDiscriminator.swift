import InstanceNorm

/// pix2pix's and CycleGAN's discriminator (Isola, Zhu, Zhou and Efros 2017), (N, C, H, W) to (N, 1, H', W'): a number for
/// each patch of the picture that says how real that looks. With three layers a patch is 70 x 70:
///
/// | layer | maps, for width 64 |
/// | --- | --- |
/// | 4x4, stride 2 | 64 |
/// | 4x4, stride 2 | 128 |
/// | 4x4, stride 2 | 256 |
/// | 4x4 | 512 |
/// | 4x4 | 1 |
///
/// A normalisation follows all but the first and the last, a leaky ReLU of 0.2 all but the last. With no layers a patch is
/// one pixel, and there are three convolutions of 1x1. Names in files are those of `NLayerDiscriminator` (`model.0.weight`)
/// and `PixelDiscriminator` (`net.0.weight`) in junyanz/pytorch-CycleGAN-and-pix2pix.
public final class PatchDiscriminator: Network, SavedNetwork {
  /// Maps of the first layer.
  public let width: Int
  /// How many layers have a stride; 0 for one pixel.
  public let depth: Int
  public let norm: NormalizationChoice

  let model: Sequential

  /// - Parameters:
  ///   - width: maps of the first layer; there are at most eight times as many.
  ///   - depth: how many layers have a stride: 3 for patches of 70 x 70, 0 for pixels.
  ///   - norm: what follows convolutions.
  ///   - inMaps: C of the data: of pix2pix the two pictures' together.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(
    width: Int = 64, depth: Int = 3, norm: NormalizationChoice = .instance, inMaps: Int = 3, name: String? = nil
  ) throws {
    try Self.require("width", width, from: 1)
    try Self.require("depth", depth, from: 0, to: 16)
    (self.width, self.depth, self.norm) = (width, depth, norm)
    func conv(_ inMaps: Int, _ outMaps: Int, stride: Int, useBias: Bool = true) throws -> Module {
      try depth == 0
        ? Conv2D(inMaps: inMaps, outMaps: outMaps, size: 1, useBias: useBias)
        : Conv2D(
          inMaps: inMaps, outMaps: outMaps, size: 4, stride: RowsAndColumns(stride), pad: 1, useBias: useBias)
    }
    var layers = [try conv(inMaps, width, stride: 2), try LeakyReLU(slope: 0.2)]
    var maps = width
    for level in 1...max(depth, 1) {
      let more = width << min(level, 3)
      layers += [
        try conv(maps, more, stride: level < depth ? 2 : 1, useBias: norm.followsBias), try norm.layer(more),
        try LeakyReLU(slope: 0.2),
      ]
      maps = more
    }
    // The network of pixels has this bias with the rest.
    layers.append(try conv(maps, 1, stride: 1, useBias: depth > 0 || norm.followsBias))
    model = try Sequential(name: depth == 0 ? "net" : "model", layers)
    super.init(
      inMaps: inMaps, name: name,
      ["width": .int(width), "depth": .int(depth), "norm": .string(norm.rawValue)])
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return try model.dataShape(from: shape)
  }

  override func layers(_ x: Tensor) throws -> Tensor { try model(x) }
}

extension PatchDiscriminator {
  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.optionalInt("width") ?? 64, depth: blueprint.optionalInt("depth") ?? 3,
      norm: blueprint.norm(or: .instance), inMaps: blueprint.optionalInt("inMaps") ?? 3, name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    func blueprint(_ first: (outMaps: Int, inMaps: Int), _ depth: Int, norm: String) -> Blueprint {
      Blueprint(
        classname: "\(Self.self)",
        scheme: [
          "width": .int(first.outMaps), "depth": .int(depth), "inMaps": .int(first.inMaps),
          "norm": .string(NormalizationChoice(of: norm, in: file).rawValue),
        ])
    }
    if let first = file.kernel("net.0.weight", size: 1),
      file.has("net.2.weight", [2 * first.outMaps, first.outMaps, 1, 1])
    {
      return blueprint(first, 0, norm: "net.3")
    }
    guard let first = file.kernel("model.0.weight", size: 4) else { return nil }
    // Convolutions of the maps that the rule gives, then one to a single map.
    let depth = file.count { "model.\(3 * $0 + 2).weight" } - 1
    guard (1...16).contains(depth),
      (1...depth).allSatisfy({ level in
        file.has(
          "model.\(3 * level - 1).weight", [first.outMaps << min(level, 3), first.outMaps << min(level - 1, 3), 4, 4])
      }), file.kernel("model.\(3 * depth + 2).weight", size: 4)?.outMaps == 1
    else { return nil }
    return blueprint(first, depth, norm: "model.3")
  }
}
