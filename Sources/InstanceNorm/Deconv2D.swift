import Operations
import Tensors

/// A transposed convolution of feature maps, (N, C, H, W), which makes them larger: each value is spread over a window.
///
///     let deconv = try Deconv2D(inMaps: 64, outMaps: 32, size: 3, stride: 2, pad: 1, postPad: 1)
///     let y = try deconv(x)                        // (N, 32, 2 H, 2 W)
///
/// The formula is that of
/// `Tensor.transposedConvolved(with:bias:stride:padding:outputPadding:dilation:groups:)`. The weights,
/// (C, O / groups, rows, columns), and the bias, (O), are `weight` and `bias` in files, as in PyTorch's `ConvTranspose2d`.
public final class Deconv2D: ConvolutionModule {
  /// Rows at the bottom and columns at the right that the result has in addition: PyTorch's `output_padding`.
  public let postPad: RowsAndColumns

  /// - Parameters:
  ///   - inMaps: C, the number of maps of the data.
  ///   - outMaps: O, the number of maps of the result.
  ///   - size: the window's rows and columns.
  ///   - stride: how far windows are apart in the result.
  ///   - pad: rows and columns that are left out at each edge of it.
  ///   - dilation: how far a window's places are apart.
  ///   - postPad: rows at the bottom and columns at the right that the result has in addition; less than the stride or
  ///     the dilation.
  ///   - useBias: whether there is a number that is added to each map.
  ///   - groups: of so many parts of the maps, each is by itself.
  ///   - wscale: what the first weights are multiplied by.
  ///   - initScheme: what these are: PyTorch's, unless another is named. See ``withInitialValues(seed:scheme:wscale:_:)``.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    inMaps: Int, outMaps: Int, size: RowsAndColumns, stride: RowsAndColumns = 1, pad: Margins = 0,
    dilation: RowsAndColumns = 1, postPad: RowsAndColumns = 0, useBias: Bool = true, groups: Int = 1,
    wscale: Double = 1, initScheme: InitScheme = .kaiming, name: String? = nil
  ) throws {
    guard postPad.rows >= 0, postPad.columns >= 0, postPad.rows < max(stride.rows, dilation.rows),
      postPad.columns < max(stride.columns, dilation.columns)
    else {
      throw ModuleError.argument(
        module: Self.label(name), name: "postPad",
        expected: "0 or more, and less than the stride \(stride) or the dilation \(dilation)", got: "\(postPad)")
    }
    self.postPad = postPad
    try super.init(
      isTransposed: true, inMaps: inMaps, outMaps: outMaps, size: size, stride: stride, pad: pad, dilation: dilation,
      useBias: useBias, groups: groups, wscale: wscale, initScheme: initScheme, name: name)
  }

  override var least: RowsAndColumns {
    /// So many that a row or column is left: (H - 1) stride + whole > 0.
    func least(_ whole: Int, _ stride: Int) -> Int { whole > 0 ? 1 : -whole / stride + 2 }
    return RowsAndColumns(
      least(span.rows + postPad.rows - pad.top - pad.bottom, stride.rows),
      least(span.columns + postPad.columns - pad.left - pad.right, stride.columns))
  }

  override func resultShape(for shape: Shape) throws -> Shape {
    try ConvolutionGeometry.transposed(
      shape, with: [inMaps, outMaps / groups, size.rows, size.columns], stride: stride, padding: pad,
      outputPadding: postPad, dilation: dilation, groups: groups
    ).inputShape
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    let (weight, bias) = try parameters(for: data)
    return try data.transposedConvolved(
      with: weight, bias: bias, stride: stride, padding: pad, outputPadding: postPad, dilation: dilation, groups: groups
    )
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["postPad"] = .init(postPad)
    return blueprint
  }

  override var more: [String] { postPad == 0 ? [] : ["postPad: \(postPad)"] }
}
