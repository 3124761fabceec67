import InstanceNorm

/// How far a picture is from another in what a ``LossNetwork`` sees in them, where pixels that have moved a little would
/// count for much:
///
///     mean over layers l of   factor_l mean (F_l(y) - F_l(x))^2
///
///     let loss = try PerceptualLoss(network: .load(contentsOf: "vgg16.pth"))
///     let (value, gradients) = try valueAndGradients(of: generator) { try loss(generator(input), of: target) }
///
/// Source: Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016, the
/// feature reconstruction loss.
public struct PerceptualLoss {
  public let network: LossNetwork
  public let layers: [String]
  /// Of each layer.
  public let factors: [Double]

  /// - Parameters:
  ///   - network: in evaluation mode.
  ///   - layers: features that pictures are compared in; nil for ``LossNetwork/contentLayers``.
  ///   - factors: of each layer; nil for 1.
  /// - Throws: `ModuleError.argument(module:name:expected:got:)` when there is no layer, no such layer, or not one factor for
  ///   each.
  public init(network: LossNetwork, layers: [String]? = nil, factors: [Double]? = nil) throws {
    let layers = layers ?? network.contentLayers
    guard !layers.isEmpty, layers.allSatisfy(network.names.contains) else {
      throw ModuleError.argument(
        module: "PerceptualLoss", name: "layers", expected: network.names.joined(separator: ", "),
        got: layers.isEmpty ? "none" : layers.joined(separator: ", "))
    }
    let factors = factors ?? layers.map { _ in 1 }
    guard factors.count == layers.count, factors.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw ModuleError.argument(
        module: "PerceptualLoss", name: "factors", expected: "\(layers.count) finite numbers, 0 or more",
        got: "\(factors)")
    }
    (self.network, self.layers, self.factors) = (network, layers, factors)
  }

  /// - Parameters:
  ///   - picture: (N, C, H, W), of 0 to 1.
  ///   - target: likewise: what it should look like.
  /// - Throws: `ModuleError` for data that the network does not take; `TensorError` when the two are not of one shape.
  public func callAsFunction(_ picture: Tensor, of target: Tensor) throws -> Tensor {
    let wanted = try network.features(of: network.values(of: target), at: layers)
    return try distance(network.features(of: network.values(of: picture), at: layers), from: wanted)
  }

  /// The same, of features of ``layers``.
  func distance(_ found: [Tensor], from wanted: [Tensor]) throws -> Tensor {
    let terms = try layers.indices.map { try factors[$0] * meanSquaredError(found[$0], wanted[$0]) }
    return try terms.dropFirst().reduce(terms[0]) { try $0 + $1 } / Double(terms.count)
  }
}
