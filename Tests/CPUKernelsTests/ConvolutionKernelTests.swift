import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

@Suite struct ConvolutionKernelTests {
  /// Of a kernel of 4x4 places, with a stride or without, over pictures large enough that Winograd's algorithm is worth it.
  private func largeGeometry(_ numbers: inout Numbers, stride: Int) -> ConvolutionGeometry {
    let extents = (stride == 1 ? 12 : 24, stride == 1 ? 10 + numbers.below(6) : 23 + numbers.below(6))
    return ConvolutionGeometry(
      images: 2, groups: 1, inputMaps: 16 + 16 * numbers.below(2), inputHeight: stride * extents.0 + numbers.below(2),
      inputWidth: stride * extents.1 + 1, outputMaps: [16, 20, 32][numbers.below(3)], outputHeight: extents.0,
      outputWidth: extents.1, kernelHeight: 4, kernelWidth: 4, strideRows: stride, strideColumns: stride,
      dilationRows: 1, dilationColumns: 1, top: 1, left: numbers.below(3))
  }

  /// Extents of all kinds, so that every method comes by.
  private func geometry(_ numbers: inout Numbers) -> ConvolutionGeometry {
    let isPlain = numbers.below(2) == 0
    let kernel = isPlain && numbers.below(2) == 0 ? (3, 3) : (1 + numbers.below(4), 1 + numbers.below(4))
    let groups = isPlain ? 1 : [1, 1, 2, 3][numbers.below(4)]
    let (inputs, outputs) =
      isPlain
      ? ([1, 3, 16, 32, 64][numbers.below(5)], [1, 3, 5, 16, 17, 40, 64][numbers.below(7)])
      : (groups * (1 + numbers.below(5)), groups * (1 + numbers.below(20)))
    func some(_ limit: Int) -> Int { isPlain && numbers.below(3) > 0 ? 1 : 1 + numbers.below(limit) }
    let (strides, dilations) = ((some(3), some(3)), (some(2), some(2)))
    let span = ((kernel.0 - 1) * dilations.0 + 1, (kernel.1 - 1) * dilations.1 + 1)
    let (top, left) = (numbers.below(span.0), numbers.below(span.1))
    let (height, width) = (1 + numbers.below(9), 1 + numbers.below(13))
    // Padding after the last row that may be less than what is needed for a whole window.
    func extent(_ size: Int, _ before: Int, _ span: Int, _ stride: Int, _ after: Int) -> Int {
      max(1, (size + before + after - span) / stride + 1)
    }
    return ConvolutionGeometry(
      images: 1 + numbers.below(2), groups: groups, inputMaps: inputs, inputHeight: height, inputWidth: width,
      outputMaps: outputs, outputHeight: extent(height, top, span.0, strides.0, numbers.below(span.0)),
      outputWidth: extent(width, left, span.1, strides.1, numbers.below(span.1)), kernelHeight: kernel.0,
      kernelWidth: kernel.1, strideRows: strides.0, strideColumns: strides.1, dilationRows: dilations.0,
      dilationColumns: dilations.1, top: top, left: left)
  }

  /// Just as many weights as make it a small convolution, of at most 54 pixels; or of so many that what they read comes
  /// in several blocks, and that two pictures together would be too many.
  private func smallGeometry(_ numbers: inout Numbers, inBlocks: Bool) -> ConvolutionGeometry {
    func some(_ limit: Int) -> Int { numbers.below(2) == 0 ? 1 : 1 + numbers.below(limit) }
    let kernel = inBlocks ? (1, 1) : (1 + numbers.below(4), 2 + numbers.below(3))
    let inputs = inBlocks ? 1040 : 16 * (1 + numbers.below(5))
    let length = kernel.0 * kernel.1 * inputs
    let (strides, dilations) = ((some(3), some(3)), (some(2), some(2)))
    let (top, left) = (numbers.below(kernel.0), numbers.below(kernel.1))
    let (rows, columns) = inBlocks ? (9, 15) : (some(3), some(6))
    // The last rows and columns may be read only in part, or not at all.
    let (below, right) = (numbers.below(2), numbers.below(2))
    return ConvolutionGeometry(
      images: inBlocks ? 2 : some(3), groups: 1, inputMaps: inputs,
      inputHeight: max(1, (rows - 1) * strides.0 + (kernel.0 - 1) * dilations.0 + 1 - top - below + numbers.below(2)),
      inputWidth: max(1, (columns - 1) * strides.1 + (kernel.1 - 1) * dilations.1 + 1 - left - right),
      outputMaps: ((1 << 16) + length - 1) / length + numbers.below(6), outputHeight: rows, outputWidth: columns,
      kernelHeight: kernel.0, kernelWidth: kernel.1, strideRows: strides.0, strideColumns: strides.1,
      dilationRows: dilations.0, dilationColumns: dilations.1, top: top, left: left)
  }

  private func operand(_ memory: Memory, _ layout: Layout) -> ConvolutionCall.Operand {
    .init(memory.address, memory.dtype, layout)
  }

  @Test(arguments: InstructionSet.available.filter { $0 != .plain })
  func `every method gives what the reference gives, with the same bits on any number of threads`(
    _ set: InstructionSet
  ) throws {
    var numbers = Numbers(set.rawValue.utf8.reduce(0) { $0 + Int($1) })
    for number in 0..<Thoroughness.count(24) {
      let isLarge = number % 6 == 5
      let g = isLarge ? largeGeometry(&numbers, stride: 1 + number / 6 % 2) : geometry(&numbers)
      try check(g, set, &numbers, number)
    }
  }

  @Test(arguments: InstructionSet.available.filter { $0 != .plain })
  func `few pixels with many weights give what the reference gives, with the same bits on any number of threads`(
    _ set: InstructionSet
  ) throws {
    var numbers = Numbers(set.rawValue.utf8.reduce(1) { $0 + Int($1) })
    for number in 0..<Thoroughness.count(6) {
      // The reference takes long for so many pixels.
      let inBlocks = number == 0 && set == InstructionSet.available.first
      try check(smallGeometry(&numbers, inBlocks: inBlocks), set, &numbers, number)
    }
  }

  /// So many tiles come some at a time, and those of a picture alone at once.
  @Test(arguments: InstructionSet.available.filter { $0 != .plain })
  func `the gradient by weights of two pictures is the sum of each one's`(_ set: InstructionSet) throws {
    var g = ConvolutionGeometry(
      images: 2, groups: 1, inputMaps: 16, inputHeight: 60, inputWidth: 56, outputMaps: 16, outputHeight: 60,
      outputWidth: 56, kernelHeight: 3, kernelWidth: 3, strideRows: 1, strideColumns: 1, dilationRows: 1,
      dilationColumns: 1, top: 1, left: 1)
    var numbers = Numbers(7)
    let count = 60 * 56 * 16
    let (x, y) = (Memory(.float32, numbers.values(2 * count)), Memory(.float32, numbers.values(2 * count)))
    func gradient(from first: Int) throws -> [Double] {
      let w = Memory(.float32, 16 * 16 * 9)
      var call = ConvolutionCall(
        .byWeights, g, x: operand(x, .nhwc), w: operand(w, .nchw), y: operand(y, .nhwc))
      call.x.address += first * count * 4
      call.y.address += first * count * 4
      try backend(set, threads: 2).run(call)
      return w.values
    }
    let both = try gradient(from: 0)
    g.images = 1
    let parts = (try gradient(from: 0), try gradient(from: 1))
    for (index, value) in both.enumerated() {
      // Values are below 4 in magnitude, and 6720 are added.
      #expect(abs(value - parts.0[index] - parts.1[index]) < 0.05, "\(index)")
    }
  }

  private func check(
    _ g: ConvolutionGeometry, _ set: InstructionSet, _ numbers: inout Numbers, _ number: Int
  ) throws {
    let dtype = numbers.below(2) == 0 ? DType.float32 : DType.allCases[numbers.below(4)]
    func layout() -> Layout { numbers.below(2) == 0 ? .nchw : .nhwc }
    let layouts = (layout(), layout(), layout())
    let x = Memory(dtype, numbers.values(g.inputShape.reduce(1, *)))
    let w = Memory(dtype.parameterDType, numbers.values(g.weightShape.reduce(1, *)))
    let y = Memory(dtype, numbers.values(g.outputShape.reduce(1, *)))
    let bias = Memory(dtype.parameterDType, numbers.values(g.outputMaps))
    for direction in [ConvolutionCall.Direction.forward, .byData, .byWeights] {
      let target = direction == .forward ? y : direction == .byData ? x : w
      let old = target.values
      let call = ConvolutionCall(
        direction, g, x: operand(x, layouts.0), w: operand(w, layouts.1), y: operand(y, layouts.2),
        bias: direction == .forward && number % 3 > 0 ? bias.address : nil)
      ReferenceConvolution(call).run()
      let expected = target.values
      var bits: [UInt8]?
      for threads in 1...3 {
        for index in 0..<target.count { target[index] = .nan }
        try backend(set, threads: threads).run(call)
        if let bits { #expect(bits == target.bits, "\(direction) \(g)") }
        bits = target.bits
      }
      if direction != .byWeights {
        // The last picture alone.
        var alone = call
        alone.geometry.images = 1
        let count = (x.count / g.images, y.count / g.images)
        alone.x.address += (g.images - 1) * count.0 * dtype.byteCount
        alone.y.address += (g.images - 1) * count.1 * dtype.byteCount
        let size = direction == .forward ? count.1 : count.0
        for index in (g.images - 1) * size..<g.images * size { target[index] = .nan }
        try backend(set, threads: 2).run(alone)
        #expect(bits == target.bits, "\(direction) \(g): alone and in a batch")
      }
      // Values are below 4 in magnitude, or nearly all are.
      let terms = direction == .byWeights ? g.images * g.outputHeight * g.outputWidth : g.weightShape.reduce(1, *)
      // Winograd's transforms have sums of their own.
      let factor = g.kernelHeight == g.kernelWidth && g.kernelHeight > 2 ? 64.0 : 8
      let tolerance = 16 * Double(terms + 1).squareRoot() * 4 * 0x1p-24 * factor
      for (index, value) in expected.enumerated()
      where !agree(target[index], value, within: tolerance + value.magnitude * 2 * target.dtype.roundoff) {
        Issue.record("\(set) \(direction) \(g) \(dtype) \(layouts): \(target[index]) and not \(value) at \(index)")
        return
      }
      #expect(target.isMarginIntact, "\(direction) \(g)")
      for (index, value) in old.enumerated() { target[index] = value }
    }
  }
}
