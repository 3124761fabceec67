import InstanceNorm

/// How far a painting is from what is in a picture, and from a style: by the features F of a ``LossNetwork``, their means
/// m and their covariances K, of a picture x, a style s and a painting y,
///
///     content = mean over layers l of   mean (F_l(y) - F_l(x))^2 / mean F_l(s)^2
///     style   = mean over layers l of   |m_l(y) - m_l(s)|^2 / |m_l(s)|^2  +  |K_l(y) - K_l(s)|^2 / |K_l(s)|^2
///
/// Both are relative to the style's own features, so that weights mean the same with every network, at every layer.
///
/// Sources: Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016, whose
/// styles are Gram matrices, K + m m^T. Most of these are the means (features are 0 or more), which hold a painting to
/// the style's colours and hardly to its strokes; apart, as Li, Fang, Yang, Wang, Lu and Yang, "Universal style transfer
/// via feature transforms", 2017, have them, each counts.
public struct StyleLoss {
  public let styleLayers: [String]
  /// By features, which are relative to the styles'.
  public let content: PerceptualLoss

  /// What styles are told by: of each layer the means, (S, C), and the covariances, (S, C, C).
  package let statistics: [Tensor]
  /// Of each of these, of as many axes: 1 over the sum of its squares.
  private let styleFactors: [Tensor]

  public var network: LossNetwork { content.network }
  public var contentLayers: [String] { content.layers }

  /// S.
  public var numOfStyles: Int { statistics[0].shape[0] }

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
    let ofStyles = try features.map { try Self.statistics(of: Array($0.prefix(styleLayers.count))) }
    statistics = try ofStyles[0].indices.map { index in try .concatenated(ofStyles.map { $0[index] }, along: 0) }
    let squares = try statistics.map { try $0.square().sum(over: Array(1..<$0.shape.rank), keepingAxes: true) }
    styleFactors = try squares.indices.map { index in
      // Covariances that are rounding alone, of a style that is all one colour, are nothing to be relative to: they
      // count as a ten-thousandth of the means' products at least. Of one that is black, these are nothing either.
      let least = index % 2 == 0 ? nil : try 1e-8 * squares[index - 1].square().reshaped(to: squares[index].shape)
      return try 1 / ((least?.maximum(squares[index]) ?? squares[index]) + 1e-30)
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
    let terms = try Self.statistics(of: Array(found.prefix(styleLayers.count))).enumerated().map { index, ofPainting in
      let difference = try ofPainting - rows(statistics[index])
      return try (difference.square() * rows(styleFactors[index])).sum()
    }
    let style = try terms.dropFirst().reduce(terms[0]) { try $0 + $1 } / Double(styleLayers.count * styles.count)
    return Parts(content: try content.distance(Array(found[styleLayers.count...]), from: wanted), style: style)
  }

  /// The means and then the covariances of each layer's features, one after the other.
  private static func statistics(of features: [Tensor]) throws -> [Tensor] {
    try features.flatMap { layer in
      let (mean, covariance) = try layer.meanAndCovariance()
      return [mean, covariance]
    }
  }
}
