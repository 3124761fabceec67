import Tensors

/// The extents of a convolution and how its window moves. The output of forward is y whichever direction is asked for:
///
///     y[n, o, i, j] = bias[o] + sum over c, k, l of
///       w[o, c, k, l] x[n, group(o) C/G + c, i strideRows - top + k dilationRows, j strideColumns - left + l dilationColumns]
///
/// where group(o) is o G/O rounded down. What lies outside x is 0. How much of that there is after the last row and column
/// follows from the output's extents.
package struct ConvolutionGeometry: Hashable, Sendable {
  /// N.
  package var images: Int
  /// G, which divides both C and O.
  package var groups: Int
  /// C.
  package var inputMaps: Int
  package var inputHeight: Int
  package var inputWidth: Int
  /// O.
  package var outputMaps: Int
  package var outputHeight: Int
  package var outputWidth: Int
  package var kernelHeight: Int
  package var kernelWidth: Int
  package var strideRows: Int
  package var strideColumns: Int
  package var dilationRows: Int
  package var dilationColumns: Int
  /// Rows and columns of 0 before the first.
  package var top: Int
  package var left: Int

  package init(
    images: Int, groups: Int, inputMaps: Int, inputHeight: Int, inputWidth: Int, outputMaps: Int, outputHeight: Int,
    outputWidth: Int, kernelHeight: Int, kernelWidth: Int, strideRows: Int, strideColumns: Int, dilationRows: Int,
    dilationColumns: Int, top: Int, left: Int
  ) {
    self.images = images
    self.groups = groups
    self.inputMaps = inputMaps
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.outputMaps = outputMaps
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strideRows = strideRows
    self.strideColumns = strideColumns
    self.dilationRows = dilationRows
    self.dilationColumns = dilationColumns
    self.top = top
    self.left = left
  }

  /// (N, C, H, W) of x.
  package var inputShape: Shape { [images, inputMaps, inputHeight, inputWidth] }
  /// (N, O, H, W) of y.
  package var outputShape: Shape { [images, outputMaps, outputHeight, outputWidth] }
  /// (O, C/G, kh, kw) of w.
  package var weightShape: Shape { [outputMaps, inputMaps / groups, kernelHeight, kernelWidth] }
}

/// A convolution, bilinear in its two operands: each direction's gradients are the other two directions.
package struct ConvolutionCall: Call {
  package enum Direction: Hashable, Sendable {
    /// y of x and w.
    case forward
    /// The gradient by x, of that by y and w.
    case byData
    /// The gradient by w, of x and the gradient by y.
    case byWeights
  }

  /// A tensor of rank 4 in memory.
  package struct Operand {
    package var address: UnsafeMutableRawPointer
    package var dtype: DType
    package var layout: Layout

    package init(_ address: UnsafeMutableRawPointer, _ dtype: DType, _ layout: Layout) {
      self.address = address
      self.dtype = dtype
      self.layout = layout
    }
  }

  package var direction: Direction
  package var geometry: ConvolutionGeometry
  // Which of the three is written follows from the direction. w has the `parameterDType` of the others' dtype.
  /// x, or the gradient by it.
  package var x: Operand
  /// w, or the gradient by it.
  package var w: Operand
  /// y, or the gradient by it.
  package var y: Operand
  /// O values of the weights' dtype, which forward adds; nil for 0.
  package var bias: UnsafeMutableRawPointer?

  package init(
    _ direction: Direction, _ geometry: ConvolutionGeometry, x: Operand, w: Operand, y: Operand,
    bias: UnsafeMutableRawPointer? = nil
  ) {
    self.direction = direction
    self.geometry = geometry
    self.x = x
    self.w = w
    self.y = y
    self.bias = bias
  }
}
