import CPUKernels
import Calls
import Tensors
import Testing

/// What the CPU runs of convolutions and max pooling, against the references.
@Suite struct ConvolutionTests {
  static let geometries: [ConvolutionGeometry] = {
    var numbers = Numbers(1)
    func pick(_ choices: Int...) -> Int { choices[numbers.below(choices.count)] }
    return (0..<24).compactMap { _ in
      let groups = pick(1, 1, 2)
      var geometry = ConvolutionGeometry(
        images: pick(1, 2), groups: groups, inputMaps: groups * pick(1, 3, 8, 16), inputHeight: pick(1, 5, 8, 11),
        inputWidth: pick(1, 6, 9, 16), outputMaps: groups * pick(1, 3, 8, 17), outputHeight: 0, outputWidth: 0,
        kernelHeight: pick(1, 2, 3, 3), kernelWidth: pick(1, 3, 3, 5), strideRows: pick(1, 1, 2),
        strideColumns: pick(1, 1, 3), dilationRows: pick(1, 1, 2), dilationColumns: pick(1, 1, 2), top: pick(0, 1, 2),
        left: pick(0, 1, 2))
      // The padding after follows from how many places there are.
      let down = geometry.inputHeight + geometry.top - (geometry.kernelHeight - 1) * geometry.dilationRows
      let across = geometry.inputWidth + geometry.left - (geometry.kernelWidth - 1) * geometry.dilationColumns
      geometry.outputHeight = (down + pick(0, 1, 2) - 1) / geometry.strideRows + 1
      geometry.outputWidth = (across + pick(0, 1, 2) - 1) / geometry.strideColumns + 1
      return min(down, across) > 0 ? geometry : nil
    }
  }()

  @Test(arguments: DType.allCases, Layout.allCases)
  func `convolutions in all directions`(dtype: DType, layout: Layout) throws {
    var numbers = Numbers(2)
    for geometry in Self.geometries {
      for direction in [ConvolutionCall.Direction.forward, .byData, .byWeights] {
        try check(direction, geometry, dtype, layout, &numbers)
      }
    }
  }

  private func check(
    _ direction: ConvolutionCall.Direction, _ geometry: ConvolutionGeometry, _ dtype: DType, _ layout: Layout,
    _ numbers: inout Numbers
  ) throws {
    let wide = dtype.parameterDType
    let x = try memory(geometry.inputShape, dtype, &numbers)
    let w = try memory(geometry.weightShape, wide, &numbers)
    let y = try memory(geometry.outputShape, dtype, &numbers)
    let bias = try memory([geometry.outputMaps], wide, &numbers)
    var call = ConvolutionCall(
      direction, geometry, x: .init(x.address, dtype, layout), w: .init(w.address, wide, .nchw),
      y: .init(y.address, dtype, layout))
    let written: Memory
    let inner: Int
    switch direction {
    case .forward:
      call.bias = bias.address
      (written, inner) = (y, w.count / geometry.outputMaps)
    case .byData: (written, inner) = (x, w.count / (geometry.inputMaps / geometry.groups))
    case .byWeights: (written, inner) = (w, y.count / geometry.outputMaps)
    }
    try CPUBackend.shared.run(call)
    let values = written.values
    ReferenceConvolution(call).run()
    // Values are at most 4.
    let sum = 16 * Double(inner + 1) * (dtype == .float64 ? 0x1p-51 : 0x1p-23)
    let unit = 2 * written.dtype.roundoff
    for (own, expected) in zip(values, written.values) where !agree(own, expected, within: unit * abs(expected) + sum) {
      Issue.record("\(direction) of \(geometry): \(own) and not \(expected)")
      break
    }
    for memory in [x, w, y, bias] { #expect(memory.isMarginIntact) }
  }

  private func memory(_ shape: Shape, _ dtype: DType, _ numbers: inout Numbers) throws -> Memory {
    let values = numbers.values(try shape.elementCount())
    return Memory(dtype, values, offset: numbers.below(4))
  }

  @Test(arguments: DType.allCases, Layout.allCases) func `max pooling both ways`(dtype: DType, layout: Layout) throws {
    var numbers = Numbers(3)
    for (window, stride, edge) in [(2, 2, 0), (3, 2, 1), (2, 3, 1), (1, 1, 0), (4, 1, 2)] {
      // So many maps that there is work for two threads. The last windows reach beyond the picture, or leave some of it.
      let geometry = PoolingGeometry(
        images: 2, maps: stride == 2 && edge == 0 ? 160 : 3, height: 9, width: 12, rows: (9 + edge - 1) / stride,
        columns: 12 / stride - 2, windowHeight: window, windowWidth: window, strideRows: stride, strideColumns: stride,
        top: edge, left: edge)
      for direction in [PoolingCall.Direction.gather, .scatter] {
        try check(direction, geometry, dtype, layout, &numbers)
      }
    }
  }

  private func check(
    _ direction: PoolingCall.Direction, _ geometry: PoolingGeometry, _ dtype: DType, _ layout: Layout,
    _ numbers: inout Numbers
  ) throws {
    let picture = try memory(geometry.pictureShape, dtype, &numbers)
    let pooled = try memory(geometry.pooledShape, dtype, &numbers)
    // With ties.
    let chooser = Memory(dtype, numbers.values(picture.count).map { $0.rounded() })
    let call = PoolingCall(
      direction, geometry, chooser: chooser.address,
      picture: View(picture.address, dtype, strides: Axes(layout.strides(of: geometry.pictureShape))),
      pooled: View(pooled.address, dtype, strides: Axes(layout.strides(of: geometry.pooledShape))))
    let written = direction == .gather ? pooled : picture
    try CPUBackend.shared.run(call)
    let own = written.bits
    ReferencePooling(call).run()
    #expect(own == written.bits, "\(direction), \(geometry)")
    for memory in [picture, pooled, chooser] { #expect(memory.isMarginIntact) }
  }
}
