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
    try requireConvolvable(with: weights, groups: groups)
    let maps = shape[1]
    guard maps == weights.shape[1] * groups else {
      throw TensorError.shapeMismatch(
        operation: "convolving \(shape) in \(groups) group\(groups == 1 ? "" : "s"), the weights",
        expected: [weights.shape[0], maps / groups, weights.shape[2], weights.shape[3]], got: weights.shape)
    }
    let axes = try WindowAxis.both(
      size: RowsAndColumns(weights.shape[2], weights.shape[3]), stride: stride, dilation: dilation, padding: padding)
    let geometry = ConvolutionGeometry(
      images: shape[0], groups: groups, inputMaps: maps, inputHeight: shape[2], inputWidth: shape[3],
      outputMaps: weights.shape[0], outputHeight: try axes[0].places(along: shape[2]),
      outputWidth: try axes[1].places(along: shape[3]), axes)
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
    try requireConvolvable(with: weights, groups: groups)
    guard weights.shape[0] == shape[1] else {
      throw TensorError.shapeMismatch(
        operation: "convolving \(shape), transposed, the weights",
        expected: Shape([shape[1]] + weights.shape.dropFirst()), got: weights.shape)
    }
    let axes = try WindowAxis.both(
      size: RowsAndColumns(weights.shape[2], weights.shape[3]), stride: stride, dilation: dilation, padding: padding)
    let more = [outputPadding.rows, outputPadding.columns]
    guard zip(axes, more).allSatisfy({ $1 >= 0 && $1 < Swift.max($0.stride, $0.dilation) }) else {
      throw TensorError.argument(
        name: "outputPadding", expected: "0 or more, and less than the stride \(stride) or the dilation \(dilation)",
        got: "\(outputPadding)")
    }
    let (height, width) = (
      axes[0].extent(places: shape[2]) + outputPadding.rows, axes[1].extent(places: shape[3]) + outputPadding.columns
    )
    let maps = weights.shape[1] * groups
    if let bias { try ConvolutionGeometry.check(bias: bias, maps: maps, of: dtype) }
    let result: Shape = [shape[0], maps, height, width]
    guard Swift.max(maps, height, width) <= Int(Int32.max) else {
      throw TensorError.invalidShape(result, reason: "a transposed convolution's result would be too large")
    }
    guard Swift.min(height, width) > 0 else {
      throw TensorError.argument(
        name: "padding", expected: "so much that something is left of the result, which would be \(result)",
        got: "\(padding)")
    }
    let geometry = ConvolutionGeometry(
      images: shape[0], groups: groups, inputMaps: maps, inputHeight: height, inputWidth: width,
      outputMaps: shape[1], outputHeight: shape[2], outputWidth: shape[3], axes)
    let y = try Convolution(.byData, geometry, self, weights).result()
    guard let bias else { return y }
    // Half-width types go through a wider one, so that the bias and its gradient are not rounded to theirs.
    return try (y.to(bias.dtype) + bias).to(dtype)
  }

  /// - Throws: `TensorError` unless this is pictures and the other kernels, and groups divide both.
  private func requireConvolvable(with weights: Tensor, groups: Int) throws {
    guard shape.rank == 4, shape.dropFirst().allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) }) else {
      throw TensorError.invalidShape(
        shape, reason: "what is convolved is (N, C, H, W), of one map, row and column or more")
    }
    guard weights.shape.rank == 4, weights.shape.allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) }) else {
      throw TensorError.invalidShape(
        weights.shape, reason: "the weights of a convolution are (O, C, height, width), none of which is 0")
    }
    guard groups > 0, shape[1] % groups == 0, weights.shape[0] % groups == 0 else {
      throw TensorError.argument(
        name: "groups", expected: "a divisor of \(shape[1]), the maps, and of \(weights.shape[0]), the kernels",
        got: "\(groups)")
    }
  }
}

extension ConvolutionGeometry {
  fileprivate init(
    images: Int, groups: Int, inputMaps: Int, inputHeight: Int, inputWidth: Int, outputMaps: Int, outputHeight: Int,
    outputWidth: Int, _ axes: [WindowAxis]
  ) {
    self.init(
      images: images, groups: groups, inputMaps: inputMaps, inputHeight: inputHeight, inputWidth: inputWidth,
      outputMaps: outputMaps, outputHeight: outputHeight, outputWidth: outputWidth, kernelHeight: axes[0].size,
      kernelWidth: axes[1].size, strideRows: axes[0].stride, strideColumns: axes[1].stride,
      dilationRows: axes[0].dilation, dilationColumns: axes[1].dilation, top: axes[0].before, left: axes[1].before)
  }
}
