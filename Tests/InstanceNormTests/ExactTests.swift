import InstanceNorm
import TestSupport
import Testing

/// |y - ref| <= 1e-6 (|scale| max(1, |xhat|) + |bias|) for every finite float32 input, and |dx - ref| <= 4e-6
/// |scale| invStd max|dy|.
@Suite struct ExactTests {
  /// Runs one layer forward and backward on (1, C, planeSize) values and holds both to the contract.
  private func check(
    _ values: [Float], maps: Int = 1, scale: [Float]? = nil, bias: [Float]? = nil, epsilon: Double = 1e-5,
    layouts: [Layout] = [.nchw]
  ) throws {
    let planeSize = values.count / maps
    let grad = try Tensor.randomNormal([1, maps, planeSize], seed: 77)
    let reference = Reference(
      values.map(Double.init), maps: maps, planeSize: planeSize, scale: scale?.map(Double.init),
      bias: bias?.map(Double.init), epsilon: epsilon, grad: try grad.doubles)
    for layout in layouts {
      let norm = try InstanceNorm1D(numOfMaps: maps, epsilon: epsilon)
      if let scale { norm.scale?.data = try Tensor(scale) }
      if let bias { norm.bias?.data = try Tensor(bias) }
      let out = try norm(Tensor(values, shape: [1, maps, planeSize]).to(layout)).doubles
      let error = worstError(
        out, reference, maps: maps, planeSize: planeSize, scale: scale?.map(Double.init), bias: bias?.map(Double.init))
      #expect(error <= 1, "forward, \(layout): \(error) of what is allowed")

      let dx = try norm.backward(grad.to(layout)).doubles
      let largest = try grad.doubles.map(abs).max() ?? 0
      var worst = 0.0
      for index in dx.indices {
        let plane = index / planeSize
        let allowed =
          4e-6 * abs(scale.map { Double($0[plane]) } ?? 1) * reference.invStd[plane] * largest
          + Double(Float.leastNonzeroMagnitude)
        // Where even the true gradient is beyond float32, infinity is right.
        let expected = Double(Float(reference.xGrad[index]))
        let difference = dx[index] == expected ? 0 : abs(dx[index] - expected)
        worst = max(worst, difference.isNaN ? .infinity : difference / allowed)
      }
      #expect(worst <= 1, "gradient, \(layout): \(worst) of what is allowed")
    }
  }

  private func normal(_ count: Int, mean: Double, deviation: Double, seed: UInt64) throws -> [Float] {
    try Tensor.randomNormal([count], mean: mean, deviation: deviation, seed: seed).array(of: Float.self)
  }

  @Test func `ordinary data, with scale and bias, in both layouts`() throws {
    for (maps, planeSize) in [(1, 1000), (3, 77), (16, 600), (17, 513), (40, 33)] {
      try check(
        normal(maps * planeSize, mean: 0.4, deviation: 2, seed: 1), maps: maps,
        scale: normal(maps, mean: 0, deviation: 3, seed: 2), bias: normal(maps, mean: 0, deviation: 3, seed: 3),
        layouts: Layout.allCases)
    }
  }

  @Test func `every size from 1 to 300`() throws {
    let values = try normal(300 * 3, mean: 1, deviation: 1, seed: 4)
    for size in 1...300 { try check(Array(values[..<(3 * size)]), maps: 3, layouts: Layout.allCases) }
  }

  @Test func `mean 1e4 and deviation 1 on a plane of 2048 x 2048`() throws {
    try check(normal(2048 * 2048, mean: 1e4, deviation: 1, seed: 5))
  }

  @Test func `mean 1e6 and deviation 10, and a mean a million times the deviation`() throws {
    try check(normal(512 * 512, mean: 1e6, deviation: 10, seed: 6))
    try check(normal(512 * 512, mean: 1e6, deviation: 1, seed: 7), maps: 4, layouts: Layout.allCases)
    try check(normal(512 * 512, mean: -1e6, deviation: 1, seed: 8))
  }

  @Test func `a plane of 2^24 values with a large mean`() throws {
    try check(normal(1 << 24, mean: 1e5, deviation: 1, seed: 9))
  }

  @Test func `the largest magnitudes`() throws {
    try check([1.49e38, 9.0e37, -1.3e38, 3.06e38])
    try check([.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0, 1])
    try check([.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e38], epsilon: 0)
    try check(normal(3000, mean: 0, deviation: 5e37, seed: 10), maps: 3, layouts: Layout.allCases)
  }

  @Test func `subnormal planes`() throws {
    let tiny = Float.leastNonzeroMagnitude
    for epsilon in [1e-5, 0, 1e-80] {
      try check([tiny, 2 * tiny, 5 * tiny, -3 * tiny], epsilon: epsilon)
      try check((0..<1000).map { Float($0 % 37) * tiny }, epsilon: epsilon)
    }
    try check(normal(2000, mean: 0, deviation: 1e-38, seed: 11), epsilon: 0)
  }

  @Test func `an outlier a million million times the rest`() throws {
    var values = try normal(4096, mean: 0, deviation: 1, seed: 12)
    values[0] = 1e12
    try check(values)
    values[0] = 1
    values[4000] = -3e30
    try check(values)
  }

  @Test func `float16 planes that alternate between -512 and 512 give -1 and 1`() throws {
    for count in [2, 10, 1024, 65536] {
      let values = (0..<count).map { $0 % 2 == 0 ? Float16(-512) : 512 }
      for layout in Layout.allCases {
        let norm = try InstanceNorm2D(numOfMaps: 1)
        try norm.calcMode(.float16)
        let out = try norm(Tensor(values, shape: [1, 1, count, 1]).to(layout)).array(of: Float16.self)
        #expect(out == values.map { $0 / 512 })
      }
    }
  }

  @Test func `half-width types with a mean far larger than the deviation are within 1 ulp`() throws {
    for (dtype, digits) in [(DType.float16, 11), (.bfloat16, 8)] {
      let x = try Tensor.randomNormal([1, 1, 5000], mean: 1000, deviation: 3, seed: 13).to(dtype)
      let norm = try InstanceNorm1D(numOfMaps: 1)
      try norm.calcMode(dtype)
      let reference = Reference(try x.doubles, maps: 1, planeSize: 5000)
      for (value, expected) in zip(try norm(x).doubles, reference.y) {
        #expect(
          abs(value - expected) <= abs(expected.binade) * 2 * Double(sign: .plus, exponent: -digits, significand: 1))
      }
    }
  }

  @Test func `float64 reaches from its smallest to its largest numbers`() throws {
    let base = [1.0, -0.5, 0.75, 0.2, -1.0, 0.1, 0.9]
    let reference = Reference(base, maps: 1, planeSize: 7, epsilon: 0, grad: base)
    for exponent in [-1040, -1000, -600, -500, 0, 500, 600, 1023] {
      let factor = Double(sign: .plus, exponent: exponent, significand: 1)
      for layout in Layout.allCases {
        let norm = try InstanceNorm1D(numOfMaps: 2, epsilon: 0)
        try norm.calcMode(.float64)
        // The other plane is ordinary, and must not notice.
        let values = base.map { $0 * factor } + base
        let out = try norm(Tensor(values, shape: [1, 2, 7]).to(layout)).doubles
        let tolerance = exponent == -1040 ? 1e-9 : 1e-14
        for (value, expected) in zip(out, reference.y + reference.y) { #expect(abs(value - expected) < tolerance) }
        // Below 2^-1022 invStd, and above 2^1000 dx, are beyond float64.
        guard abs(exponent) < 1000 else { continue }
        let dx = try norm.backward(Tensor(base + base, shape: [1, 2, 7]).to(layout)).doubles
        for (value, expected) in zip(dx, reference.xGrad.map { $0 / factor } + reference.xGrad) {
          #expect(abs(value - expected) <= 1e-14 * reference.invStd[0] * max(1 / factor, 1))
        }
      }
    }
    let constant = try InstanceNorm1D(numOfMaps: 1)
    try constant.calcMode(.float64)
    #expect(try constant(Tensor([1e300, 1e300, 1e300], shape: [1, 1, 3])).doubles == [0, 0, 0])
    constant.reset()
    // The gradient of a constant plane: dy - mean dy, over sqrt(epsilon).
    for value in [1e150, 1e200, 1e300, 1e307, 1.7e308] {
      try constant(Tensor([value, value, value], shape: [1, 1, 3]))
      #expect(abs(try #require(constant.saveInvVar)[0, 0] * 1e-5.squareRoot() - 1) < 1e-14)
      let dx = try constant.backward(Tensor([3.0, 0, 0], shape: [1, 1, 3])).doubles
      for (value, expected) in zip(dx, [2.0, -1, -1]) { #expect(abs(value * 1e-5.squareRoot() - expected) < 1e-13) }
      #expect(try #require(constant.scale?.grad).doubles == [0])
    }
    // Small next to epsilon: y is x / sqrt(epsilon).
    let small = try constant(Tensor([1e-200, -1e-200], shape: [1, 1, 2])).doubles
    #expect(abs(small[0] / (1e-200 / 1e-5.squareRoot()) - 1) < 1e-14)
  }
}
