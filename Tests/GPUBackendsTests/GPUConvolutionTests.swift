import CPUKernels
import Calls
import GPUBackends
import InstanceNorm
import Testing

/// Convolutions and max pooling on every device, against their references.
@Suite struct GPUConvolutionTests {
  private static func geometry(
    images: Int = 1, groups: Int = 1, _ inputs: Int, _ outputs: Int, _ height: Int, _ width: Int, kernel: (Int, Int),
    stride: (Int, Int) = (1, 1), dilation: (Int, Int) = (1, 1), before: (Int, Int) = (0, 0), after: (Int, Int) = (0, 0)
  ) -> ConvolutionGeometry {
    ConvolutionGeometry(
      images: images, groups: groups, inputMaps: inputs, inputHeight: height, inputWidth: width, outputMaps: outputs,
      outputHeight: (height + before.0 + after.0 - (kernel.0 - 1) * dilation.0 - 1) / stride.0 + 1,
      outputWidth: (width + before.1 + after.1 - (kernel.1 - 1) * dilation.1 - 1) / stride.1 + 1,
      kernelHeight: kernel.0, kernelWidth: kernel.1, strideRows: stride.0, strideColumns: stride.1,
      dilationRows: dilation.0, dilationColumns: dilation.1, top: before.0, left: before.1)
  }

  private static let geometries = [
    geometry(1, 1, 1, 1, kernel: (1, 1)),
    geometry(images: 2, 3, 5, 6, 7, kernel: (3, 2), stride: (2, 1), before: (1, 0), after: (2, 1)),
    geometry(groups: 2, 4, 6, 9, 8, kernel: (3, 3), stride: (1, 3), dilation: (2, 1), before: (2, 1), after: (0, 3)),
    geometry(images: 2, groups: 6, 6, 6, 5, 7, kernel: (3, 3), before: (1, 1), after: (1, 1)),
    // Tiles, with rows and columns left over, in one group and in two.
    geometry(17, 20, 9, 10, kernel: (3, 3), before: (1, 1), after: (1, 1)),
    geometry(groups: 2, 36, 40, 6, 5, kernel: (2, 3), stride: (2, 2), before: (0, 1), after: (1, 1)),
    // Gradients by weights in several pieces, of tiles and of single values.
    geometry(2, 16, 32, 33, kernel: (3, 3), before: (1, 1), after: (1, 1)),
    geometry(1, 2, 32, 33, kernel: (3, 2), before: (1, 1), after: (1, 1)),
  ]

  @Test(arguments: DevicesUnderTest.all) func `convolutions in all directions`(device: Device) throws {
    for (number, geometry) in Self.geometries.enumerated() {
      for dtype in DType.allCases where dtype != .float64 || device.supportedTypes.contains(.float64) {
        // Other types differ from float32 in how they are read and written alone, and float64 has no tiles.
        if dtype != .float32, dtype == .float64 ? number > 4 : ![1, 4].contains(number) { continue }
        let layout: Layout = (number + (dtype == .float32 ? 1 : 0)) % 2 == 0 ? .nchw : .nhwc
        for direction in [ConvolutionCall.Direction.forward, .byData, .byWeights] {
          try check(direction, geometry, dtype, layout, on: device)
        }
      }
    }
  }

  private func check(
    _ direction: ConvolutionCall.Direction, _ geometry: ConvolutionGeometry, _ dtype: DType, _ layout: Layout,
    on device: Device
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    let wide = dtype.parameterDType
    func twin(_ shape: Shape, _ dtype: DType, seed: UInt64, isWritten: Bool) throws -> Twin {
      let count = try shape.elementCount()
      return try isWritten
        ? .unwritten(count, dtype, on: device, start: Int(seed))
        : Twin(randomNumbers(count, seed: seed), dtype, on: device, start: Int(seed))
    }
    let x = try twin(geometry.inputShape, dtype, seed: 1, isWritten: direction == .byData)
    let w = try twin(geometry.weightShape, wide, seed: 2, isWritten: direction == .byWeights)
    let y = try twin(geometry.outputShape, dtype, seed: 3, isWritten: direction == .forward)
    let bias = try twin([geometry.outputMaps], wide, seed: 4, isWritten: false)
    func call(isOnHost: Bool) -> ConvolutionCall {
      func operand(_ twin: Twin, _ layout: Layout) -> ConvolutionCall.Operand {
        .init(isOnHost ? twin.hostAddress : twin.deviceAddress, twin.dtype, layout)
      }
      return ConvolutionCall(
        direction, geometry, x: operand(x, layout), w: operand(w, layout == .nhwc ? .nchw : layout),
        y: operand(y, layout),
        bias: direction == .forward ? (isOnHost ? bias.hostAddress : bias.deviceAddress) : nil)
    }
    ReferenceConvolution(call(isOnHost: true)).run()
    try gpu.run(call(isOnHost: false))
    let (written, terms) =
      switch direction {
      case .forward: (y, w.count / geometry.outputMaps)
      case .byData: (x, w.count / geometry.inputMaps * geometry.groups)
      case .byWeights: (w, y.count / geometry.outputMaps)
      }
    let fault = try written.fault {
      written.dtype.unit(of: $1) + (dtype == .float64 ? 1e-15 : 1e-7) * Double(terms + 1)
    }
    #expect(fault == nil, "\(direction) of \(geometry), \(dtype) \(layout)")
  }

  @Test(arguments: DevicesUnderTest.withoutDouble) func `float64 is refused by devices without it`(
    device: Device
  ) throws {
    #expect(throws: DeviceError.self) { try check(.forward, Self.geometries[0], .float64, .nchw, on: device) }
  }

  // MARK: Max pooling

  @Test(arguments: DevicesUnderTest.all) func `max pooling both ways`(device: Device) throws {
    for (window, stride, edge) in [(2, 2, 0), (3, 2, 1), (2, 3, 1), (4, 1, 2)] {
      let geometry = PoolingGeometry(
        images: 2, maps: 3, height: 9, width: 8, rows: (9 + edge - 1) / stride, columns: (8 + edge - 1) / stride,
        windowHeight: window, windowWidth: window, strideRows: stride, strideColumns: stride, top: edge, left: edge)
      for dtype in DType.allCases {
        for layout in Layout.allCases {
          try check(.gather, geometry, dtype, layout, on: device)
          if dtype == .float64, !device.supportedTypes.contains(.float64) {
            #expect(throws: DeviceError.self) { try check(.scatter, geometry, dtype, layout, on: device) }
          } else {
            try check(.scatter, geometry, dtype, layout, on: device)
          }
        }
      }
    }
  }

  private func check(
    _ direction: PoolingCall.Direction, _ geometry: PoolingGeometry, _ dtype: DType, _ layout: Layout, on device: Device
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    let (places, windows) = (try geometry.pictureShape.elementCount(), try geometry.pooledShape.elementCount())
    // With ties, both zeros, infinite values and NaN.
    var numbers = randomNumbers(places, seed: 1).map { (4 * $0).rounded() / 4 }
    for (index, value) in [Double.nan, .infinity, -.infinity, -0.0, 0, .nan].enumerated() { numbers[index * 7] = value }
    // Two in a window, in either layout.
    for index in [36, 38] { numbers[index] = .nan }
    let chooser = try Twin(numbers, dtype, on: device, start: 1)
    let picture =
      try direction == .gather
      ? Twin(randomNumbers(places, seed: 2), dtype, on: device, start: 2)
      : .unwritten(places, dtype, on: device, start: 2)
    let pooled =
      try direction == .scatter
      ? Twin(randomNumbers(windows, seed: 3), dtype, on: device, start: 3)
      : .unwritten(windows, dtype, on: device, start: 3)
    func call(isOnHost: Bool) -> PoolingCall {
      PoolingCall(
        direction, geometry, chooser: isOnHost ? chooser.hostAddress : chooser.deviceAddress,
        picture: picture.view(Axes(layout.strides(of: geometry.pictureShape)), isOnHost: isOnHost),
        pooled: pooled.view(Axes(layout.strides(of: geometry.pooledShape)), isOnHost: isOnHost))
    }
    ReferencePooling(call(isOnHost: true)).run()
    try gpu.run(call(isOnHost: false))
    let written = direction == .gather ? pooled : picture
    let fault = try written.fault { direction == .gather ? 0 : dtype.unit(of: $1) + dtype.arithmetic }
    #expect(fault == nil, "\(direction), \(geometry), \(dtype) \(layout)")
  }
}
