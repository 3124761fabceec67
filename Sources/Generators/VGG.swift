import InstanceNorm

/// The features that losses and styles are computed with (Simonyan and Zisserman, "Very deep convolutional networks for
/// large-scale image recognition", 2015): the convolutions of ``VGG16`` and ``VGG19``, without the classifier.
///
///     let vgg = try VGG16(contentsOf: "vgg16.pth")
///     let features = try vgg.features(of: VGG.normalized(picture), at: ["relu1_2", "relu2_2", "relu3_3"])
///
/// All are 3x3 and followed by ReLU; after each stage the greatest of 2x2 values is taken, or their mean
/// (``LossNetwork/pooling``):
///
/// | stage | maps, for width 1 | 3x3 of VGG16 | of VGG19 |
/// | --- | --- | --- | --- |
/// | 1 | 64 | 2 | 2 |
/// | 2 | 128 | 2 | 2 |
/// | 3 | 256 | 3 | 4 |
/// | 4 | 512 | 3 | 4 |
/// | 5 | 512 | 3 | 4 |
///
/// Names in files are torchvision's: `features.0.weight`. Those of the classifier are passed over.
public class VGG: LossNetwork {
  /// Maps, as a part of the paper's.
  public let width: Double

  let features: Sequential

  init(stages: [Int], width: Double, inMaps: Int, name: String?) throws {
    guard width > 0, width <= 16 else {
      throw ModuleError.argument(module: "\(Self.self)", name: "width", expected: "more than 0, to 16", got: "\(width)")
    }
    self.width = width
    var (layers, names, last) = ([Module](), [String](), inMaps)
    for (stage, count) in stages.enumerated() {
      let maps = max(Int((Double(64 << min(stage, 3)) * width).rounded()), 1)
      for number in 1...count {
        layers += [try Conv2D(inMaps: last, outMaps: maps, size: 3, pad: 1), ReLU()]
        names.append("relu\(stage + 1)_\(number)")
        last = maps
      }
      layers.append(try MaxPool2D(size: 2))
    }
    features = try Sequential(name: "features", layers)
    super.init(names: names, inMaps: inMaps, name: name, ["width": .double(width)])
  }

  /// A picture of 0 to 1 as the networks of torchvision were trained on it: red, green and blue by their means and
  /// deviations in ImageNet.
  public static func normalized(_ picture: Tensor) throws -> Tensor {
    func row(_ numbers: [Float]) throws -> Tensor {
      try Tensor(numbers, shape: [1, 3, 1, 1]).to(picture.dtype).to(picture.device)
    }
    return try (picture - row([0.485, 0.456, 0.406])) * row([1 / 0.229, 1 / 0.224, 1 / 0.225])
  }

  public override var styleLayers: [String] { ["relu1_2", "relu2_2", "relu3_3", "relu4_3"] }

  public override var contentLayers: [String] { ["relu2_2"] }

  public override func values(of picture: Tensor) throws -> Tensor { try Self.normalized(picture) }

  override func features(of data: Tensor, through deepest: Int) throws -> [Tensor] {
    var (x, found) = (data, [Tensor]())
    for layer in features.modules {
      x = try layer is MaxPool2D ? halved(x) : layer(x)
      if layer is ReLU { found.append(x) }
      if found.count > deepest { break }
    }
    return found
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return try features.dataShape(from: shape)
  }

  override func layers(_ x: Tensor) throws -> Tensor {
    try halved(features(of: x, through: names.count - 1)[names.count - 1])
  }

  /// What a file says of a network of so many convolutions in stages; nil where it is of others.
  static func blueprint(stages: [Int], in file: StateDict) -> Blueprint? {
    guard let first = file.kernel("features.0.weight", size: 3) else { return nil }
    let width = Double(first.outMaps) / 64
    var (place, last) = (0, first.inMaps)
    for (stage, count) in stages.enumerated() {
      for _ in 0..<count {
        let maps = max(Int((Double(64 << min(stage, 3)) * width).rounded()), 1)
        guard file.has("features.\(place).weight", [maps, last, 3, 3]) else { return nil }
        (place, last) = (place + 2, maps)
      }
      place += 1
    }
    return Blueprint(classname: "\(Self.self)", scheme: ["width": .double(width), "inMaps": .int(first.inMaps)])
  }
}

/// Thirteen convolutions. See ``VGG``.
public final class VGG16: VGG, SavedNetwork {
  private static let stages = [2, 2, 3, 3, 3]

  /// - Parameters:
  ///   - width: maps, as a part of the paper's.
  ///   - inMaps: C of the data.
  ///   - name: what the network is called in a model and, as a prefix, in files.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)`.
  public init(width: Double = 1, inMaps: Int = 3, name: String? = nil) throws {
    try super.init(stages: Self.stages, width: width, inMaps: inMaps, name: name)
  }

  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.scheme["width"] == nil ? 1 : blueprint.double("width"),
      inMaps: blueprint.optionalInt("inMaps") ?? 3, name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? { blueprint(stages: stages, in: file) }
}

/// Sixteen convolutions. See ``VGG``.
public final class VGG19: VGG, SavedNetwork {
  private static let stages = [2, 2, 4, 4, 4]

  /// Parameters as ``VGG16/init(width:inMaps:name:)``.
  public init(width: Double = 1, inMaps: Int = 3, name: String? = nil) throws {
    try super.init(stages: Self.stages, width: width, inMaps: inMaps, name: name)
  }

  public convenience init(_ blueprint: Blueprint) throws {
    try self.init(
      width: blueprint.scheme["width"] == nil ? 1 : blueprint.double("width"),
      inMaps: blueprint.optionalInt("inMaps") ?? 3, name: blueprint.string("name"))
  }

  public static func recognized(in file: StateDict) -> Blueprint? { blueprint(stages: stages, in: file) }
}
