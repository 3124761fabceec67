import CConvolutionKernels
import Calls
import Tensors

/// A convolution on the kernels, for values of float32 and narrower.
///
/// Products are added up in float32, in an order that the extents alone decide. The error of a value is then that of a
/// float32 sum of C kh kw products; Winograd's is about twice that.
struct TunedConvolution {
  private let call: ConvolutionCall
  private let kernels: ConvolutionKernels
  private let elementKernels: ElementKernels

  init?(_ call: ConvolutionCall, _ kernels: ConvolutionKernels?, _ elementKernels: ElementKernels?) {
    guard let kernels, let elementKernels, call.x.dtype.kernelType != nil, call.y.dtype.kernelType != nil else {
      return nil
    }
    self.call = call
    self.kernels = kernels
    self.elementKernels = elementKernels
  }

  func run(threads: Int) throws(TensorError) {
    switch call.direction {
    case .forward: try correlate(.forward(call), from: call.x, to: call.y, threads: threads)
    case .byData: try correlate(.byData(call), from: call.y, to: call.x, threads: threads)
    case .byWeights: try WeightGradient(call, kernels, elementKernels, threads: threads)?.run()
    }
  }

  private func correlate(
    _ form: ConvolutionForm, from: ConvolutionCall.Operand, to: ConvolutionCall.Operand, threads: Int
  ) throws(TensorError) {
    let c = form.correlation
    let weights = try PackedWeights(
      form.weights, bias: call.bias, c, CorrelationMethod(c, exact: false), kernels, threads: threads)
    let places = try Scratch(shares: 1, bytesPerShare: 4 * (c.readHeight + c.readWidth))
    let rows = places.address.raw(share: 0).assumingMemoryBound(to: Int32.self)
    let columns = rows + c.readHeight
    for row in 0..<c.readHeight { rows[row] = form.row(row) }
    for column in 0..<c.readWidth { columns[column] = form.column(column) }
    let source = PictureReader.Source(
      address: from.address, dtype: from.dtype, layout: from.layout, maps: c.inputMaps, height: form.sourceHeight,
      width: form.sourceWidth)
    guard let reader = PictureReader(source, rows: rows, columns: columns, kernels, elementKernels),
      let output = OutputRows(
        to.address, to.dtype, to.layout, maps: c.outputMaps, height: c.outputHeight, width: c.outputWidth,
        elementKernels)
    else { return }
    try TunedCorrelation(
      correlation: c, reader: reader, weights: weights, output: output, kernels: kernels, threads: threads
    ).run()
  }
}

/// A direction of a convolution as a correlation: what is read where, with which weights.
struct ConvolutionForm {
  let correlation: Correlation
  let weights: WeightsView
  let sourceHeight: Int
  let sourceWidth: Int
  /// The source's place of each that is read: (place + offset) / step, where that is whole and within.
  private let rowOffset: Int
  private let columnOffset: Int
  private let rowStep: Int
  private let columnStep: Int

  func row(_ place: Int) -> Int32 { Self.source(place + rowOffset, rowStep, sourceHeight) }
  func column(_ place: Int) -> Int32 { Self.source(place + columnOffset, columnStep, sourceWidth) }

  private static func source(_ place: Int, _ step: Int, _ extent: Int) -> Int32 {
    place >= 0 && place % step == 0 && place / step < extent ? Int32(place / step) : -1
  }

  static func forward(_ call: ConvolutionCall) -> ConvolutionForm {
    let g = call.geometry
    let correlation = Correlation(
      images: g.images, groups: g.groups, inputMaps: g.inputMaps, outputMaps: g.outputMaps,
      kernelHeight: g.kernelHeight, kernelWidth: g.kernelWidth, rowStride: g.strideRows, columnStride: g.strideColumns,
      rowDilation: g.dilationRows, columnDilation: g.dilationColumns, outputHeight: g.outputHeight,
      outputWidth: g.outputWidth)
    return ConvolutionForm(
      correlation: correlation, weights: WeightsView(call), sourceHeight: g.inputHeight, sourceWidth: g.inputWidth,
      rowOffset: -g.top, columnOffset: -g.left, rowStep: 1, columnStep: 1)
  }

  /// dx[c, i, j] = sum over o, k, l of w[o, c, k, l] dy[o, (i + top - k d) / s, ...]: a correlation of dy, with zeros
  /// between its pixels where there is a stride, and the kernel turned round.
  static func byData(_ call: ConvolutionCall) -> ConvolutionForm {
    let g = call.geometry
    let correlation = Correlation(
      images: g.images, groups: g.groups, inputMaps: g.outputMaps, outputMaps: g.inputMaps,
      kernelHeight: g.kernelHeight, kernelWidth: g.kernelWidth, rowDilation: g.dilationRows,
      columnDilation: g.dilationColumns, outputHeight: g.inputHeight, outputWidth: g.inputWidth)
    var weights = WeightsView(call)
    weights.start += (g.kernelHeight - 1) * weights.row + (g.kernelWidth - 1) * weights.column
    (weights.output, weights.input) = (weights.input, weights.output)
    (weights.row, weights.column) = (-weights.row, -weights.column)
    return ConvolutionForm(
      correlation: correlation, weights: weights, sourceHeight: g.outputHeight, sourceWidth: g.outputWidth,
      rowOffset: g.top - (g.kernelHeight - 1) * g.dilationRows,
      columnOffset: g.left - (g.kernelWidth - 1) * g.dilationColumns, rowStep: g.strideRows,
      columnStep: g.strideColumns)
  }
}

extension WeightsView {
  /// As they lie in memory.
  init(_ call: ConvolutionCall) {
    let g = call.geometry
    let (maps, places) = (g.inputMaps / g.groups, g.kernelHeight * g.kernelWidth)
    let isLast = call.w.layout == .nhwc
    let row = g.kernelWidth * (isLast ? maps : 1)
    self.init(
      address: call.w.address, dtype: call.w.dtype, group: g.outputMaps / g.groups * maps * places,
      output: maps * places, input: isLast ? 1 : places, row: row, column: isLast ? maps : 1)
  }
}
