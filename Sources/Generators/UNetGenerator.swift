import InstanceNorm

/// pix2pix's generator (Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial networks",
/// 2017): convolutions that halve the picture until one pixel is left, and as many that double it again, each of which
/// also sees what the one of its size on the way down saw.
///
/// | on the way down, 4x4, stride 2 | maps, for width 64 | on the way up, transposed 4x4, stride 2 |
/// | --- | --- | --- |
/// | H/2 x W/2 | 64 | to H x W, hyperbolic tangent |
/// | H/4 x W/4 | 128 | to H/2 x W/2 |
/// | H/8 x W/8 | 256 | to H/4 x W/4 |
/// | H/16 x W/16 | 512 | to H/8 x W/8 |
/// | ... H/256 x W/256 | 512 | to H/128 x W/128 ... |
///
/// A leaky ReLU of 0.2 comes before each on the way down, ReLU before each on the way up, a normalisation after all but the
/// first, the innermost and the last. There is no dropout. Names in files are those of `UnetGenerator` in
/// junyanz/pytorch-CycleGAN-and-pix2pix: `model.model.0.weight`, `model.model.1.model.1.weight`.
public final class UNetGenerator: Generator, SavedNetwork {
  /// Maps at half of the size.
  public let width: Int
  /// How often the picture is halved.
  public let depth: Int
  public let norm: NormalizationChoice

  let model: Block

  /// - Parameters:
  ///   - width: maps at half of the size; there are at most eight times as many.
  ///   - depth: how often the picture is halved: 8 for 256 x 256, 7 for 128 x 128.
  ///   - norm: what follows convolutions.
  ///   - inMaps: C of the data.
  ///   - outMaps: C of the result.
  ///   - valueRange: what the numbers of both mean.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(
    width: Int = 64, depth: Int = 8, norm: NormalizationChoice = .batch, inMaps: Int = 3, outMaps: Int = 3,
    valueRange: ValueRange = .signed, name: String? = nil
  ) throws {
    try Self.require("width", width, from: 1)
    try Self.require("depth", depth, from: 2, to: 16)
    (self.width, self.depth, self.norm) = (width, depth, norm)
    // From the innermost outwards.
    var block: Block?
    for level in (0..<depth).reversed() {
      func maps(_ level: Int) -> Int { width << min(level, 3) }
      block = try Block(
        level == 0 ? .outermost(inMaps: inMaps) : block == nil ? .innermost : .middle,
        outer: level == 0 ? outMaps : maps(level - 1), inner: maps(level), around: block, norm)
    }
    guard let block else { throw ModuleError.notOverridden(module: "\(Self.self)", method: "init") }
    model = block
    super.init(
      inMaps: inMaps, outMaps: outMaps, valueRange: valueRange, multiple: 1 << depth, least: 1 << depth, name: name,
      ["width": .int(width), "depth": .int(depth), "norm": .string(norm.rawValue)])
  }

  override func layers(_ x: Tensor) throws -> Tensor { try model(x) }

  /// What halves a picture, the block around which it is, and what doubles it again.
  final class Block: Module {
    enum Place {
      case outermost(inMaps: Int)
      case middle, innermost
    }

    private let place: Place
    let model: Sequential

    init(_ place: Place, outer: Int, inner: Int, around block: Block?, _ norm: NormalizationChoice) throws {
      self.place = place
      func down(_ maps: Int) throws -> Module {
        try Conv2D(inMaps: maps, outMaps: inner, size: 4, stride: 2, pad: 1, useBias: norm.followsBias)
      }
      func up(_ maps: Int, useBias: Bool) throws -> Module {
        try Deconv2D(inMaps: maps, outMaps: outer, size: 4, stride: 2, pad: 1, useBias: useBias)
      }
      let around = block.map { [$0] } ?? []
      let layers: [Module] =
        switch place {
        case .outermost(let inMaps):
          try [down(inMaps)] + around + [ReLU(), up(2 * inner, useBias: true), Tanh()]
        case .middle:
          try [LeakyReLU(slope: 0.2), down(outer), norm.layer(inner)] + around + [
            ReLU(), up(2 * inner, useBias: norm.followsBias), norm.layer(outer),
          ]
        case .innermost:
          try [LeakyReLU(slope: 0.2), down(outer), ReLU(), up(inner, useBias: norm.followsBias), norm.layer(outer)]
        }
      model = try Sequential(name: "model", layers)
      super.init()
    }

    override func dataShape(from shape: Shape) throws -> Shape {
      var result = try model.dataShape(from: shape)
      if case .outermost = place { return result }
      result.dimensions[1] += shape[1]
      return result
    }

    override func forward(_ x: Tensor) throws -> Tensor {
      let y = try model(x)
      if case .outermost = place { return y }
      return try .concatenated([x, y], along: 1)
    }
  }
}

extension UNetGenerator {
  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.optionalInt("width") ?? 64, depth: blueprint.optionalInt("depth") ?? 8,
      norm: blueprint.norm(or: .batch), inMaps: blueprint.optionalInt("inMaps") ?? 3,
      outMaps: blueprint.optionalInt("outMaps") ?? 3, valueRange: blueprint.valueRange(or: .signed),
      name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    /// The names of the convolution on the way down at a depth: what is around it is the fourth layer of each block, the
    /// second of the outermost.
    func name(_ level: Int) -> String {
      level == 0
        ? "model.model.0.weight" : "model.model.1." + String(repeating: "model.3.", count: level - 1) + "model.1.weight"
    }
    guard let first = file.kernel(name(0), size: 4), let last = file.kernel("model.model.3.weight", size: 4),
      last.outMaps == 2 * first.outMaps
    else { return nil }
    let depth = file.count(name)
    guard (2...16).contains(depth),
      (1..<depth).allSatisfy({ level in
        file.has(name(level), [first.outMaps << min(level, 3), first.outMaps << min(level - 1, 3), 4, 4])
      })
    else { return nil }
    let norm = NormalizationChoice(of: depth > 2 ? "model.model.1.model.2" : "model.model.1.model.4", in: file)
    return Blueprint(
      classname: "\(Self.self)",
      scheme: [
        "width": .int(first.outMaps), "depth": .int(depth), "inMaps": .int(first.inMaps), "outMaps": .int(last.inMaps),
        "norm": .string(norm.rawValue),
      ])
  }
}
