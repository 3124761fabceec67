import Operations
import Tensors

/// A value of each window over pictures, (N, C, H, W); without variables.
public class PoolingModule: Module {
  /// The window's rows and columns.
  public let size: RowsAndColumns
  public let stride: RowsAndColumns
  public let pad: Margins
  public let ceilMode: Bool

  init(size: RowsAndColumns, stride: RowsAndColumns?, pad: Margins, ceilMode: Bool, name: String?) throws {
    self.size = size
    self.stride = stride ?? size
    self.pad = pad
    self.ceilMode = ceilMode
    super.init(name: name)
    func require(_ name: String, _ numbers: [Int], from least: Int, _ got: Any) throws {
      guard numbers.allSatisfy({ $0 >= least && $0 < 1 << 30 }) else {
        throw ModuleError.argument(module: label, name: name, expected: "\(least) or more", got: "\(got)")
      }
    }
    try require("size", [size.rows, size.columns], from: 1, size)
    try require("stride", [self.stride.rows, self.stride.columns], from: 1, self.stride)
    try require("pad", [pad.top, pad.left, pad.bottom, pad.right], from: 0, pad)
    guard 2 * max(pad.top, pad.bottom) <= size.rows, 2 * max(pad.left, pad.right) <= size.columns else {
      throw ModuleError.argument(
        module: label, name: "pad", expected: "half of the window's size \(size) at most", got: "\(pad)")
    }
  }

  public final override func checkDataShape(_ shape: Shape) throws { _ = try dataShape(from: shape) }

  public final override func dataShape(from shape: Shape) throws -> Shape {
    let least = RowsAndColumns(max(size.rows - pad.top - pad.bottom, 1), max(size.columns - pad.left - pad.right, 1))
    guard shape.rank == 4, shape[1] > 0, shape[2] >= least.rows, shape[3] >= least.columns else {
      throw ModuleError.dataShape(
        module: label, expected: "(N, C, H, W), H at least \(least.rows) and W at least \(least.columns)", got: shape)
    }
    return try PoolingGeometry.pooling(shape, size, stride: stride, padding: pad, ceilMode: ceilMode).pooledShape
  }

  public final override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["size"] = .init(size)
    blueprint.scheme["stride"] = .init(stride)
    blueprint.scheme["pad"] = .init(pad)
    if ceilMode { blueprint.scheme["ceilMode"] = .bool(true) }
    return blueprint
  }

  public final override var description: String {
    var parts = ["size: \(size)"]
    if stride != size { parts.append("stride: \(stride)") }
    if pad != 0 { parts.append("pad: \(pad)") }
    if ceilMode { parts.append("ceilMode: true") }
    return "\(super.description)(\(parts.joined(separator: ", ")))"
  }
}

/// The greatest value of each window. See `Tensor.maxPooled(_:stride:padding:ceilMode:)`.
public final class MaxPool2D: PoolingModule {
  /// - Parameters:
  ///   - size: the window's rows and columns.
  ///   - stride: how far it moves; nil for its size.
  ///   - pad: how far the first and the last window may reach beyond the picture, at most half of their size.
  ///   - ceilMode: whether a last window that reaches further is one, too.
  ///   - name: what the layer is called in a model.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public override init(
    size: RowsAndColumns = 2, stride: RowsAndColumns? = nil, pad: Margins = 0, ceilMode: Bool = false,
    name: String? = nil
  ) throws {
    try super.init(size: size, stride: stride, pad: pad, ceilMode: ceilMode, name: name)
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    try data.maxPooled(size, stride: stride, padding: pad, ceilMode: ceilMode)
  }
}

/// The mean of each window, to which the padding counts. See `Tensor.averagePooled(_:stride:padding:ceilMode:)`.
public final class AvgPool2D: PoolingModule {
  /// Parameters as ``MaxPool2D/init(size:stride:pad:ceilMode:name:)``.
  public override init(
    size: RowsAndColumns = 2, stride: RowsAndColumns? = nil, pad: Margins = 0, ceilMode: Bool = false,
    name: String? = nil
  ) throws {
    try super.init(size: size, stride: stride, pad: pad, ceilMode: ceilMode, name: name)
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    try data.averagePooled(size, stride: stride, padding: pad, ceilMode: ceilMode)
  }
}
