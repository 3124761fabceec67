import InstanceNorm

/// A network whose features losses are computed with: what its layers make of a picture says what is in it, and how these
/// features vary together says in what style it is painted.
///
///     let network = try LossNetwork.load(contentsOf: "vgg16.pth")
///     let features = try network.features(of: network.values(of: picture), at: network.styleLayers)
///
/// Source: Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016.
public class LossNetwork: Network {
  /// What features are called, `relu1_1` and so on, in their order.
  public let names: [String]

  /// Which of 2x2 values stays where a network halves the size. (``WaveletNetwork`` has its own way.)
  public enum Pooling: String, CaseIterable, Sendable {
    /// The greatest, with which these networks were trained.
    case max
    /// Their mean, with which the gradient reaches all of them and not one: paintings come out smoother, without rows of
    /// dots along edges (Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016).
    case average
  }

  /// How sizes are halved. A network that a file or a constructor makes has ``Pooling/max``.
  public final var pooling = Pooling.max {
    didSet { reset() }
  }

  init(names: [String], inMaps: Int, name: String?, _ arguments: [String: Blueprint.Argument]) {
    self.names = names
    super.init(inMaps: inMaps, name: name, arguments)
  }

  /// The features that a style is held to where nobody says which.
  public var styleLayers: [String] { [] }

  /// The features that what is in a picture is held to where nobody says which.
  public var contentLayers: [String] { [] }

  /// How much a painting is held to the style, to a content weight of 1, where nobody says how much.
  public var styleWeight: Double { 2 }

  /// The network's numbers for a picture of 0 to 1.
  public func values(of picture: Tensor) throws -> Tensor { picture }

  /// What some layers make of a picture; nothing after the last of them is computed.
  ///
  /// - Parameters:
  ///   - data: (N, C, H, W), as ``values(of:)`` gives it.
  ///   - wanted: of ``names``.
  /// - Returns: the features in the order in which they were asked for, in the layout of the data.
  /// - Throws: `ModuleError` when a name is not one of these, or the picture is too small.
  public final func features(of data: Tensor, at wanted: [String]) throws -> [Tensor] {
    try checkDataShape(data.shape)
    let places = try wanted.map { name in
      guard let place = names.firstIndex(of: name) else {
        throw ModuleError.argument(
          module: label, name: "features", expected: names.joined(separator: ", "), got: "'\(name)'")
      }
      return place
    }
    guard let deepest = places.max() else { return [] }
    let found = try features(of: data.to(.nhwc), through: deepest)
    return try places.map { try found[$0].to(data.layout) }
  }

  final func halved(_ x: Tensor) throws -> Tensor {
    switch pooling {
    case .max: try x.maxPooled(2)
    case .average: try x.averagePooled(2)
    }
  }

  /// The features from the first to that of a number, of data whose maps are last.
  func features(of x: Tensor, through deepest: Int) throws -> [Tensor] {
    throw ModuleError.notOverridden(module: label, method: "features")
  }

  /// Makes a loss network with the weights of a file, in evaluation mode.
  ///
  /// - Throws: `FileError` when the file cannot be read or is of no such network, and as
  ///   ``SavedNetwork/init(contentsOf:)``.
  public static func load(contentsOf path: String) throws -> LossNetwork {
    let network = try Architecture.load(contentsOf: path)
    guard let lossNetwork = network as? LossNetwork else {
      throw FileError.unsupported(
        path: path, reason: "expected the weights of a VGG16, VGG19 or SmallVGG19, got those of a \(network.className)")
    }
    return lossNetwork
  }
}
