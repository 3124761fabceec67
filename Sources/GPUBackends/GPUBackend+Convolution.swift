import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// - Throws: `DeviceError`; `unsupportedType` in float64 where the device does not compute in it.
  package func run(_ call: ConvolutionCall) throws {
    if call.x.dtype == .float64 { try check(.float64, "a convolution") }
    let places = (
      x: place(of: call.x.address, call.x.dtype), w: place(of: call.w.address, call.w.dtype),
      y: place(of: call.y.address, call.y.dtype)
    )
    var kernelCall = ConvolutionKernelCall(call)
    (kernelCall.x.offset, kernelCall.w.offset, kernelCall.y.offset) = (
      places.x.offset, places.w.offset, places.y.offset
    )
    var bias: UnsafeMutableRawPointer?
    if let address = call.bias {
      let place = place(of: address, call.w.dtype)
      bias = place.buffer
      kernelCall.biasOffset = place.offset
      kernelCall.hasBias = 1
    }
    let (plain, windows, target) =
      switch call.direction {
      case .forward: (places.w.buffer, places.x.buffer, places.y.buffer)
      case .byData: (places.w.buffer, places.y.buffer, places.x.buffer)
      case .byWeights: (places.y.buffer, places.x.buffer, places.w.buffer)
      }
    guard kernelCall.pieces > 1 else { return try convolve(call, kernelCall, [plain, windows, bias, target]) }
    let sums = kernelCall.groups * kernelCall.rows * kernelCall.columns
    let partials = try scratch(byteCount: sums * kernelCall.pieces * 8)
    // Until all is queued that uses it: another thread's calls could get it in between.
    defer { withExtendedLifetime(partials) {} }
    try convolve(call, kernelCall, [plain, windows, bias, partials.address])
    try add(kernelCall, partials.address, to: call)
  }

  private func convolve(
    _ call: ConvolutionCall, _ kernelCall: ConvolutionKernelCall, _ buffers: [UnsafeMutableRawPointer?]
  ) throws {
    func purpose() -> String {
      "a convolution of \(call.geometry.inputShape) with \(call.geometry.weightShape), \(call.direction)"
    }
    let sets = kernelCall.groups * kernelCall.pieces
    // Of small matrices most of a tile would lie outside.
    guard call.x.dtype != .float64, kernelCall.isTiled else {
      return try launch(
        .convolution, "convolve", .float32, items: sets * kernelCall.rows * kernelCall.columns, buffers, kernelCall,
        purpose: purpose)
    }
    try queue(
      KernelLaunch(
        .convolution, "convolve_tiles", .float32, blocks: sets * kernelCall.tiles,
        threads: Int(MATRIX_SIDE) * Int(MATRIX_SIDE), sharedBytes: Int(MATRIX_SHARED_BYTES), buffers: buffers,
        call: kernelCall, purpose: purpose))
  }

  /// Adds up what the pieces of a gradient by weights came to.
  private func add(_ kernelCall: ConvolutionKernelCall, _ partials: UnsafeMutableRawPointer, to call: ConvolutionCall)
    throws
  {
    let (geometry, shape) = (call.geometry, call.geometry.weightShape)
    // Its columns have the maps of a place together.
    let kept: Axes = [shape[0], geometry.kernelHeight, geometry.kernelWidth, shape[1]]
    let target = call.w.layout.strides(of: shape)
    let input = kept.contiguousStrides + [kept.product]
    try run(
      ReductionCall(
        .sum, kept: kept, reduced: [kernelCall.pieces],
        input: View(partials, .float64, strides: Axes(input)),
        output: View(call.w.address, call.w.dtype, strides: [target[0], target[2], target[3], target[1]])))
  }
}

extension ConvolutionKernelCall {
  init(_ call: ConvolutionCall) {
    self.init()
    let geometry = call.geometry
    groups = geometry.groups
    inputMaps = geometry.inputMaps / groups
    outputMaps = geometry.outputMaps / groups
    (inputHeight, inputWidth) = (geometry.inputHeight, geometry.inputWidth)
    (outputHeight, outputWidth) = (geometry.outputHeight, geometry.outputWidth)
    (kernelHeight, kernelWidth) = (geometry.kernelHeight, geometry.kernelWidth)
    (strideRows, strideColumns) = (geometry.strideRows, geometry.strideColumns)
    (dilationRows, dilationColumns) = (geometry.dilationRows, geometry.dilationColumns)
    (top, left) = (geometry.top, geometry.left)
    x = PictureSteps(call.x, geometry.inputShape)
    w = PictureSteps(call.w, geometry.weightShape)
    y = PictureSteps(call.y, geometry.outputShape)
    let window = kernelHeight * kernelWidth
    let (inputPlaces, outputPlaces) = (
      geometry.images * inputHeight * inputWidth, geometry.images * outputHeight * outputWidth
    )
    switch call.direction {
    case .forward:
      direction = Int32(CONVOLUTION_FORWARD)
      (rows, columns, inner) = (outputMaps, outputPlaces, window * inputMaps)
    case .byData:
      direction = Int32(CONVOLUTION_BY_DATA)
      (rows, columns, inner) = (inputMaps, inputPlaces, window * outputMaps)
    case .byWeights:
      direction = Int32(CONVOLUTION_BY_WEIGHTS)
      (rows, columns, inner) = (outputMaps, window * inputMaps, outputPlaces)
    }
    (pieces, length) = (1, inner)
    guard call.direction == .byWeights else { return }
    // There are few weights, and each is a sum over all places: parts of that, as many as make work for a GPU, but of no
    // fewer than so many places.
    let least = 512
    let blocks = groups * (isTiled ? tiles : (rows * columns + 255) / 256)
    let most = Swift.max(1, Swift.min(inner / least, 512 / blocks))
    let depth = 16
    length = ((inner + most - 1) / most + depth - 1) / depth * depth
    pieces = (inner + length - 1) / length
  }

  var isTiled: Bool { rows >= Int(MATRIX_SIDE) && columns >= Int(MATRIX_SIDE) }

  var tiles: Int {
    let tile = Int(MATRIX_TILE)
    return ((rows + tile - 1) / tile) * ((columns + tile - 1) / tile)
  }
}

extension PictureSteps {
  init(_ operand: ConvolutionCall.Operand, _ shape: Shape) {
    self.init()
    let strides = operand.layout.strides(of: shape)
    (image, map, row, column) = (strides[0], strides[1], strides[2], strides[3])
    type = operand.dtype.kernelType
  }
}
