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
    if let small = SmallConvolution(call, kernels, elementKernels, threads: threads) { return try small.run() }
    switch call.direction {
    case .forward: try correlate(.forward(call), from: call.x, to: call.y, threads: threads)
    case .byData:
      for form in ConvolutionForm.byData(call) { try correlate(form, from: call.y, to: call.x, threads: threads) }
    case .byWeights:
      if let winograd = WinogradWeightGradient(call, kernels, elementKernels, threads: threads) {
        return try winograd.run()
      }
      try WeightGradient(call, kernels, elementKernels, threads: threads).run()
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
      var output = OutputRows(
        to.address, to.dtype, to.layout, maps: c.outputMaps, height: form.targetHeight, width: form.targetWidth,
        elementKernels)
    else { return }
    output.every = form.every
    try TunedCorrelation(
      correlation: c, reader: reader, weights: weights, output: output, kernels: kernels, threads: threads
    ).run()
  }
}
