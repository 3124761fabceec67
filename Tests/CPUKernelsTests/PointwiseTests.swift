import CPUKernels
import Calls
import Tensors
import Testing

@Suite struct PointwiseTests {
  static let functions: [PointwiseFunction] = [
    .relu, .leakyReLU(slope: 0.2), .tanh, .sigmoid, .exp, .log, .squareRoot, .absolute, .square, .clamp(-0.7, 1.3),
    .softplus, .gelu, .silu, .negate, .reciprocal, .affine(scale: 1.7, offset: -0.3),
  ]

  static let narrow: [DType] = [.float32, .float16, .bfloat16]

  @Test(arguments: tunedSets, narrow)
  func `every function of every length and at every offset is the reference's`(
    set: InstructionSet, dtype: DType
  ) throws {
    let backend = try backend(set)
    var numbers = Numbers(1)
    for function in Self.functions {
      for count in Thoroughness.lengths {
        let input = Memory(dtype, numbers.values(count), offset: count % 7)
        let output = Memory(dtype, count, offset: count % 5)
        let expected = Memory(.float64, count)
        try backend.run(
          PointwiseCall(function, dtype, count: count, input: input.address, output: output.address))
        let wide = Memory(.float64, input.values)
        ReferencePointwise(
          PointwiseCall(function, .float64, count: count, input: wide.address, output: expected.address)
        ).run(0..<count)
        for index in 0..<count {
          // Where terms cancel, of the terms.
          let scale = max(expected[index].magnitude, { if case .affine = function { 8 } else { 0 } }())
          let tolerance = scale * (dtype.roundoff + 5 * 0x1p-24) + dtype.leastNonzero
          if !agree(output[index], expected[index], within: tolerance) {
            Issue.record("\(function)(\(input[index])) is \(output[index]), not \(expected[index])")
            return
          }
        }
        #expect(output.isMarginIntact)
      }
    }
  }

  /// Every so manyth float32 there is: subnormal, infinite and NaN ones too.
  @Test(arguments: tunedSets)
  func `functions are within 5 units in the last place of float32, whatever the argument`(set: InstructionSet) throws {
    let backend = try backend(set)
    let count = Thoroughness.isFull ? 1 << 14 : 1 << 10
    let input = Memory(.float32, count)
    let patterns = input.address.assumingMemoryBound(to: UInt32.self)
    for index in 0..<count { patterns[index] = UInt32(truncatingIfNeeded: index &* (Int(UInt32.max) / count)) }
    for (index, special) in [0, -0.0, .infinity, -.infinity, .nan, 88.72, 89, -87.5, -103.9, -104].enumerated() {
      input[index] = special
    }
    let output = Memory(.float32, count)
    for function in Self.functions {
      if case .affine = function { continue }
      try backend.run(
        PointwiseCall(function, .float32, count: count, input: input.address, output: output.address))
      for index in 0..<count {
        let expected = reference(function, input[index])
        let rounded = Float(expected)
        if rounded.isInfinite, output[index] == rounded.double || output[index].magnitude > 0x1.fffff0p127 { continue }
        if !agree(output[index], expected, within: 5 * Double(Float(expected.magnitude).ulp)) {
          Issue.record("\(function)(\(input[index])) is \(output[index]), not \(expected)")
          break
        }
      }
    }
  }

  private func reference(_ function: PointwiseFunction, _ x: Double) -> Double {
    let (input, output) = (Memory(.float64, [x]), Memory(.float64, 1))
    // What the kernels have of a number of the function's.
    var function = function
    if case .activation(let activation) = function { function = .activation(activation.rounded(for: .float32)) }
    ReferencePointwise(
      PointwiseCall(function, .float64, count: 1, input: input.address, output: output.address)
    ).run(0..<1)
    return output[0]
  }

  @Test(arguments: tunedSets, narrow)
  func `gradients of every length and at every offset are the reference's`(set: InstructionSet, dtype: DType) throws {
    let backend = try backend(set)
    var numbers = Numbers(2)
    for function in Self.functions {
      for count in Thoroughness.lengths {
        let gradient = Memory(dtype, numbers.values(count), offset: count % 7)
        let value = Memory(dtype, numbers.values(count), offset: count % 3)
        let output = Memory(dtype, count, offset: count % 5)
        let expected = Memory(.float64, count)
        try backend.run(
          PointwiseGradientCall(
            function, dtype, count: count, gradient: gradient.address, value: value.address, output: output.address))
        let (wideGradient, wideValue) = (Memory(.float64, gradient.values), Memory(.float64, value.values))
        ReferencePointwiseGradient(
          PointwiseGradientCall(
            function, .float64, count: count, gradient: wideGradient.address, value: wideValue.address,
            output: expected.address)
        ).run(0..<count)
        for index in 0..<count {
          // Slopes that cross 0 are exact to what they are sums of, which is about 1.
          let scale = max(expected[index].magnitude, gradient[index].magnitude)
          let tolerance = scale * (dtype.roundoff + 5 * 0x1p-24) + dtype.leastNonzero
          if !agree(output[index], expected[index], within: tolerance) {
            Issue.record(
              "\(function), \(gradient[index]) at \(value[index]): \(output[index]), not \(expected[index])")
            return
          }
        }
        #expect(output.isMarginIntact)
      }
    }
  }

  @Test(arguments: tunedSets)
  func `in place, past the caches and on threads, the bits are the same`(set: InstructionSet) throws {
    var numbers = Numbers(3)
    for dtype in Self.narrow {
      let count = Thoroughness.isFull ? 70_001 : 40_001
      let values = numbers.values(count)
      for function in Self.functions {
        let input = Memory(dtype, values, offset: 3)
        let output = Memory(dtype, count, offset: 3)
        let call = PointwiseCall(function, dtype, count: count, input: input.address, output: output.address)
        try backend(set).run(call)
        let expected = output.bits
        for threads in 1...3 {
          try backend(set, threads: threads, streamed: 0).run(call)
          #expect(output.bits == expected && output.isMarginIntact)
        }
        try backend(set).run(
          PointwiseCall(function, dtype, count: count, input: input.address, output: input.address))
        #expect(input.bits == expected)
      }
    }
  }

  @Test(arguments: tunedSets) func `clamp's slope is 1 at both ends, and what is outside by a hair has none`(
    set: InstructionSet
  ) throws {
    let (least, most) = (-0.7, 1.3)
    let values = [Float(least), Float(least).nextUp, Float(least).nextDown, Float(most), Float(most).nextUp]
    let value = Memory(.float32, values.map(Double.init))
    let (gradient, output) = (Memory(.float32, [1, 1, 1, 1, 1]), Memory(.float32, 5))
    try backend(set).run(
      PointwiseGradientCall(
        .clamp(least, most), .float32, count: 5, gradient: gradient.address, value: value.address,
        output: output.address))
    #expect(output.values == values.map { Double($0) >= least && Double($0) <= most ? 1 : 0 })
  }

  @Test func `instruction sets with fused multiply-add give the same bits`() throws {
    var numbers = Numbers(4)
    let input = Memory(.float32, numbers.values(1000))
    for function in Self.functions {
      let results = try tunedSets.filter(\.hasFMA).map { set in
        let output = Memory(.float32, input.count)
        try backend(set).run(
          PointwiseCall(function, .float32, count: input.count, input: input.address, output: output.address))
        return output.bits
      }
      #expect(results.allSatisfy { $0 == results[0] })
    }
  }
}
