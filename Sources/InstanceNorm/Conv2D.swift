import Operations
import Tensors

/// A convolution of pictures and feature maps, (N, C, H, W): a weighted sum over a window for each map of the result.
///
///     let conv = try Conv2D(inMaps: 3, outMaps: 32, size: 9, pad: 4, paddingMode: .reflect)
///     let y = try conv(x)                          // (N, 32, H, W)
///
/// The formula is that of `Tensor.convolved(with:bias:stride:padding:dilation:groups:)`. The weights, (O, C / groups,
/// rows, columns), and the bias, (O), are `weight` and `bias` in files, as in PyTorch.
public final class Conv2D: ConvolutionModule {
  /// What lies beyond the edges of a picture.
  public let paddingMode: PaddingMode

  /// - Parameters:
  ///   - inMaps: C, the number of maps of the data.
  ///   - outMaps: O, the number of maps of the result.
  ///   - size: the window's rows and columns.
  ///   - stride: how far the window moves.
  ///   - pad: rows and columns that are added at each edge.
  ///   - dilation: how far the window's places are apart.
  ///   - useBias: whether there is a number that is added to each map.
  ///   - groups: of so many parts of the maps, each is convolved by itself.
  ///   - paddingMode: what is added.
  ///   - wscale: what the first weights are multiplied by.
  ///   - initScheme: what these are: PyTorch's, unless another is named. See ``withInitialValues(seed:scheme:wscale:_:)``.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    inMaps: Int, outMaps: Int, size: RowsAndColumns, stride: RowsAndColumns = 1, pad: Margins = 0,
    dilation: RowsAndColumns = 1, useBias: Bool = true, groups: Int = 1, paddingMode: PaddingMode = .zero,
    wscale: Double = 1, initScheme: InitScheme = .kaiming, name: String? = nil
  ) throws {
    self.paddingMode = paddingMode
    try super.init(
      isTransposed: false, inMaps: inMaps, outMaps: outMaps, size: size, stride: stride, pad: pad, dilation: dilation,
      useBias: useBias, groups: groups, wscale: wscale, initScheme: initScheme, name: name)
  }

  override var least: RowsAndColumns {
    // A mirror has to be larger than what it shows.
    let isMirrored = paddingMode == .reflect
    return RowsAndColumns(
      max(span.rows - pad.top - pad.bottom, isMirrored ? max(pad.top, pad.bottom) + 1 : 1),
      max(span.columns - pad.left - pad.right, isMirrored ? max(pad.left, pad.right) + 1 : 1))
  }

  override func resultShape(for shape: Shape) throws -> Shape {
    try ConvolutionGeometry.convolving(
      shape, with: [outMaps, inMaps / groups, size.rows, size.columns], stride: stride, padding: pad,
      dilation: dilation, groups: groups
    ).outputShape
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    let (weight, bias) = try parameters(for: data)
    guard paddingMode != .zero else {
      return try data.convolved(
        with: weight, bias: bias, stride: stride, padding: pad, dilation: dilation, groups: groups)
    }
    return try data.padded(rows: (pad.top, pad.bottom), columns: (pad.left, pad.right), mode: paddingMode)
      .convolved(with: weight, bias: bias, stride: stride, dilation: dilation, groups: groups)
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    if paddingMode != .zero { blueprint.scheme["paddingMode"] = .string(paddingMode.rawValue) }
    return blueprint
  }

  override var more: [String] { paddingMode == .zero ? [] : ["paddingMode: \(paddingMode)"] }
}
