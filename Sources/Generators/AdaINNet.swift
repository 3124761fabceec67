import InstanceNorm

/// The network that gives a picture the style of any other (Huang and Belongie, "Arbitrary style transfer in real-time with
/// adaptive instance normalization", 2017): VGG19's features up to its fourth stage, adaptive instance normalisation by
/// those of the style, and a decoder that mirrors the encoder, with nearest neighbours for its pooling.
///
///     let painter = try AdaINNet(encoder: "vgg_normalised.pth", decoder: "decoder.pth")
///     try painter.setStyle(painting)
///     let y = try painter(x)
///
/// Every convolution is 3x3 of a mirrored picture, but for the first, 1x1, which makes the encoder's numbers of the
/// picture's. Names in files are those of naoto0804/pytorch-AdaIN, whose encoder (`0.weight`) and decoder (`1.weight`)
/// are files of their own; in one file of this network they are `encoder.0.weight` and `decoder.1.weight`. Variances are the
/// biased ones of the paper; that implementation's are larger by n / (n - 1).
public final class AdaINNet: Generator, SavedNetwork {
  /// Maps at full size.
  public let width: Int
  /// How far features go towards the style's: 0 to 1.
  public var strength = 1.0

  let encoder: Sequential
  let adain: AdaptiveInstanceNorm2D
  let decoder: Sequential

  /// - Parameters:
  ///   - width: maps at full size; there are eight times as many at an eighth of it.
  ///   - inMaps: C of pictures, and of the result.
  ///   - valueRange: what the numbers of both mean.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(width: Int = 64, inMaps: Int = 3, valueRange: ValueRange = .unit, name: String? = nil) throws {
    try Self.require("width", width, from: 1)
    self.width = width
    func conv(_ maps: Int, _ outMaps: Int) throws -> [Module] {
      [try Pad2D(pad: 1, mode: .reflect), try Conv2D(inMaps: maps, outMaps: outMaps, size: 3), ReLU()]
    }
    var encoding: [Module] = [try Conv2D(inMaps: inMaps, outMaps: inMaps, size: 1)]
    encoding += try conv(inMaps, width) + conv(width, width) + [MaxPool2D(size: 2, ceilMode: true)]
    encoding += try conv(width, 2 * width) + conv(2 * width, 2 * width) + [MaxPool2D(size: 2, ceilMode: true)]
    encoding += try conv(2 * width, 4 * width)
    for _ in 0..<3 { encoding += try conv(4 * width, 4 * width) }
    encoding += try [MaxPool2D(size: 2, ceilMode: true)] + conv(4 * width, 8 * width)

    var decoding = try conv(8 * width, 4 * width) + [Upsample2D(scale: 2)]
    for _ in 0..<3 { decoding += try conv(4 * width, 4 * width) }
    decoding += try conv(4 * width, 2 * width) + [Upsample2D(scale: 2)]
    decoding += try conv(2 * width, 2 * width) + conv(2 * width, width) + [Upsample2D(scale: 2)]
    decoding += try conv(width, width) + conv(width, inMaps).dropLast()
    encoder = try Sequential(encoding)
    adain = try AdaptiveInstanceNorm2D()
    decoder = try Sequential(decoding)
    super.init(
      inMaps: inMaps, outMaps: inMaps, valueRange: valueRange, multiple: 8, least: 16, name: name,
      ["width": .int(width)])
  }

  /// Makes a network of the two files in which naoto0804/pytorch-AdaIN has its weights, in evaluation mode.
  ///
  /// - Parameters:
  ///   - encoder: `vgg_normalised.pth`.
  ///   - decoder: `decoder.pth`.
  /// - Throws: as ``SavedNetwork/init(contentsOf:)``.
  public convenience init(encoder: String, decoder: String) throws {
    let first = try StateDict(contentsOf: encoder).kernel("2.weight", size: 3)
    try self.init(width: first?.outMaps ?? 64, inMaps: first?.inMaps ?? 3)
    try self.encoder.load(from: encoder)
    try self.decoder.load(from: decoder)
    evalMode()
  }

  /// Sets the style of the calls that follow.
  ///
  /// - Parameter picture: (1, C, H, W) for all pictures or (N, C, H, W) for each, of any size, on the network's device.
  /// - Throws: `ModuleError` when it is not a picture that the network takes.
  public func setStyle(_ picture: Tensor) throws {
    try checkDataShape(picture.shape)
    try adain.setStyle(encoder(picture.to(.nhwc).mirrored(to: 1, atLeast: least)).withoutOrigin)
    // In training the call has left what no gradient will be asked of.
    encoder.reset()
  }

  override func layers(_ x: Tensor) throws -> Tensor {
    let content = try encoder(x)
    let styled = try adain(content)
    return try decoder(strength == 1 ? styled : strength * styled + (1 - strength) * content)
  }

  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.optionalInt("width") ?? 64, inMaps: blueprint.optionalInt("inMaps") ?? 3,
      valueRange: blueprint.valueRange(or: .unit), name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? {
    guard let first = file.kernel("encoder.2.weight", size: 3), file.kernel("encoder.0.weight", size: 1) != nil,
      file.has("encoder.29.weight", [8 * first.outMaps, 4 * first.outMaps, 3, 3])
    else { return nil }
    return Blueprint(
      classname: "\(Self.self)", scheme: ["width": .int(first.outMaps), "inMaps": .int(first.inMaps)])
  }
}
