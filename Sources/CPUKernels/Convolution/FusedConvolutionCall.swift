import CNormKernels
import Calls
import Tensors

/// A convolution forward with what is before and after it in a network, in one walk over memory: the picture is
/// normalised, activated, upsampled and padded as it is read, and the result's own statistics are taken as it is written.
///
/// For the CPU alone: a plan makes it of operations that other devices run one by one.
package struct FusedConvolutionCall {
  /// Where what is read comes from: (N, C, H, W).
  package struct Picture {
    package var operand: ConvolutionCall.Operand
    package var height: Int
    package var width: Int

    package init(_ operand: ConvolutionCall.Operand, height: Int, width: Int) {
      self.operand = operand
      self.height = height
      self.width = width
    }
  }

  /// Instance normalisation of what is read, by statistics (N, C) that are known.
  package struct Normalization {
    package var mean: UnsafeMutablePointer<Double>
    package var invStd: UnsafeMutablePointer<Double>
    package var scale: ParameterValues
    package var bias: ParameterValues
    package var epsilon: Double

    package init(
      mean: UnsafeMutablePointer<Double>, invStd: UnsafeMutablePointer<Double>, scale: ParameterValues,
      bias: ParameterValues, epsilon: Double
    ) {
      self.mean = mean
      self.invStd = invStd
      self.scale = scale
      self.bias = bias
      self.epsilon = epsilon
    }
  }

  /// Statistics of the result (N, O) that are taken.
  package struct Statistics {
    package var mean: UnsafeMutablePointer<Double>
    package var invStd: UnsafeMutablePointer<Double>
    package var epsilon: Double

    package init(mean: UnsafeMutablePointer<Double>, invStd: UnsafeMutablePointer<Double>, epsilon: Double) {
      self.mean = mean
      self.invStd = invStd
      self.epsilon = epsilon
    }
  }

  /// Of what is convolved, after padding: `top` and `left` are 0.
  package var geometry: ConvolutionGeometry
  package var picture: Picture
  /// For each row and column that is convolved, the picture's; -1 for zeros.
  package var rows: [Int32]
  package var columns: [Int32]
  package var normalization: Normalization?
  /// Of what is read.
  package var activation: Activation
  package var weights: ConvolutionCall.Operand
  /// Of the weights' dtype.
  package var bias: UnsafeMutableRawPointer?
  package var result: ConvolutionCall.Operand
  package var resultActivation: Activation
  package var statistics: Statistics?
  package var isExact: Bool

  package init(
    geometry: ConvolutionGeometry, picture: Picture, rows: [Int32], columns: [Int32], normalization: Normalization?,
    activation: Activation, weights: ConvolutionCall.Operand, bias: UnsafeMutableRawPointer?,
    result: ConvolutionCall.Operand, resultActivation: Activation, statistics: Statistics?, isExact: Bool
  ) {
    self.geometry = geometry
    self.picture = picture
    self.rows = rows
    self.columns = columns
    self.normalization = normalization
    self.activation = activation
    self.weights = weights
    self.bias = bias
    self.result = result
    self.resultActivation = resultActivation
    self.statistics = statistics
    self.isExact = isExact
  }

  fileprivate var correlation: Correlation {
    let g = geometry
    return Correlation(
      images: g.images, groups: g.groups, inputMaps: g.inputMaps, outputMaps: g.outputMaps,
      kernelHeight: g.kernelHeight, kernelWidth: g.kernelWidth, rowStride: g.strideRows, columnStride: g.strideColumns,
      rowDilation: g.dilationRows, columnDilation: g.dilationColumns, outputHeight: g.outputHeight,
      outputWidth: g.outputWidth, activation: resultActivation)
  }
}

/// A convolution's weights as the kernels want them, made when they are first needed: any number of runs share them.
package final class ConvolutionWeights: Sendable {
  private let packed = Locked<PackedWeights?>(nil)

  package init() {}

  fileprivate func packed(_ make: () throws(TensorError) -> PackedWeights) throws(TensorError) -> PackedWeights {
    if let known = packed.withLock({ $0 }) { return known }
    let made = try make()
    packed.withLock { $0 = made }
    return made
  }
}

extension CPUBackend {
  /// Whether it runs fused convolutions of a type.
  package func fusesConvolutions(of dtype: DType) -> Bool {
    convolutionKernels != nil && elementKernels != nil && normKernels != nil && dtype == .float32
  }

  /// - Parameter weights: that are the same in every run; nil where they are not.
  package func run(_ call: FusedConvolutionCall, _ weights: ConvolutionWeights?) throws(TensorError) {
    guard let convolutionKernels, let elementKernels, let normKernels else { return }
    try FusedConvolution(
      call: call, correlation: call.correlation, kernels: convolutionKernels, elementKernels: elementKernels,
      normKernels: normKernels, backend: self
    ).run(weights)
  }
}

private struct FusedConvolution {
  let call: FusedConvolutionCall
  let correlation: Correlation
  let kernels: ConvolutionKernels
  let elementKernels: ElementKernels
  let normKernels: NormKernels
  let backend: CPUBackend

  private func pack() throws(TensorError) -> PackedWeights {
    let plain = ConvolutionCall(.forward, call.geometry, x: call.picture.operand, w: call.weights, y: call.result)
    return try PackedWeights(
      WeightsView(plain), bias: call.bias, correlation, CorrelationMethod(correlation, exact: call.isExact), kernels,
      threads: backend.threads)
  }

  func run(_ weights: ConvolutionWeights?) throws(TensorError) {
    let packed = if let weights { try weights.packed(pack) } else { try pack() }
    let c = correlation
    let places = try Scratch(shares: 1, bytesPerShare: 4 * (c.readHeight + c.readWidth))
    let rows = places.address.raw(share: 0).assumingMemoryBound(to: Int32.self)
    let columns = rows + c.readHeight
    for row in 0..<c.readHeight { rows[row] = call.rows[row] }
    for column in 0..<c.readWidth { columns[column] = call.columns[column] }
    let picture = call.picture
    guard
      var reader = PictureReader(
        PictureReader.Source(
          address: picture.operand.address, dtype: picture.operand.dtype, layout: picture.operand.layout,
          maps: c.inputMaps, height: picture.height, width: picture.width), rows: rows, columns: columns, kernels,
        elementKernels),
      let output = OutputRows(
        call.result.address, call.result.dtype, call.result.layout, maps: c.outputMaps, height: c.outputHeight,
        width: c.outputWidth, elementKernels)
    else { return }
    reader.activation = call.activation
    guard let normalization = call.normalization else { return try run(packed, reader, output) }

    let pitch = (c.inputMaps + 15) / 16 * 16
    let arrays = try Scratch(shares: 1, bytesPerShare: 3 * c.images * pitch * 4)
    let shift = arrays.address.raw(share: 0).assumingMemoryBound(to: Float.self)
    let (gain, offset) = (shift + c.images * pitch, shift + 2 * c.images * pitch)
    shift.update(repeating: 0, count: 3 * c.images * pitch)
    let planes = planes
    var missing = 0
    for image in 0..<c.images {
      var parameters = norm_parameters(
        picture: image, of: planes, mean: normalization.mean + image * c.inputMaps,
        invStd: normalization.invStd + image * c.inputMaps, normalization.scale, normalization.bias)
      missing += normKernels.table.affines(
        &parameters, c.inputMaps, shift + image * pitch, gain + image * pitch, offset + image * pitch)
    }
    if missing == 0 {
      reader.affine = PictureReader.Affine(shift: shift, gain: gain, offset: offset, pitch: pitch)
      return try run(packed, reader, output)
    }
    // Values too large or too small for float32 arithmetic are normalised apart.
    let apart = try Scratch(shares: 1, bytesPerShare: planes.valueCount * planes.dtype.byteCount)
    try backend.run(
      NormCall(
        planes: planes, input: picture.operand.address, output: apart.address.raw(share: 0),
        scale: normalization.scale, bias: normalization.bias, epsilon: normalization.epsilon,
        activation: call.activation))
    reader.activation = .none
    reader.source.address = apart.address.raw(share: 0)
    try run(packed, reader, output)
  }

  /// Of what is read.
  private var planes: Planes {
    let picture = call.picture
    return Planes(
      dtype: picture.operand.dtype, layout: picture.operand.layout, images: correlation.images,
      maps: correlation.inputMaps, size: picture.height * picture.width)
  }

  private func run(
    _ weights: PackedWeights, _ reader: PictureReader, _ output: OutputRows
  ) throws(TensorError) {
    let c = correlation
    var tuned = TunedCorrelation(
      correlation: c, reader: reader, weights: weights, output: output, kernels: kernels, threads: backend.threads)
    guard let statistics = call.statistics else { return try tuned.run() }
    let bands = tuned.bands
    let memory = try Scratch(
      shares: 1, doublesPerShare: BandStatistics.doubleCount(images: c.images, bands: bands, maps: c.outputMaps))
    let bandStatistics = BandStatistics(
      normKernels, images: c.images, bands: bands, maps: c.outputMaps, memory.address.doubles(share: 0))
    tuned.statistics = bandStatistics
    try tuned.run()
    for image in 0..<c.images {
      bandStatistics.merge(
        image, epsilon: statistics.epsilon, mean: statistics.mean + image * c.outputMaps,
        invStd: statistics.invStd + image * c.outputMaps)
    }
  }
}
