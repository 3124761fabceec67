import Operations
import Tensors

/// Pictures and feature maps, (N, C, H, W) or (C, H, W), that are so many times as high and as wide. See
/// `Tensor.upsampled(by:mode:)`.
public final class Upsample2D: Module {
  public let scale: Int
  public let mode: ResizeMode

  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` unless the scale is 1 or more.
  public init(scale: Int = 2, mode: ResizeMode = .nearest, name: String? = nil) throws {
    self.scale = scale
    self.mode = mode
    super.init(name: name)
    guard scale > 0, scale < 1 << 16 else {
      throw ModuleError.argument(module: label, name: "scale", expected: "1 or more", got: "\(scale)")
    }
  }

  public override func checkDataShape(_ shape: Shape) throws { try requirePictures(shape) }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return Shape(shape.dropLast(2) + shape.suffix(2).map { $0 * scale })
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try data.upsampled(by: scale, mode: mode) }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["scale"] = .int(scale)
    blueprint.scheme["mode"] = .string(mode.name)
    return blueprint
  }

  public override var description: String { "\(super.description)(scale: \(scale), mode: \(mode.name))" }
}

extension ResizeMode {
  static let named: [String: ResizeMode] = [
    "nearest": .nearest, "bilinear": .bilinear(), "bilinearAlignCorners": .bilinear(alignCorners: true),
  ]

  /// As blueprints have it.
  var name: String { Self.named.first { $0.value == self }?.key ?? "nearest" }
}

extension Module {
  /// - Throws: ``ModuleError/dataShape(module:expected:got:)`` unless there are pixels.
  func requirePictures(_ shape: Shape) throws {
    guard (3...4).contains(shape.rank), shape.suffix(2).allSatisfy({ (1..<1 << 30).contains($0) }) else {
      throw ModuleError.dataShape(module: label, expected: "(N, C, H, W) or (C, H, W), with pixels", got: shape)
    }
  }
}
