import Tensors

/// Which part of a picture a network is trained on, and at which size.
///
/// A picture is scaled until it just covers the crop, so that one that is smaller becomes larger, and by `scale` on top of
/// that; its proportions stay. Then a crop is taken of it, and mirrored half of the time. Where pictures become smaller,
/// each pixel is the mean of those that it is made of, so that fine lines leave no patterns.
///
///     let augmentation = try Augmentation(size: 256, scale: 1...1.5)
public struct Augmentation: Hashable, Sendable {
  /// Pixels of a crop.
  public let height: Int
  public let width: Int
  /// How much larger the picture is than one that just covers the crop; drawn evenly from this range.
  public let scale: ClosedRange<Double>
  /// Whether crops are taken anywhere in the picture, or from its middle.
  public let cropsAnywhere: Bool
  /// Whether half of the crops, drawn at random, have left and right exchanged.
  public let mirrors: Bool

  /// - Throws: `TensorError.argument(name:expected:got:)` unless height and width are 1...32768, and the scale 1...1000.
  public init(
    height: Int, width: Int, scale: ClosedRange<Double> = 1...1, cropsAnywhere: Bool = true, mirrors: Bool = true
  ) throws {
    for (name, side) in [("height", height), ("width", width)] where !(1...32768).contains(side) {
      throw TensorError.argument(name: name, expected: "1...32768 pixels", got: "\(side)")
    }
    guard scale.lowerBound >= 1, scale.upperBound <= 1000 else {
      throw TensorError.argument(name: "scale", expected: "a range in 1...1000", got: "\(scale)")
    }
    (self.height, self.width, self.scale) = (height, width, scale)
    (self.cropsAnywhere, self.mirrors) = (cropsAnywhere, mirrors)
  }

  /// Of square crops.
  ///
  /// - Throws: as above.
  public init(
    size: Int, scale: ClosedRange<Double> = 1...1, cropsAnywhere: Bool = true, mirrors: Bool = true
  ) throws {
    try self.init(height: size, width: size, scale: scale, cropsAnywhere: cropsAnywhere, mirrors: mirrors)
  }

  /// The middle of each picture, always the same: for what is shown or measured while a network is trained.
  ///
  /// - Throws: as above.
  public static func centered(height: Int, width: Int) throws -> Augmentation {
    try Augmentation(height: height, width: width, cropsAnywhere: false, mirrors: false)
  }

  /// What of a picture one place in a batch shows.
  ///
  /// All numbers are drawn whether they are used or not, so that one option leaves the others' numbers as they are.
  func framing(drawnFrom generator: inout SeededGenerator) -> Framing {
    let share = generator.nextUniform()
    let (down, across) = (generator.nextUniform(), generator.nextUniform())
    let isMirrored = generator.nextUniform() < 0.5
    return Framing(
      height: height, width: width, scale: scale.lowerBound + share * (scale.upperBound - scale.lowerBound),
      place: cropsAnywhere ? (down, across) : nil, isMirrored: mirrors && isMirrored)
  }
}
