import GPUBackends
import InstanceNorm
import TestSupport
import Testing

/// The contracts of the layer, on every device: exact, contained, deterministic.
@Suite struct GPUNormalizationTests {
  /// Runs one layer forward and backward on (N, C, planeSize) values on a device and holds both to the contract.
  private func check(
    _ x: Tensor, scale: [Float]? = nil, bias: [Float]? = nil, epsilon: Double = 1e-5, gradient dy: Tensor? = nil,
    layouts: [Layout] = Layout.allCases, on device: Device
  ) throws {
    let (maps, size) = (x.shape[1], x.shape[2])
    let dy = try dy ?? Tensor.randomNormal(x.shape, seed: 77)
    let (factors, offsets) = (scale?.map(Double.init), bias?.map(Double.init))
    let reference = Reference(
      try x.doubles, maps: maps, planeSize: size, scale: factors, bias: offsets, epsilon: epsilon,
      grad: try dy.doubles)
    for layout in layouts {
      let norm = try InstanceNorm1D(numOfMaps: maps, epsilon: epsilon)
      if let scale { norm.scale?.data = try Tensor(scale) }
      if let bias { norm.bias?.data = try Tensor(bias) }
      try norm.to(device)
      let y = try norm(x.to(layout).to(device)).doubles
      let error = worstError(y, reference, maps: maps, planeSize: size, scale: factors, bias: offsets)
      #expect(error <= 1, "\(x.shape), \(layout): \(error) of what is allowed")
      let dx = try norm.backward(dy.to(layout).to(device)).doubles
      let gradError = worstGradient(dx, reference, try dy.doubles, size: size, scale: factors)
      #expect(gradError <= 1, "\(x.shape), \(layout): \(gradError) of what is allowed for the gradient")
      let (scaleGrad, biasGrad) = try (
        #require(norm.scale?.grad).doubles, #require(norm.bias?.grad).doubles
      )
      let largest = try dy.doubles.map(abs).max() ?? 0
      let allowed = 1e-5 * Double(x.count / maps) * max(largest, Double(Float.leastNormalMagnitude))
      for map in 0..<maps {
        #expect(abs(Double(Float(reference.scaleGrad[map])) - scaleGrad[map]) <= allowed || scaleGrad[map].isInfinite)
        #expect(abs(Double(Float(reference.biasGrad[map])) - biasGrad[map]) <= allowed || biasGrad[map].isInfinite)
      }
    }
  }

  private func normal(_ shape: Shape, _ mean: Double, _ deviation: Double, seed: UInt64 = 1) throws -> Tensor {
    try Tensor.randomNormal(shape, mean: mean, deviation: deviation, seed: seed)
  }

  @Test(arguments: DevicesUnderTest.all) func `planes of every length`(device: Device) throws {
    for size in Array(1...300) + [1023, 4097, 12_345, 70_001] {
      try check(
        normal([size < 1000 ? 2 : 1, 3, size], 3, 2, seed: UInt64(size)), scale: [1.5, -2, 0.25], bias: [0.5, 1, -3],
        on: device)
    }
  }

  @Test(arguments: DevicesUnderTest.all) func `many maps, and few`(device: Device) throws {
    for (images, maps, size) in [(3, 1, 50), (2, 16, 600), (2, 17, 513), (1, 40, 33), (2, 130, 20), (300, 5, 1)] {
      let scale = try normal([maps], 0, 3, seed: 2).array(of: Float.self)
      let bias = try normal([maps], 0, 3, seed: 3).array(of: Float.self)
      try check(normal([images, maps, size], 0.4, 2), scale: scale, bias: bias, on: device)
    }
  }

  @Test(arguments: DevicesUnderTest.all) func `means a million times the deviation`(device: Device) throws {
    try check(normal([1, 4, 1 << 16], 1e6, 1), on: device)
    try check(normal([1, 1, 1 << 18], -1e6, 1), on: device)
    try check(normal([2, 3, 1000], 1e4, 1), on: device)
  }

  @Test(arguments: DevicesUnderTest.few) func `a plane of 2^24 values with a large mean`(device: Device) throws {
    try check(normal([1, 1, 1 << 24], 1e5, 1), layouts: [.nchw], on: device)
  }

  @Test(arguments: DevicesUnderTest.all) func `the ends of float32's range`(device: Device) throws {
    func plane(_ values: [Float]) throws -> Tensor { try Tensor(values, shape: [1, 1, values.count]) }
    let (tiny, huge) = (Float.leastNonzeroMagnitude, Float.greatestFiniteMagnitude)
    try check(plane([1.49e38, 9.0e37, -1.3e38, 3.06e38]), on: device)
    try check(plane([huge, -huge, 0, 1]), on: device)
    try check(plane([huge, -huge, 1e38]), epsilon: 0, on: device)
    try check(normal([1, 3, 1000], 0, 5e37), on: device)
    try check(normal([1, 2, 30_000], 0, 5e37), on: device)
    for epsilon in [1e-5, 0, 1e-80] {
      try check(plane([tiny, 2 * tiny, 5 * tiny, -3 * tiny]), epsilon: epsilon, on: device)
      try check(plane((0..<1000).map { Float($0 % 37) * tiny }), epsilon: epsilon, on: device)
    }
    try check(normal([1, 1, 2000], 0, 1e-38), epsilon: 0, on: device)
    var outlier = try normal([1, 1, 4096], 0, 1)
    try outlier.set(1e12, at: 0, 0, 0)
    try check(outlier, on: device)
    try outlier.set(-3e30, at: 0, 0, 4000)
    try check(outlier, on: device)
  }

  @Test(arguments: DevicesUnderTest.all) func `gradients, scales and biases at the ends of the range`(
    device: Device
  ) throws {
    let x = try normal([1, 2, 500], 1, 2)
    for magnitude in [1e37, 1e-37, 1e-43] {
      try check(x, gradient: normal([1, 2, 500], 0, magnitude, seed: 5), on: device)
    }
    try check(x, scale: [1e37, -1e-37], bias: [-2e37, 1e-38], on: device)
    try check(normal([1, 2, 500], 0, 1e-30), epsilon: 0, gradient: normal([1, 2, 500], 0, 1e-12), on: device)
    try check(normal([1, 2, 500], 0, 1e30), gradient: normal([1, 2, 500], 0, 1e30), on: device)
  }

  @Test(arguments: DevicesUnderTest.all, [DType.float16, .bfloat16]) func `half-width types are rounded once`(
    device: Device, dtype: DType
  ) throws {
    for (shape, mean) in [([2, 3, 7, 11], 0.5), ([1, 5, 90, 100], 100), ([1, 2, 1, 1], 3)] as [(Shape, Double)] {
      for layout in Layout.allCases {
        let x = try normal(shape, mean, 3).to(dtype)
        let dy = try normal(shape, 0, 1, seed: 2).to(dtype)
        let norm = try InstanceNorm2D(numOfMaps: shape[1])
        try norm.calcMode(dtype)
        try norm.to(device)
        let y = try norm(x.to(layout).to(device))
        let dx = try norm.backward(dy.to(layout).to(device))
        #expect(y.dtype == dtype && dx.layout == layout)
        let size = shape[2] * shape[3]
        let reference = Reference(try x.doubles, maps: shape[1], planeSize: size, grad: try dy.doubles)
        let unit = dtype == .float16 ? 0x1p-10 : 0x1p-7
        let isRight = zip(try y.doubles, reference.y).allSatisfy {
          abs($0 - $1) <= unit * max(abs($1), 0x1p-14) + 1e-6
        }
        #expect(isRight, "\(shape), \(layout)")
        let isGradient = try dx.doubles.enumerated().allSatisfy { index, value in
          let expected = reference.xGrad[index]
          let allowed = unit * max(abs(expected), 0x1p-14) + 2e-5 * reference.invStd[index / size]
          return abs(value - expected) <= allowed
        }
        #expect(isGradient, "\(shape), \(layout)")
      }
    }
  }

  @Test(arguments: DevicesUnderTest.withDouble) func `float64, to its ends`(device: Device) throws {
    for (mean, deviation, epsilon) in [(1, 2, 1e-5), (1e9, 1, 1e-5), (0, 1e300, 1e-5), (0, 1e-290, 0)] {
      for layout in Layout.allCases {
        let x = try Tensor.randomNormal([2, 3, 500], seed: 1, dtype: .float64).array(of: Double.self)
        let values = x.map { $0 * deviation + mean }
        let input = try Tensor(values, shape: [2, 3, 500]).to(layout)
        let dy = try Tensor.randomNormal([2, 3, 500], seed: 2, dtype: .float64)
        func run(on device: Device) throws -> [[Double]] {
          let norm = try InstanceNorm1D(numOfMaps: 3, epsilon: epsilon)
          try norm.calcMode(.float64)
          try norm.to(device)
          return try [norm(input.to(device)).doubles, norm.backward(dy.to(device)).doubles]
        }
        let (own, expected) = (try run(on: device), try run(on: .cpu))
        let largest = expected[1].map(abs).max() ?? 0
        #expect(zip(own[0], expected[0]).allSatisfy { abs($0 - $1) < 1e-6 * 1e-6 + 1e-15 * mean })
        #expect(zip(own[1], expected[1]).allSatisfy { abs($0 - $1) < (1e-12 + 1e-15 * mean) * largest })
      }
    }
  }

  // MARK: Contained

  @Test(arguments: DevicesUnderTest.all, Layout.allCases) func `what is not finite stays in its plane`(
    device: Device, layout: Layout
  ) throws {
    for spatial in [[25, 25], [70, 100], [1, 3]] {
      let shape = Shape([2, 18] + spatial)
      let size = spatial[0] * spatial[1]
      let clean = try normal(shape, 0, 1)
      let norm = try InstanceNorm2D(numOfMaps: 18)
      try norm.to(device)
      let dy = try normal(shape, 0, 1, seed: 2).to(layout).to(device)
      let expected = try norm(clean.to(layout).to(device)).doubles
      let expectedGrad = try norm.backward(dy).doubles
      for poison in [Double.nan, .infinity, -.infinity] {
        var x = clean
        try x.set(poison, at: 0, 3, spatial[0] - 1, spatial[1] - 1)
        try x.set(poison, at: 1, 17, 0, 0)
        let y = try norm(x.to(layout).to(device)).doubles
        let grad = try norm.backward(dy).doubles
        let poisoned = y.indices.filter { [3, 35].contains($0 / size) }
        #expect(poisoned.allSatisfy { y[$0].isNaN && grad[$0].isNaN })
        let others = y.indices.filter { ![3, 35].contains($0 / size) }
        #expect(others.allSatisfy { y[$0].bitPattern == expected[$0].bitPattern })
        #expect(others.allSatisfy { grad[$0].bitPattern == expectedGrad[$0].bitPattern })
        let scaleGrad = try #require(norm.scale?.grad).doubles
        for map in 0..<18 { #expect(scaleGrad[map].isNaN == (map == 3 || map == 17)) }
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all, Layout.allCases) func `a constant plane gives exactly the bias`(
    device: Device, layout: Layout
  ) throws {
    for (height, width) in [(37, 29), (150, 100), (1, 1)] {
      for value in [0, 1, -0.1, 1234.567, 3e38, 1e-44] {
        for epsilon in [1e-5, 0] {
          let norm = try InstanceNorm2D(numOfMaps: 3, epsilon: epsilon)
          norm.scale?.data = try Tensor([2, -3, 0.1] as [Float])
          norm.bias?.data = try Tensor([0.5, -7, 0] as [Float])
          try norm.to(device)
          let shape: Shape = [2, 3, height, width]
          let y = try norm(Tensor(repeating: value, shape: shape, layout: layout).to(device)).doubles
          let bias = try #require(norm.bias).data.doubles
          let isBias = y.indices.allSatisfy { y[$0] == bias[$0 / (height * width) % 3] }
          #expect(isBias, "\(shape) of \(value)")
          let dx = try norm.backward(normal(shape, 0, 1).to(device)).doubles
          #expect(try #require(norm.scale?.grad).doubles == [0, 0, 0])
          if epsilon == 0 { #expect(dx.allSatisfy { $0 == 0 }) }
          let flat = try norm.backward(Tensor(repeating: 0.3, shape: shape).to(device)).doubles
          #expect(flat.allSatisfy { $0 == 0 })
        }
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all) func `no pictures and no values`(device: Device) throws {
    for shape in [[0, 3, 4, 4], [2, 3, 0, 4]] as [Shape] {
      for layout in Layout.allCases {
        func run(on device: Device) throws -> [[UInt64]] {
          let norm = try InstanceNorm2D(numOfMaps: 3)
          try norm.to(device)
          let y = try norm(Tensor.zeros(shape, layout: layout).to(device))
          let dx = try norm.backward(y)
          return try [bits(y), bits(dx), bits(#require(norm.scale?.grad)), bits(#require(norm.saveInvVar))]
        }
        #expect(try run(on: device) == run(on: .cpu))
      }
    }
  }

  // MARK: Deterministic

  @Test(arguments: DevicesUnderTest.all, Layout.allCases) func `bits do not depend on the run or the batch`(
    device: Device, layout: Layout
  ) throws {
    for (height, width) in [(9, 7), (40, 50), (130, 97)] {
      let x = try normal([5, 6, height, width], 1, 2)
      let dy = try normal([5, 6, height, width], 0, 1, seed: 2)
      func run(_ x: Tensor, _ dy: Tensor) throws -> (y: [UInt64], dx: [UInt64]) {
        let norm = try InstanceNorm2D(numOfMaps: 6, activation: .leakyReLU(slope: 0.2))
        try norm.to(device)
        let y = try bits(norm(x.to(layout).to(device)))
        return (y, try bits(norm.backward(dy.to(layout).to(device))))
      }
      let first = try run(x, dy)
      let again = try run(x, dy)
      #expect(first.y == again.y && first.dx == again.dx)
      let count = 6 * height * width
      func picture(_ tensor: Tensor) throws -> Tensor {
        try Tensor(Array(tensor.array(of: Float.self)[2 * count..<3 * count]), shape: [1, 6, height, width])
      }
      let alone = try run(picture(x), picture(dy))
      #expect(alone.y == Array(first.y[2 * count..<3 * count]))
      #expect(alone.dx == Array(first.dx[2 * count..<3 * count]))
    }
  }

  @Test(arguments: DevicesUnderTest.few) func `a tensor larger than the device's cache goes in parts`(
    device: Device
  ) throws {
    for layout in Layout.allCases {
      try expectLikeCPU([5, 2, 700, 800], layout, on: device) { try InstanceNorm2D(numOfMaps: 2, activation: .relu) }
      try expectLikeCPU([9, 4, 200, 301], layout, on: device) { try GroupNorm2D(groups: 2, numOfMaps: 4) }
    }
  }

  // MARK: What comes with it

  @Test(arguments: DevicesUnderTest.all, ResidualPlace.allCases) func `activation and residual`(
    device: Device, place: ResidualPlace
  ) throws {
    for activation in [Activation.none, .relu, .leakyReLU(slope: 0.2)] {
      for layout in Layout.allCases {
        for (height, width) in [(5, 7), (90, 120)] {
          let shape: Shape = [2, 5, height, width]
          let (x, r, dy) = (try normal(shape, 1, 2), try normal(shape, 0, 1, seed: 2), try normal(shape, 0, 1, seed: 3))
          func run(on device: Device) throws -> [[Double]] {
            let norm = try InstanceNorm2D(numOfMaps: 5, activation: activation, residualPlace: place)
            try norm.to(device)
            let y = try norm(x.to(layout).to(device), residual: r.to(layout).to(device))
            let dx = try norm.backward(dy.to(layout).to(device))
            var data = try x.to(layout).to(device)
            try norm.normalize(inPlace: &data, residual: r.to(device))
            #expect(try bits(data) == bits(y))
            return try [y.doubles, dx.doubles] + norm.grads.dropFirst().map { try #require($0).doubles }
          }
          let (own, expected) = (try run(on: device), try run(on: .cpu))
          for (first, second) in zip(own, expected) {
            #expect(first.count == second.count)
            #expect(zip(first, second).allSatisfy { abs($0 - $1) < 1e-5 })
          }
        }
      }
    }
  }
}

/// A module's results on a device and on the CPU, forward, backward and by its variables.
func expectLikeCPU(
  _ shape: Shape, _ layout: Layout, dtype: DType = .float32, on device: Device, tolerance: Double = 2e-5,
  sourceLocation: SourceLocation = #_sourceLocation, _ make: () throws -> Module
) throws {
  let x = try Tensor.randomNormal(shape, mean: 1, deviation: 2, seed: 1, dtype: dtype).to(layout)
  let dy = try Tensor.randomNormal(shape, seed: 2, dtype: dtype).to(layout)
  func run(on device: Device) throws -> [[Double]] {
    let module = try make()
    try module.calcMode(dtype)
    for (_, variable) in module.variables {
      variable.data = try .randomNormal(variable.data.shape, mean: 0.5, seed: 3, dtype: variable.data.dtype)
    }
    try module.to(device)
    let y = try module(x.to(device)).doubles
    let dx = try module.backward(dy.to(device)).doubles
    let gradients = try module.variables.map { try #require($0.variable.grad).doubles }
    return [y, dx] + gradients
  }
  for (index, (own, expected)) in zip(try run(on: device), try run(on: .cpu)).enumerated() {
    #expect(own.count == expected.count, sourceLocation: sourceLocation)
    let largest = max(1, expected.map(abs).max() ?? 0)
    let worst = worst(zip(own, expected).map { abs($0 - $1) / largest })
    #expect(worst <= tolerance, "result \(index) of \(shape), \(layout)", sourceLocation: sourceLocation)
  }
}

/// As a share of what is allowed: |dx - ref| <= 4e-6 |scale| invStd max|dy| max(1, |xhat|).
private func worstGradient(
  _ dx: [Double], _ reference: Reference, _ dy: [Double], size: Int, scale: [Double]?
) -> Double {
  var worst = 0.0
  for plane in 0..<dx.count / max(size, 1) {
    let range = plane * size..<(plane + 1) * size
    let largest = dy[range].reduce(0) { max($0, abs($1)) }
    let factor = scale.map { abs($0[plane % $0.count]) } ?? 1
    for index in range {
      let allowed = 4e-6 * factor * reference.invStd[plane] * largest + Double(Float.leastNonzeroMagnitude)
      // Where even the true gradient is beyond float32, infinity is right.
      let expected = Double(Float(reference.xGrad[index]))
      let error = dx[index] == expected ? 0 : abs(dx[index] - expected) / allowed
      worst = error.isNaN ? .infinity : max(worst, error)
    }
  }
  return worst
}
