import InstanceNorm

/// How far a painting is from what is in a picture, and from a style (Johnson, Alahi and Fei-Fei, "Perceptual losses for
/// real-time style transfer and super-resolution", 2016), by the features F of a ``LossNetwork`` and their Gram matrices
/// G, of a picture x, a style s and a painting y:
///
///     content = mean over layers l of   mean (F_l(y) - F_l(x))^2 / mean F_l(s)^2
///     style   = mean over layers l of   |G_l(y) - G_l(s)|^2 / |G_l(s)|^2
///
/// Both are relative to the style's own features, so that weights mean the same with every network, at every layer.
public struct StyleLoss {
  public let styleLayers: [String]
  /// By features, which are relative to the styles'.
  public let content: PerceptualLoss

  /// Of each layer, (S, C, C).
  package let grams: [Tensor]
  /// Of each layer, (S, 1, 1): 1 / |G|^2.
  private let styleFactors: [Tensor]

  public var network: LossNetwork { content.network }
  public var contentLayers: [String] { content.layers }

  /// S.
  public var numOfStyles: Int { grams[0].shape[0] }

  /// What a painting is held to by each of the two.
  public struct Parts {
    public let content: Tensor
    public let style: Tensor
  }

  /// - Parameters:
  ///   - network: in evaluation mode.
  ///   - styles: pictures (1, C, H, W) of 0 to 1, of any sizes.
  ///   - styleLayers: features that styles are compared in; nil for the network's own choice.
  ///   - contentLayers: features that pictures are compared in; nil for the network's own choice.
  /// - Throws: `ModuleError` when there is no style, no such layer, or a picture that the network does not take.
  public init(
    network: LossNetwork, styles: [Tensor], styleLayers: [String]? = nil, contentLayers: [String]? = nil
  ) throws {
    guard !styles.isEmpty else {
      throw ModuleError.argument(module: "StyleLoss", name: "styles", expected: "one picture or more", got: "none")
    }
    let (styleLayers, contentLayers) = (styleLayers ?? network.styleLayers, contentLayers ?? network.contentLayers)
    for (name, layers) in [("styleLayers", styleLayers), ("contentLayers", contentLayers)] where layers.isEmpty {
      throw ModuleError.argument(
        module: "StyleLoss", name: name, expected: network.names.joined(separator: ", "), got: "none")
    }
    self.styleLayers = styleLayers
    let features = try styles.map {
      try network.features(of: network.values(of: $0.to(.nhwc)), at: styleLayers + contentLayers)
    }
    grams = try styleLayers.indices.map { layer in
      try .concatenated(features.map { try $0[layer].gramMatrix() }, along: 0)
    }
    styleFactors = try grams.map {
      // A style without anything in it has nothing that it could be relative to.
      try 1 / ($0.square().sum(over: [1, 2], keepingAxes: true) + 1e-30)
    }
    let contentFactors = try contentLayers.indices.map { layer in
      let squares = try features.map { try $0[styleLayers.count + layer].square().mean().scalar() }
      return 1 / max(squares.reduce(0, +) / Double(squares.count), 1e-30)
    }
    content = try PerceptualLoss(network: network, layers: contentLayers, factors: contentFactors)
  }

  /// - Parameters:
  ///   - painting: (N, C, H, W), of 0 to 1.
  ///   - picture: likewise: what is painted.
  ///   - styles: the number of the style of each picture of the batch.
  public func callAsFunction(_ painting: Tensor, of picture: Tensor, in styles: [Int]) throws -> Parts {
    guard styles.count == painting.shape.first, styles.allSatisfy((0..<numOfStyles).contains) else {
      throw ModuleError.argument(
        module: "StyleLoss", name: "styles", expected: "\(painting.shape.first ?? 0) of 0 to \(numOfStyles - 1)",
        got: "\(styles)")
    }
    let wanted = try network.features(of: network.values(of: picture), at: contentLayers)
    let found = try network.features(of: network.values(of: painting), at: styleLayers + contentLayers)
    func rows(_ tensor: Tensor) throws -> Tensor {
      try .concatenated(styles.map { try tensor.sliced(along: 0, $0..<$0 + 1) }, along: 0)
    }
    let ofStyle = try styleLayers.indices.map { layer in
      let difference = try found[layer].gramMatrix() - rows(grams[layer])
      return try (difference.square() * rows(styleFactors[layer])).sum()
    }
    let style = try ofStyle.dropFirst().reduce(ofStyle[0]) { try $0 + $1 } / Double(ofStyle.count * styles.count)
    return Parts(content: try content.distance(Array(found[styleLayers.count...]), from: wanted), style: style)
  }
}
