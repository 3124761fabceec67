import Calls
import Tensors

extension Tensor {
  /// Pictures (N, C, H, W) convolved with kernels, as PyTorch's `conv2d`: each map of the result is a weighted sum of the
  /// input's values in a window, which moves over the picture.
  ///
  ///     y[n, o, i, j] = bias[o] + sum over c, k, l of  weights[o, c, k, l] x[n, c, i stride + k dilation, j stride + l dilation]
  ///
  /// where x has the padding around it.
  ///
  /// Sums are rounded once, to this tensor's dtype. The result, (N, O, H', W'), has its layout.
  ///
  /// - Parameters:
  ///   - weights: (O, C / groups, height, width), of this tensor's `DType.parameterDType`, in any layout.
  ///   - bias: (O), likewise; nil for 0.
  ///   - stride: how far the window moves, 1 or more.
  ///   - padding: rows and columns of 0 at each edge. ``padded(_:mode:)`` has other kinds.
  ///   - dilation: how far the window's places are apart, 1 or more.
  ///   - groups: of so many parts of the maps, each is convolved by itself, with its part of the weights.
  /// - Throws: `TensorError` when shapes or types do not fit, a number is out of its range, or the window is larger than
  ///   the picture with its padding; `DeviceError.mismatch(operation:expected:got:)`.
  public func convolved(
    with weights: Tensor, bias: Tensor? = nil, stride: RowsAndColumns = 1, padding: Margins = 0,
    dilation: RowsAndColumns = 1, groups: Int = 1
  ) throws -> Tensor {
    let geometry = try ConvolutionGeometry.convolving(
      shape, with: weights.shape, stride: stride, padding: padding, dilation: dilation, groups: groups)
    return try Convolution(.forward, geometry, self, weights, bias: bias).result()
  }

  /// Pictures (N, C, H, W) made larger by kernels, as PyTorch's `conv_transpose2d`: the gradient of a convolution by its
  /// data, as a computation of its own. Each value is spread over a window by the kernel's weights, and windows add up.
  ///
  /// The result, (N, O, H', W'), has this tensor's dtype and layout, and
  ///
  ///     H' = (H - 1) stride - padding at both edges + (height - 1) dilation + outputPadding + 1
  ///
  /// - Parameters:
  ///   - weights: (C, O / groups, height, width), of this tensor's `DType.parameterDType`, in any layout.
  ///   - bias: (O), likewise; nil for 0.
  ///   - stride: how far windows are apart, 1 or more.
  ///   - padding: rows and columns that are left out at each edge.
  ///   - outputPadding: rows at the bottom and columns at the right that are there in addition; less than the stride or
  ///     the dilation.
  ///   - dilation: how far the window's places are apart, 1 or more.
  ///   - groups: of so many parts of the maps, each is by itself, with its part of the weights.
  /// - Throws: `TensorError` when shapes or types do not fit, a number is out of its range, or nothing is left of the
  ///   result; `DeviceError.mismatch(operation:expected:got:)`.
  public func transposedConvolved(
    with weights: Tensor, bias: Tensor? = nil, stride: RowsAndColumns = 1, padding: Margins = 0,
    outputPadding: RowsAndColumns = 0, dilation: RowsAndColumns = 1, groups: Int = 1
  ) throws -> Tensor {
    let geometry = try ConvolutionGeometry.transposed(
      shape, with: weights.shape, stride: stride, padding: padding, outputPadding: outputPadding, dilation: dilation,
      groups: groups)
    if let bias { try ConvolutionGeometry.check(bias: bias, maps: geometry.inputMaps, of: dtype) }
    let y = try Convolution(.byData, geometry, self, weights).result()
    guard let bias else { return y }
    // Half-width types go through a wider one, so that the bias and its gradient are not rounded to theirs.
    return try (y.to(bias.dtype) + bias).to(dtype)
  }
}
