import Operations
import Tensors

/// Pictures and feature maps, (N, C, H, W) or (C, H, W), with more at each edge. See
/// `Tensor.padded(rows:columns:mode:)`.
public final class Pad2D: Module {
  public let pad: Margins
  public let mode: PaddingMode

  /// - Parameters:
  ///   - pad: how many rows and columns at each edge, 0 or more.
  ///   - mode: what is there.
  ///   - name: what the layer is called in a model.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(pad: Margins, mode: PaddingMode = .zero, name: String? = nil) throws {
    self.pad = pad
    self.mode = mode
    super.init(name: name)
    guard [pad.top, pad.left, pad.bottom, pad.right].allSatisfy({ (0..<1 << 30).contains($0) }) else {
      throw ModuleError.argument(module: label, name: "pad", expected: "0 or more", got: "\(pad)")
    }
  }

  public override func checkDataShape(_ shape: Shape) throws {
    try requirePictures(shape)
    guard mode == .reflect else { return }
    let least = RowsAndColumns(max(pad.top, pad.bottom) + 1, max(pad.left, pad.right) + 1)
    guard shape[shape.rank - 2] >= least.rows, shape[shape.rank - 1] >= least.columns else {
      throw ModuleError.dataShape(
        module: label, expected: "(N, C, H, W), H at least \(least.rows) and W at least \(least.columns)", got: shape)
    }
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    let (height, width) = (shape[shape.rank - 2], shape[shape.rank - 1])
    return Shape(shape.dropLast(2) + [height + pad.top + pad.bottom, width + pad.left + pad.right])
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    try data.padded(rows: (pad.top, pad.bottom), columns: (pad.left, pad.right), mode: mode)
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["pad"] = .init(pad)
    blueprint.scheme["mode"] = .string(mode.rawValue)
    return blueprint
  }

  public override var description: String { "\(super.description)(pad: \(pad), mode: \(mode))" }
}
