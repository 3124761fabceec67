import InstanceNorm

/// The network that paints pictures in one style (Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style
/// transfer and super-resolution", 2016), with instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), and nearest
/// neighbours before convolutions where the paper has transposed ones:
///
/// | layer | maps, for width 32 | size |
/// | --- | --- | --- |
/// | 9x9 | 32 | H x W |
/// | 3x3, stride 2 | 64 | H/2 x W/2 |
/// | 3x3, stride 2 | 128 | H/4 x W/4 |
/// | 5 residual blocks of two 3x3 | 128 | H/4 x W/4 |
/// | nearest x2, 3x3 | 64 | H/2 x W/2 |
/// | nearest x2, 3x3 | 32 | H x W |
/// | 9x9 | 3 | H x W |
///
/// Each but the last is followed by instance normalisation and ReLU, except that a block has no ReLU at its end. Names in
/// files are those of `fast_neural_style` in pytorch/examples: `conv1.conv2d.weight`, `in1.weight`,
/// `res1.conv1.conv2d.weight`.
public final class TransformerNet: StyleNetwork, SavedNetwork {
  /// - Parameters:
  ///   - width: maps at full size; there are four times as many at a quarter of it.
  ///   - blocks: residual blocks.
  ///   - upsampling: how sizes are doubled.
  ///   - inMaps: C of the data.
  ///   - outMaps: C of the result.
  ///   - valueRange: what the numbers of both mean.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(
    width: Int = 32, blocks: Int = 5, upsampling: Upsampling = .nearest, inMaps: Int = 3, outMaps: Int = 3,
    valueRange: ValueRange = .bytes, name: String? = nil
  ) throws {
    try super.init(
      width: width, blocks: blocks, upsampling: upsampling, inMaps: inMaps, outMaps: outMaps, valueRange: valueRange,
      name: name
    ) { try InstanceNorm2D(numOfMaps: $0, activation: $1) }
  }

  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.optionalInt("width") ?? 32, blocks: blueprint.optionalInt("blocks") ?? 5,
      upsampling: blueprint.choice("upsampling", or: .nearest), inMaps: blueprint.optionalInt("inMaps") ?? 3,
      outMaps: blueprint.optionalInt("outMaps") ?? 3, valueRange: blueprint.valueRange(or: .bytes),
      name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    guard let arguments = arguments(in: file), file.entries["in1.weight"]?.shape.rank == 1 else { return nil }
    return Blueprint(classname: "\(Self.self)", scheme: arguments)
  }
}
