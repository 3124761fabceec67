import Calls
import Tensors

extension ConvolutionGeometry {
  /// The convolution of pictures (N, C, H, W) with kernels (O, C / groups, height, width).
  ///
  /// - Throws: `TensorError` when they do not fit, a number is out of its range or the window larger than the picture with
  ///   its padding.
  package static func convolving(
    _ shape: Shape, with weights: Shape, stride: RowsAndColumns, padding: Margins, dilation: RowsAndColumns, groups: Int
  ) throws -> ConvolutionGeometry {
    try check(shape, weights, groups)
    guard shape[1] == weights[1] * groups else {
      throw TensorError.shapeMismatch(
        operation: "convolving \(shape) in \(groups) group\(groups == 1 ? "" : "s"), the weights",
        expected: [weights[0], shape[1] / groups, weights[2], weights[3]], got: weights)
    }
    let axes = try WindowAxis.both(
      size: RowsAndColumns(weights[2], weights[3]), stride: stride, dilation: dilation, padding: padding)
    return ConvolutionGeometry(
      input: shape,
      output: [shape[0], weights[0], try axes[0].places(along: shape[2]), try axes[1].places(along: shape[3])], groups,
      axes)
  }

  /// The transposed convolution of pictures (N, C, H, W), which are the output here, with kernels (C, O / groups, height,
  /// width).
  ///
  /// - Throws: `TensorError` when they do not fit, a number is out of its range or nothing is left of the result.
  package static func transposed(
    _ shape: Shape, with weights: Shape, stride: RowsAndColumns, padding: Margins, outputPadding: RowsAndColumns,
    dilation: RowsAndColumns, groups: Int
  ) throws -> ConvolutionGeometry {
    try check(shape, weights, groups)
    guard weights[0] == shape[1] else {
      throw TensorError.shapeMismatch(
        operation: "convolving \(shape), transposed, the weights", expected: Shape([shape[1]] + weights.dropFirst()),
        got: weights)
    }
    let axes = try WindowAxis.both(
      size: RowsAndColumns(weights[2], weights[3]), stride: stride, dilation: dilation, padding: padding)
    let more = [outputPadding.rows, outputPadding.columns]
    guard zip(axes, more).allSatisfy({ $1 >= 0 && $1 < max($0.stride, $0.dilation) }) else {
      throw TensorError.argument(
        name: "outputPadding", expected: "0 or more, and less than the stride \(stride) or the dilation \(dilation)",
        got: "\(outputPadding)")
    }
    let result: Shape = [
      shape[0], weights[1] * groups, axes[0].extent(places: shape[2]) + more[0],
      axes[1].extent(places: shape[3]) + more[1],
    ]
    guard result.dropFirst().allSatisfy({ $0 <= Int(Int32.max) }) else {
      throw TensorError.invalidShape(result, reason: "a transposed convolution's result would be too large")
    }
    guard min(result[2], result[3]) > 0 else {
      throw TensorError.argument(
        name: "padding", expected: "so much that something is left of the result, which would be \(result)",
        got: "\(padding)")
    }
    return ConvolutionGeometry(input: result, output: shape, groups, axes)
  }

  private init(input: Shape, output: Shape, _ groups: Int, _ axes: [WindowAxis]) {
    self.init(
      images: input[0], groups: groups, inputMaps: input[1], inputHeight: input[2], inputWidth: input[3],
      outputMaps: output[1], outputHeight: output[2], outputWidth: output[3], kernelHeight: axes[0].size,
      kernelWidth: axes[1].size, strideRows: axes[0].stride, strideColumns: axes[1].stride,
      dilationRows: axes[0].dilation, dilationColumns: axes[1].dilation, top: axes[0].before, left: axes[1].before)
  }

  /// - Throws: `TensorError` unless these are of pictures and of kernels, and groups divide both.
  private static func check(_ shape: Shape, _ weights: Shape, _ groups: Int) throws {
    try shape.requireWindows("convolved")
    guard weights.rank == 4, weights.allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) }) else {
      throw TensorError.invalidShape(
        weights, reason: "the weights of a convolution are (O, C, height, width), none of which is 0")
    }
    guard groups > 0, shape[1] % groups == 0, weights[0] % groups == 0 else {
      throw TensorError.argument(
        name: "groups", expected: "a divisor of \(shape[1]), the maps, and of \(weights[0]), the kernels",
        got: "\(groups)")
    }
  }

  /// - Throws: `TensorError` unless there is a value for each map, of the type that goes with the data's.
  static func check(bias: Tensor, maps: Int, of dtype: DType) throws {
    guard bias.shape == [maps] else {
      throw TensorError.shapeMismatch(operation: "the bias of a convolution", expected: [maps], got: bias.shape)
    }
    guard bias.dtype == dtype.parameterDType else {
      throw TensorError.dtypeMismatch(
        operation: "the bias of a convolution of \(dtype)", expected: dtype.parameterDType, got: bias.dtype)
    }
  }
}

extension Shape {
  /// - Throws: `TensorError.invalidShape(_:reason:)` unless it is that of pictures a window can move over.
  func requireWindows(_ operation: String) throws {
    guard rank == 4, dropFirst().allSatisfy({ $0 > 0 && $0 <= Int(Int32.max) }) else {
      throw TensorError.invalidShape(
        self, reason: "what is \(operation) is (N, C, H, W), of one map, row and column or more")
    }
  }
}
