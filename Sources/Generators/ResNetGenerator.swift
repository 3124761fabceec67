import InstanceNorm

/// CycleGAN's generator (Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using cycle-consistent
/// adversarial networks", 2017):
///
/// | layer | maps, for width 64 | size |
/// | --- | --- | --- |
/// | 7x7 | 64 | H x W |
/// | 3x3, stride 2 | 128 | H/2 x W/2 |
/// | 3x3, stride 2 | 256 | H/4 x W/4 |
/// | 9 residual blocks of two 3x3, or 6 | 256 | H/4 x W/4 |
/// | transposed 3x3, stride 2 | 128 | H/2 x W/2 |
/// | transposed 3x3, stride 2 | 64 | H x W |
/// | 7x7, hyperbolic tangent | 3 | H x W |
///
/// Each but the last is followed by a normalisation and ReLU, except that a block has no ReLU at its end. Names in files
/// are those of `ResnetGenerator` in junyanz/pytorch-CycleGAN-and-pix2pix: `model.1.weight`,
/// `model.10.conv_block.1.weight`.
public final class ResNetGenerator: Generator, SavedNetwork {
  /// Maps at full size.
  public let width: Int
  /// Residual blocks.
  public let blocks: Int
  public let norm: NormalizationChoice
  /// Whether names in files count a dropout in each block.
  public let countsDropout: Bool

  let model: Sequential

  /// - Parameters:
  ///   - width: maps at full size; there are four times as many at a quarter of it.
  ///   - blocks: residual blocks: 9, or 6 for pictures of 128 x 128.
  ///   - norm: what follows convolutions.
  ///   - countsDropout: whether names in files count a dropout in each block, as those of networks that were trained with
  ///     one do. Here there is none.
  ///   - inMaps: C of the data.
  ///   - outMaps: C of the result.
  ///   - valueRange: what the numbers of both mean.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(
    width: Int = 64, blocks: Int = 9, norm: NormalizationChoice = .instance, countsDropout: Bool = false,
    inMaps: Int = 3, outMaps: Int = 3, valueRange: ValueRange = .signed, name: String? = nil
  ) throws {
    try Self.require("width", width, from: 1)
    try Self.require("blocks", blocks, from: 0)
    (self.width, self.blocks, self.norm, self.countsDropout) = (width, blocks, norm, countsDropout)
    func smaller(_ maps: Int) throws -> [Module] {
      [
        try Conv2D(inMaps: maps, outMaps: 2 * maps, size: 3, stride: 2, pad: 1, useBias: norm.followsBias),
        try norm.layer(2 * maps), ReLU(),
      ]
    }
    func larger(_ maps: Int) throws -> [Module] {
      [
        try Deconv2D(
          inMaps: maps, outMaps: maps / 2, size: 3, stride: 2, pad: 1, postPad: 1, useBias: norm.followsBias),
        try norm.layer(maps / 2), ReLU(),
      ]
    }
    var layers: [Module] = [
      try Pad2D(pad: 3, mode: .reflect), try Conv2D(inMaps: inMaps, outMaps: width, size: 7, useBias: norm.followsBias),
      try norm.layer(width), ReLU(),
    ]
    layers += try smaller(width) + smaller(2 * width)
    layers += try (0..<blocks).map { _ in try Block(maps: 4 * width, norm, countsDropout: countsDropout) }
    layers += try larger(4 * width) + larger(2 * width)
    layers += [try Pad2D(pad: 3, mode: .reflect), try Conv2D(inMaps: width, outMaps: outMaps, size: 7), Tanh()]
    model = try Sequential(name: "model", layers)
    super.init(
      inMaps: inMaps, outMaps: outMaps, valueRange: valueRange, multiple: 4, least: 8, name: name,
      [
        "width": .int(width), "blocks": .int(blocks), "norm": .string(norm.rawValue),
        "countsDropout": .bool(countsDropout),
      ])
  }

  override func layers(_ x: Tensor) throws -> Tensor { try model(x) }

  /// x and what two convolutions make of it.
  final class Block: Module {
    let path: Sequential

    init(maps: Int, _ norm: NormalizationChoice, countsDropout: Bool) throws {
      func conv() throws -> [Module] {
        [
          try Pad2D(pad: 1, mode: .reflect),
          try Conv2D(inMaps: maps, outMaps: maps, size: 3, useBias: norm.followsBias), try norm.layer(maps),
        ]
      }
      let between: [Module] = countsDropout ? [ReLU(), Identity()] : [ReLU()]
      path = try Sequential(name: "conv_block", conv() + between + conv())
      super.init()
    }

    override func forward(_ x: Tensor) throws -> Tensor { try path(x) + x }
  }
}

extension ResNetGenerator {
  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.optionalInt("width") ?? 64, blocks: blueprint.optionalInt("blocks") ?? 9,
      norm: blueprint.norm(or: .instance), countsDropout: blueprint.optionalBool("countsDropout") ?? false,
      inMaps: blueprint.optionalInt("inMaps") ?? 3,
      outMaps: blueprint.optionalInt("outMaps") ?? 3, valueRange: blueprint.valueRange(or: .signed),
      name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    guard let first = file.kernel("model.1.weight", size: 7),
      file.has("model.7.weight", [4 * first.outMaps, 2 * first.outMaps, 3, 3])
    else { return nil }
    let maps = 4 * first.outMaps
    let countsDropout = file.has("model.10.conv_block.6.weight", [maps, maps, 3, 3])
    func second(_ block: Int) -> String { "model.\(block + 10).conv_block.\(countsDropout ? 6 : 5).weight" }
    let blocks = file.count(second)
    guard (0..<blocks).allSatisfy({ file.has(second($0), [maps, maps, 3, 3]) }),
      let last = file.kernel("model.\(blocks + 17).weight", size: 7), last.inMaps == first.outMaps
    else { return nil }
    return Blueprint(
      classname: "\(Self.self)",
      scheme: [
        "width": .int(first.outMaps), "blocks": .int(blocks), "inMaps": .int(first.inMaps),
        "outMaps": .int(last.outMaps),
        "norm": .string(NormalizationChoice(of: "model.2", in: file).rawValue),
        "countsDropout": .bool(countsDropout),
      ])
  }
}
