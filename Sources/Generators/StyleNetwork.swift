import InstanceNorm

/// The layers of Johnson's network, with a normalisation that is to be chosen: ``TransformerNet`` and
/// ``ConditionalTransformerNet``.
public class StyleNetwork: Generator {
  /// Maps at full size.
  public let width: Int
  /// Residual blocks.
  public let blocks: Int
  /// How sizes are doubled.
  public let upsampling: Upsampling

  /// How a network of styles doubles sizes, before a convolution.
  public enum Upsampling: String, CaseIterable, Sendable {
    /// Each pixel becomes four: the network of pytorch/examples. Smooth gradients become stairs of 4 pixels, and on these a
    /// trained network may draw a lattice.
    case nearest
    /// Between pixels lies what a straight line gives; of gradients no lattice comes.
    case bilinear

    fileprivate var mode: ResizeMode { self == .nearest ? .nearest : .bilinear() }
  }

  let conv1: ConvLayer
  let in1: Normalization
  let conv2: ConvLayer
  let in2: Normalization
  let conv3: ConvLayer
  let in3: Normalization
  let res: [Block]
  let deconv1: ConvLayer
  let in4: Normalization
  let deconv2: ConvLayer
  let in5: Normalization
  let deconv3: ConvLayer

  /// - Parameters:
  ///   - arguments: of the constructor, besides those that are here.
  ///   - norm: a normalisation of so many maps, and what follows it.
  init(
    width: Int, blocks: Int, upsampling: Upsampling, inMaps: Int, outMaps: Int, valueRange: ValueRange, name: String?,
    _ arguments: [String: Blueprint.Argument] = [:], norm: (_ maps: Int, Activation) throws -> Normalization
  ) throws {
    try Self.require("width", width, from: 1)
    try Self.require("blocks", blocks, from: 0)
    (self.width, self.blocks, self.upsampling) = (width, blocks, upsampling)
    conv1 = try ConvLayer(inMaps, width, size: 9)
    in1 = try norm(width, .relu)
    conv2 = try ConvLayer(width, 2 * width, size: 3, stride: 2)
    in2 = try norm(2 * width, .relu)
    conv3 = try ConvLayer(2 * width, 4 * width, size: 3, stride: 2)
    in3 = try norm(4 * width, .relu)
    res = try (0..<blocks).map { try Block(maps: 4 * width, name: "res\($0 + 1)", norm) }
    deconv1 = try ConvLayer(4 * width, 2 * width, size: 3, doubling: upsampling.mode)
    in4 = try norm(2 * width, .relu)
    deconv2 = try ConvLayer(2 * width, width, size: 3, doubling: upsampling.mode)
    in5 = try norm(width, .relu)
    deconv3 = try ConvLayer(width, outMaps, size: 9)
    super.init(
      inMaps: inMaps, outMaps: outMaps, valueRange: valueRange, multiple: 4, least: 8, name: name,
      arguments.merging([
        "width": .int(width), "blocks": .int(blocks), "upsampling": .string(upsampling.rawValue),
      ]) { $1 })
  }

  override func layers(_ x: Tensor) throws -> Tensor {
    let small = try in3(conv3(in2(conv2(in1(conv1(x))))))
    let painted = try res.reduce(small) { try $1($0) }
    return try deconv3(in5(deconv2(in4(deconv1(painted)))))
  }

  /// x and what two convolutions make of it.
  final class Block: Module {
    let conv1: ConvLayer
    let in1: Normalization
    let conv2: ConvLayer
    let in2: Normalization

    init(maps: Int, name: String, _ norm: (Int, Activation) throws -> Normalization) throws {
      conv1 = try ConvLayer(maps, maps, size: 3)
      in1 = try norm(maps, .relu)
      conv2 = try ConvLayer(maps, maps, size: 3)
      in2 = try norm(maps, .none)
      super.init(name: name)
    }

    override func forward(_ x: Tensor) throws -> Tensor { try in2(conv2(in1(conv1(x))), residual: x) }
  }
}

extension StyleNetwork {
  /// What a file of these layers says of them; nil where it is of others.
  static func arguments(in file: StateDict) -> [String: Blueprint.Argument]? {
    guard let first = file.kernel("conv1.conv2d.weight", size: 9),
      let last = file.kernel("deconv3.conv2d.weight", size: 9), last.inMaps == first.outMaps,
      file.has("conv3.conv2d.weight", [4 * first.outMaps, 2 * first.outMaps, 3, 3])
    else { return nil }
    let blocks = file.count { "res\($0 + 1).conv2.conv2d.weight" }
    let maps = 4 * first.outMaps
    // Their shapes too: what a stranger's file says must not become weights without bound.
    guard (0..<blocks).allSatisfy({ file.has("res\($0 + 1).conv2.conv2d.weight", [maps, maps, 3, 3]) }) else {
      return nil
    }
    return [
      "width": .int(first.outMaps), "blocks": .int(blocks), "inMaps": .int(first.inMaps), "outMaps": .int(last.outMaps),
    ]
  }
}
