import Operations
import Tensors

/// What ``Conv2D`` and ``Deconv2D`` have in common: kernels, and how their window moves.
public class ConvolutionModule: WeightedModule {
  /// C, the number of maps of the data.
  public let inMaps: Int
  /// O, the number of maps of the result.
  public let outMaps: Int
  /// The window's rows and columns.
  public let size: RowsAndColumns
  public let stride: RowsAndColumns
  public let pad: Margins
  public let dilation: RowsAndColumns
  public let groups: Int

  /// - Parameter isTransposed: whether kernels are (C, O / groups, ...) and not (O, C / groups, ...).
  init(
    isTransposed: Bool, inMaps: Int, outMaps: Int, size: RowsAndColumns, stride: RowsAndColumns, pad: Margins,
    dilation: RowsAndColumns, useBias: Bool, groups: Int, wscale: Double, initScheme: InitScheme, name: String?
  ) throws {
    let label = Self.label(name)
    func require(_ name: String, _ numbers: [Int], from least: Int, _ got: Any) throws {
      guard numbers.allSatisfy({ $0 >= least && $0 < 1 << 30 }) else {
        throw ModuleError.argument(module: label, name: name, expected: "\(least) or more", got: "\(got)")
      }
    }
    try require("inMaps", [inMaps], from: 1, inMaps)
    try require("outMaps", [outMaps], from: 1, outMaps)
    try require("size", [size.rows, size.columns], from: 1, size)
    try require("stride", [stride.rows, stride.columns], from: 1, stride)
    try require("dilation", [dilation.rows, dilation.columns], from: 1, dilation)
    try require("pad", [pad.top, pad.left, pad.bottom, pad.right], from: 0, pad)
    guard groups > 0, inMaps % groups == 0, outMaps % groups == 0 else {
      throw ModuleError.argument(
        module: label, name: "groups", expected: "a divisor of \(inMaps) and of \(outMaps) maps", got: "\(groups)")
    }
    self.inMaps = inMaps
    self.outMaps = outMaps
    self.size = size
    self.stride = stride
    self.pad = pad
    self.dilation = dilation
    self.groups = groups
    let (first, second) = isTransposed ? (inMaps, outMaps / groups) : (outMaps, inMaps / groups)
    try super.init(
      label, weightShape: [first, second, size.rows, size.columns], outputs: outMaps, useBias: useBias, wscale: wscale,
      initScheme: initScheme, name: name)
  }

  /// How many rows and columns the window spans.
  final var span: RowsAndColumns {
    RowsAndColumns((size.rows - 1) * dilation.rows + 1, (size.columns - 1) * dilation.columns + 1)
  }

  /// The smallest picture that has a result.
  var least: RowsAndColumns { 1 }

  /// The shape of the result for data that is no smaller.
  func resultShape(for shape: Shape) throws -> Shape { shape }

  public final override func checkDataShape(_ shape: Shape) throws { _ = try dataShape(from: shape) }

  public final override func dataShape(from shape: Shape) throws -> Shape {
    let least = RowsAndColumns(max(least.rows, 1), max(least.columns, 1))
    guard shape.rank == 4, shape[1] == inMaps, shape[2] >= least.rows, shape[3] >= least.columns else {
      let atLeast = least == 1 ? "" : ", H at least \(least.rows) and W at least \(least.columns)"
      throw ModuleError.dataShape(module: label, expected: "(N, \(inMaps), H, W)\(atLeast)", got: shape)
    }
    return try resultShape(for: shape)
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["inMaps"] = .int(inMaps)
    blueprint.scheme["outMaps"] = .int(outMaps)
    blueprint.scheme["size"] = .init(size)
    blueprint.scheme["stride"] = .init(stride)
    blueprint.scheme["pad"] = .init(pad)
    blueprint.scheme["dilation"] = .init(dilation)
    blueprint.scheme["groups"] = .int(groups)
    return blueprint
  }

  public override var description: String {
    var parts = ["\(inMaps) to \(outMaps) maps", "size: \(size)"]
    if stride != 1 { parts.append("stride: \(stride)") }
    if pad != 0 { parts.append("pad: \(pad)") }
    if dilation != 1 { parts.append("dilation: \(dilation)") }
    if groups != 1 { parts.append("groups: \(groups)") }
    if bias == nil { parts.append("useBias: false") }
    return "\(super.description)(\((parts + more).joined(separator: ", ")))"
  }

  /// What else the description says.
  var more: [String] { [] }
}
