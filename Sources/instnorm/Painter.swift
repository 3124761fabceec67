import ArgumentParser
import Generators
import Text

/// A network that makes pictures of pictures, prepared for those of the sizes that come.
struct Painter {
  let inMaps: Int
  let valueRange: ValueRange
  /// Whether the network itself goes only so far towards the style as it was told.
  let mixesByItself: Bool
  /// The deviation of the noise that pictures get, in 255ths of their range.
  private let grain: Double
  private let device: Device
  private let network: SharedModel

  /// - Parameters:
  ///   - path: of the network's weights; nil for the styles that come with the package.
  ///   - architecture: nil to find out.
  ///   - encoder: of an AdaINNet whose decoder alone is in the other file.
  ///   - style: of a network with several, its number; of one for any style, a picture.
  ///   - strength: how far to go towards the style.
  ///   - grain: how much noise to paint on; nil for what suits the network.
  ///   - precision: of convolutions.
  ///   - reading: how large the style's picture may be.
  init(
    _ path: String? = nil, _ architecture: Architecture? = nil, encoder: String? = nil, style: String?,
    strength: Double = 1, grain: Double? = nil, precision: Precision = .float32, reading: Reading, on device: Device
  ) throws {
    let network: Network =
      switch (path, encoder) {
      case (nil, _): try EmbeddedStyles.network()
      case (let path?, let encoder?): try AdaINNet(encoder: encoder, decoder: path)
      case (let path?, nil): try Architecture.load(contentsOf: path, as: architecture)
      }
    guard let generator = network as? Generator else {
      throw FileError.unsupported(path: path ?? "", reason: "a \(network.className) makes no pictures")
    }
    for note in network.notes { tell("instnorm: \(oneLine("\(path?.shown ?? ""): \(note)"))\n") }
    try network.to(device)
    (inMaps, valueRange, self.device) = (generator.inMaps, generator.valueRange, device)
    // A network repeats itself where it is given nothing to begin a stroke on, as no photograph is.
    self.grain = grain ?? (path == nil ? 2 : 0)
    mixesByItself = generator is AdaINNet
    switch generator {
    case let network as AdaINNet:
      guard let style else {
        throw ValidationError("--style: an AdaINNet takes its style from a picture, which --style names")
      }
      try network.setStyle(Self.values(ofStyle: style, for: network, reading).to(device))
      network.strength = strength
    case let network as ConditionalTransformerNet:
      if let style { try network.select(StyleBlend(style, of: network.styleNames).weights) }
    default:
      if style != nil {
        throw ValidationError("--style: a \(network.className) has the one style that it was trained for")
      }
    }
    self.network = SharedModel(network, precision: precision)
  }

  private static func values(ofStyle path: String, for network: Generator, _ reading: Reading) throws -> Tensor {
    var source = try Source(path, reading: reading.with(page: nil))
    try source.expandGrey(to: network.inMaps)
    guard source.tensor.shape.rank == 4, source.tensor.shape[0] == 1, source.maps == network.inMaps,
      source.tensor.count > 0
    else {
      throw FileError.unsupported(
        path: path, reason: "expected one picture (1, \(network.inMaps), H, W), got shape \(source.tensor.shape)")
    }
    let values = try source.tensor.to(.float32)
    return source.picture == nil ? values : try network.valueRange.values(of: values)
  }

  /// What the network makes of a picture in its own values, (1, C, H, W).
  func paint(_ content: Tensor) throws -> Tensor { try network(grained(content).to(device)).toHost() }

  /// With the same noise each time, of brightness alone, so that nothing flickers from page to page.
  private func grained(_ content: Tensor) throws -> Tensor {
    guard grain > 0 else { return content }
    // The deviation of numbers that lie evenly in -1 to 1 is 1 / sqrt(3).
    let reach = grain / 255 * (valueRange.white - valueRange.black) * 3.0.squareRoot()
    return try content + .randomUniform([1, 1, content.shape[2], content.shape[3]], in: -reach..<reach, seed: 1)
  }
}
