import Operations
import Tensors

/// Maps as pixels, (N, C r r, H, W) to (N, C, H r, W r). See `Tensor.pixelShuffled(by:)`.
public final class PixelShuffle: Module {
  /// r.
  public let factor: Int

  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` unless the factor is 1 or more.
  public init(factor: Int, name: String? = nil) throws {
    self.factor = factor
    super.init(name: name)
    try requireFactor(factor)
  }

  public override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank == 4, shape[1] % (factor * factor) == 0 else {
      throw ModuleError.dataShape(
        module: label, expected: "(N, C, H, W), C a multiple of \(factor * factor)", got: shape)
    }
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return [shape[0], shape[1] / (factor * factor), shape[2] * factor, shape[3] * factor]
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try data.pixelShuffled(by: factor) }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["factor"] = .int(factor)
    return blueprint
  }

  public override var description: String { "\(super.description)(factor: \(factor))" }
}

/// Pixels as maps, (N, C, H r, W r) to (N, C r r, H, W). See `Tensor.pixelUnshuffled(by:)`.
public final class PixelUnshuffle: Module {
  /// r.
  public let factor: Int

  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` unless the factor is 1 or more.
  public init(factor: Int, name: String? = nil) throws {
    self.factor = factor
    super.init(name: name)
    try requireFactor(factor)
  }

  public override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank == 4, shape[2] % factor == 0, shape[3] % factor == 0 else {
      throw ModuleError.dataShape(
        module: label, expected: "(N, C, H, W), H and W multiples of \(factor)", got: shape)
    }
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return [shape[0], shape[1] * factor * factor, shape[2] / factor, shape[3] / factor]
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try data.pixelUnshuffled(by: factor) }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["factor"] = .int(factor)
    return blueprint
  }

  public override var description: String { "\(super.description)(factor: \(factor))" }
}

extension Module {
  fileprivate func requireFactor(_ factor: Int) throws {
    guard factor > 0, factor < 1 << 16 else {
      throw ModuleError.argument(module: label, name: "factor", expected: "1 or more", got: "\(factor)")
    }
  }
}
