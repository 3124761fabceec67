import InstanceNorm

/// Which numbers a network takes for black and white.
public enum ValueRange: String, CaseIterable, Hashable, Sendable {
  /// Bytes as numbers: Johnson's networks.
  case bytes = "0...255"
  /// As pictures are read here.
  case unit = "0...1"
  /// With grey at 0, as networks that end in a hyperbolic tangent have it.
  case signed = "-1...1"

  public var black: Double { self == .signed ? -1 : 0 }
  public var white: Double { self == .bytes ? 255 : 1 }

  /// The network's numbers for a picture of 0 to 1.
  public func values(of picture: Tensor) throws -> Tensor {
    self == .unit ? picture : try picture * (white - black) + black
  }

  /// The picture, of 0 to 1 and what lies beyond, for a network's numbers.
  public func picture(of values: Tensor) throws -> Tensor {
    self == .unit ? values : try (values - black) / (white - black)
  }
}
