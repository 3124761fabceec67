import CPUKernels
import Calls
import GPUBackends
import InstanceNorm
import Testing

/// Functions of one and of two values on every device, against their references.
@Suite struct GPUElementTests {
  static let functions: [PointwiseFunction] = [
    .relu, .leakyReLU(slope: 0.3), .tanh, .sigmoid, .exp, .log, .squareRoot, .absolute, .square, .clamp(-0.5, 2),
    .softplus, .gelu, .silu, .negate, .reciprocal, .affine(scale: -3, offset: 0.7),
  ]
  private static let special: [Double] = [
    .nan, .infinity, -.infinity, 0, -0.0, 1, -1, 0.5, -0.5, 2, 1e-20, -1e-20, 3e4, -3e4, 20, -20, 5, -5, 88, -88,
  ]

  @Test(arguments: DevicesUnderTest.all, DType.allCases) func `functions of one value, and their gradients`(
    device: Device, dtype: DType
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    guard device.supportedTypes.contains(dtype) else { return }
    for function in Self.functions {
      for count in [1, 8, 1003] {
        let numbers = Array((Self.special + randomNumbers(count, seed: 1).map { $0 * 4 }).prefix(count))
        let input = try Twin(numbers, dtype, on: device)
        let output = try Twin.unwritten(count, dtype, on: device)
        ReferencePointwise(
          PointwiseCall(function, dtype, count: count, input: input.hostAddress, output: output.hostAddress)
        ).run(0..<count)
        try gpu.run(
          PointwiseCall(function, dtype, count: count, input: input.deviceAddress, output: output.deviceAddress))
        let (x, y) = (try input.values().host, try output.values().host)
        let fault = try output.fault { index, expected in
          dtype.unit(of: expected) + dtype.arithmetic * (abs(expected) + min(1, abs(x[index])))
        }
        #expect(fault == nil, "\(function) of \(count) \(dtype)")

        let values = try Twin(function.slopeIsOfOutput ? y : x, dtype, on: device)
        let gradient = try Twin(randomNumbers(count, seed: 2), dtype, on: device)
        let result = try Twin.unwritten(count, dtype, on: device)
        ReferencePointwiseGradient(
          PointwiseGradientCall(
            function, dtype, count: count, gradient: gradient.hostAddress, value: values.hostAddress,
            output: result.hostAddress)
        ).run(0..<count)
        try gpu.run(
          PointwiseGradientCall(
            function, dtype, count: count, gradient: gradient.deviceAddress, value: values.deviceAddress,
            output: result.deviceAddress))
        let gradientFault = try result.fault { dtype.unit(of: $1) + dtype.arithmetic * (abs($1) + 1) }
        #expect(gradientFault == nil, "the gradient of \(function) of \(count) \(dtype)")
      }
    }
  }

  /// Extents, and the strides of two operands and a result.
  static let forms: [(Axes, Axes, Axes, Axes)] = [
    ([], [], [], []), ([1], [1], [1], [1]), ([1, 1], [7, 0], [0, 9], [1, 1]), ([1003], [1], [1], [1]),
    ([5, 9], [9, 1], [9, 1], [9, 1]), ([5, 9], [9, 1], [0, 0], [9, 1]), ([5, 9], [9, 1], [0, 1], [9, 1]),
    ([5, 9], [1, 0], [1, 5], [9, 1]),
    // As pictures (N, C, H, W) and something for each map, NCHW and NHWC.
    ([2, 3, 5, 7], [105, 35, 7, 1], [0, 1, 0, 0], [105, 35, 7, 1]),
    ([2, 3, 5, 7], [105, 1, 21, 3], [3, 1, 0, 0], [105, 1, 21, 3]),
    ([2, 1, 2, 1, 2, 1, 2, 3], [24, 0, 12, 0, 6, 0, 3, 1], [1, 0, 2, 0, 4, 0, 8, 16], [24, 24, 12, 12, 6, 6, 3, 1]),
    ([0, 4], [4, 1], [4, 1], [4, 1]),
  ]

  @Test(arguments: DevicesUnderTest.all, DType.allCases) func `functions of two values in every form`(
    device: Device, dtype: DType
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    guard device.supportedTypes.contains(dtype) else { return }
    let functions: [BinaryFunction] = [
      .add, .subtract, .multiply, .divide, .maximum, .minimum, .gate(slope: 0), .gate(slope: 0.3),
    ]
    for function in functions {
      for (extents, a, b, y) in Self.forms {
        for start in [0, 3] {
          // NaN and infinity meet numbers, and each other.
          let odd: [Double] = [.nan, .infinity, 0, -.infinity, 1]
          func numbers(_ strides: Axes, seed: UInt64, every step: Int) -> [Double] {
            randomNumbers(reach(extents, strides), seed: seed).enumerated().map {
              $0 % step == 2 ? odd[$0 / step % odd.count] : $1 * 3
            }
          }
          let first = try Twin(numbers(a, seed: 1, every: 11), dtype, on: device, start: start)
          let second = try Twin(numbers(b, seed: 2, every: 7), dtype, on: device, start: start)
          let output = try Twin.unwritten(reach(extents, y), dtype, on: device, start: start)
          func call(isOnHost: Bool) -> BinaryCall {
            BinaryCall(
              function, extents: extents, first: first.view(a, isOnHost: isOnHost),
              second: second.view(b, isOnHost: isOnHost), output: output.view(y, isOnHost: isOnHost))
          }
          ReferenceBinary(call(isOnHost: true)).run()
          try gpu.run(call(isOnHost: false))
          let fault = try output.fault { dtype.unit(of: $1) + dtype.arithmetic * abs($1) }
          #expect(fault == nil, "\(function) over \(extents) from \(start), \(dtype)")
        }
      }
    }
  }

  @Test(arguments: DevicesUnderTest.withoutDouble) func `float64 is refused by devices without it`(
    device: Device
  ) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    let x = try Twin([1], .float64, on: device)
    #expect(throws: DeviceError.self) {
      try gpu.run(
        PointwiseCall(.exp, .float64, count: 1, input: x.deviceAddress, output: x.deviceAddress))
    }
    let view = x.view([1], isOnHost: false)
    #expect(throws: DeviceError.self) {
      try gpu.run(BinaryCall(.add, extents: [1], first: view, second: view, output: view))
    }
  }
}

/// How many values some extents with some strides are in.
func reach(_ extents: Axes, _ strides: Axes) -> Int {
  extents.product == 0 ? 0 : zip(extents, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
}
