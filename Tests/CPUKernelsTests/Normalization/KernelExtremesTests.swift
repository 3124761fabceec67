import CPUKernels
import Calls
import Foundation
import Tensors
import TestSupport
import Testing

/// The exact contract on planes that are hard in float32, on every instruction set, against a reference that shares no
/// code with the library.
@Suite struct KernelExtremesTests {
  /// A kind of plane.
  private struct Hard: Sendable {
    var name: String
    /// The value at an index of a plane of some size, given noise of mean 0 and deviation 1.
    var value: @Sendable (_ index: Int, _ size: Int, _ noise: Double) -> Double

    init(_ name: String, _ value: @escaping @Sendable (Int, Int, Double) -> Double) {
      self.name = name
      self.value = value
    }
  }

  private static let largest = Double(Float.greatestFiniteMagnitude)
  private static let tiny = Double(Float.leastNonzeroMagnitude)

  private static let hard: [Hard] =
    [
      Hard("the largest, alternating") { index, _, _ in index % 2 == 0 ? largest : -largest },
      Hard("the largest but one") { index, size, _ in index == size / 3 ? 0 : largest },
      Hard("subnormal steps") { index, _, _ in Double(index % 37) * tiny },
      Hard("one subnormal") { index, size, _ in index == size - 1 ? tiny : 0 },
      Hard("mean 1e6") { _, _, noise in 1e6 + noise },
      Hard("mean -1e6, deviation 10") { _, _, noise in -1e6 + 10 * noise },
      Hard("mean 2^24, whole numbers") { index, _, _ in 0x1p24 + Double(index % 5) * 2 },
      Hard("first 1e12") { index, _, noise in index == 0 ? 1e12 : noise },
      Hard("first -3e30") { index, _, noise in index == 0 ? -3e30 : noise },
      Hard("last 1e12") { index, size, noise in index == size - 1 ? 1e12 : noise },
      Hard("samples 1e4") { index, size, noise in index % max(1, size / 8) == 0 ? 1e4 : noise },
      Hard("first half far from the samples") { index, size, noise in index < size / 8 * 3 ? 0 : 30 + noise },
      Hard("alternating") { index, _, _ in index % 2 == 0 ? -1 : 1 },
      Hard("alternating with a mean") { index, _, _ in index % 2 == 0 ? 16_777_215 : 16_777_213 },
      Hard("equal but one") { index, size, _ in index == size / 2 ? 0.1 + 0x1p-27 : 0.1 },
      Hard("equal but one, by much") { index, size, _ in index == size / 2 ? 1e9 : 0.1 },
      Hard("a ramp") { index, _, _ in Double(index) * 0.37 - 5 },
      Hard("after ReLU") { _, _, noise in max(0, noise) },
      Hard("blocks of 1000 and -1000") { index, _, noise in (index / 1024 % 2 == 0 ? 1000 : -1000) + noise },
      Hard("short blocks of 1000 and -1000") { index, _, noise in (index / 64 % 2 == 0 ? 1000 : -1000) + noise },
      Hard("a grid") { index, _, _ in 1 + Double(index * 7919 % 61) * 0x1p-23 },
    ]
    + [1e-38, 1e-25, 3e-22, 1e-21, 1e-20, 3e-16, 1e-15, 3e-15, 1e-8, 1e8, 3e14, 1e15, 3e15, 1e19, 1e20, 1e25, 5e37].map
  { deviation in
    Hard("deviation \(deviation)") { _, _, noise in deviation * noise }
  }

  private func part(_ value: Double, _ expected: Double, _ allowed: Double) -> Double {
    // What is beyond float32 is infinite.
    if value == Double(Float(expected)) { return 0 }
    let difference = abs(value - expected)
    return difference.isNaN || difference == .infinity ? 1e9 : difference / allowed
  }

  /// Runs a plane between ordinary ones, whose bits must not change, and holds it to the contract.
  private func expectExact(
    _ name: String, _ values: [Double], dy: [Double], epsilon: Double = 1e-5, scale: Float = 1.25, bias: Float = -0.5,
    alsoInPlace: Bool = false
  ) throws {
    let size = values.count
    let values = values.map { Double(Float($0)) }
    let dy = dy.map { Double(Float($0)) }
    let reference = Reference(
      values, maps: 1, planeSize: size, scale: [Double(scale)], bias: [Double(bias)], epsilon: epsilon, grad: dy)
    let largest = dy.map(abs).max() ?? 0
    for (layout, maps) in [(Layout.nchw, 2), (.nhwc, 3), (.nhwc, 18)] where size * maps < 200_000 {
      let ours = maps / 2
      let planes = Planes(dtype: .float32, layout: layout, images: 1, maps: maps, size: size)
      var scales = (0..<maps).map { Float($0) / 4 + 0.5 }
      var biases = scales.map { 1 - $0 }
      scales[ours] = scale
      biases[ours] = bias
      let problem = NormProblem(planes, epsilon: epsilon, scale: scales, bias: biases, seed: 3) { plane, index, noise in
        plane == ours ? values[index] : noise
      }
      var gradient = problem.dy.values
      for index in 0..<size { gradient[planes.position(ours, index)] = dy[index] }
      problem.dy.set(gradient)

      for engine in Engines.all {
        let result = try problem.run(engine.backend())
        let (y, dx) = (result.y.values, result.dx.values)
        var (worstY, worstGradient) = (0.0, 0.0)
        for index in 0..<size {
          let at = planes.position(ours, index)
          let xhat = scale == 0 ? 0 : (reference.y[index] - Double(bias)) / Double(scale)
          // The smallest float32 steps are larger than what is allowed of the smallest scales.
          let allowed = 1e-6 * (abs(Double(scale)) * max(1, abs(xhat)) + abs(Double(bias))) + Self.tiny / 2
          worstY = max(worstY, part(y[at], reference.y[index], allowed))
          let allowedGradient = 4e-6 * abs(Double(scale)) * reference.invStd[0] * largest + Self.tiny
          worstGradient = max(worstGradient, part(dx[at], reference.xGrad[index], allowedGradient))
        }
        if !(worstY <= 1 && worstGradient <= 1) {
          let errors = "y \(worstY), dx \(worstGradient) of what is allowed"
          Issue.record("\(name), epsilon \(epsilon), \(engine.name), \(planes): \(errors)")
        }
        if alsoInPlace {
          for inPlace in [NormProblem.InPlace.gradient, .input] {
            let differences = try problem.run(engine.backend(), inPlace: inPlace).differences(from: result)
            if !differences.isEmpty { Issue.record("\(name), \(engine.name), in place of \(inPlace): \(differences)") }
          }
        }
      }
    }
  }

  private func noise(_ count: Int, seed: UInt64, times factor: Double = 1) -> [Double] {
    var noise = Noise(seed: seed)
    return (0..<count).map { _ in noise.next() * factor }
  }

  @Test func `hard planes, between ordinary ones`() throws {
    for size in Thoroughness.isFull ? [2, 3, 4, 17, 64, 1000, 4099] : [2, 64, 300] {
      for hard in Self.hard {
        let values = noise(size, seed: 21).enumerated().map { hard.value($0, size, $1) }
        for epsilon in size > 1000 ? [1e-5] : [1e-5, 0, 1e-80] {
          try expectExact(
            hard.name, values, dy: noise(size, seed: 22), epsilon: epsilon, alsoInPlace: epsilon == 0 && size == 64)
        }
      }
    }
  }

  @Test func `scales and biases of any size`() throws {
    let values = noise(300, seed: 31).map { 3 + 2 * $0 }
    let tiny = Float.leastNonzeroMagnitude
    let scales: [Float] = [0, 1e30, 3e38, -1e30, 1e-15, 1e-35, 1000 * tiny, tiny, 1e14, 1e16]
    for scale in scales {
      for bias in [0, 1, 1e30, -3e38, 1e-35, 1000 * tiny] as [Float] {
        try expectExact(
          "scale \(scale), bias \(bias)", values, dy: noise(300, seed: 32), scale: scale, bias: bias,
          alsoInPlace: bias == 1)
      }
    }
  }

  @Test func `gradients of any size`() throws {
    let factors = [0, 1e-45, 3e-42, 1e-40, 1e-30, 1e-20, 1e-16, 1e-15, 1e-14, 1e10, 1e14, 1e15, 1e16, 1e25, 3e37]
    for (number, factor) in factors.enumerated() {
      for (scale, deviation) in [(1, 1), (1e20, 1e6), (1e-20, 1e-6), (1e10, 1e-10)] as [(Float, Double)] {
        let values = noise(257, seed: 41).map { deviation * (1 + $0) }
        try expectExact(
          "dy times \(factor), scale \(scale), deviation \(deviation)", values,
          dy: noise(257, seed: 42, times: factor), epsilon: 0, scale: scale, alsoInPlace: number % 4 == 1)
        // One huge among small ones.
        var dy = noise(257, seed: 43)
        dy[100] *= max(factor, 1e-10)
        try expectExact(
          "one dy times \(factor), scale \(scale), deviation \(deviation)", values, dy: dy, epsilon: 0, scale: scale)
      }
    }
    // One value alone, which no part of a loop may miss: how large it is decides the way that is taken.
    for index in Thoroughness.isFull ? Array(0..<83) : [0, 20, 82] {
      for factor in [1e-42, 1e25] {
        var dy = Array(repeating: 0.0, count: 83)
        dy[index] = factor
        try expectExact("dy \(factor) at \(index)", noise(83, seed: 45), dy: dy, scale: 1e6)
      }
    }
    // Gradients that go with the values, so that the second sum is as large as it can be.
    for size in [17, 1000, 10_000] {
      let values = noise(size, seed: 44)
      let signs = values.map { $0 < 0 ? -1.79119396 : 1.79119396 }
      try expectExact("dy with x", values, dy: values.map { $0 < 0 ? -1.7891 : 1.7891 })
      try expectExact("dy constant", values, dy: values.map { _ in 1.79119396 })
      try expectExact("dy and x two values", signs, dy: signs.map { $0 * 0.998 })
    }
  }

  /// Values that are rounded the same way at every step of a float32 sum, found by trying all fractions.
  @Test func `values whose float32 sums round the same way`() throws {
    let size = Thoroughness.isFull ? 40_960 : 4096
    for value in [1.79119396, 1.00069094] {
      // This share of the values is 0, and so are all that are looked at beforehand: the mean is 2 to 3/4 deviations
      // away.
      for share in [0.205, 0.25, 0.5, 0.645] {
        for isSwapped in [false, true] {
          let values = (0..<size).map { index -> Double in
            let inEighth = Double(index % (size / 8)) / Double(size / 8)
            return (inEighth < share) != isSwapped ? 0 : value
          }
          let dy = values.map { $0 == 0 ? -1.79119396 : 1.79119396 }
          try expectExact("value \(value), share \(share), \(isSwapped)", values, dy: dy)
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `a constant plane is exactly the bias`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in [DType.float32, .float16, .bfloat16] {
      for size in [1, 2, 3, 15, 16, 17, 100, 1025] {
        for value in [0, 1, -0.1, 1234.567, 65504, 6e-8, 3.3e38, 1e-45] where dtype != .float16 || abs(value) < 65505 {
          for epsilon in [1e-5, 0, 1e-80] {
            let problem = NormProblem(
              Planes(dtype: dtype, layout: layout, images: 1, maps: 3, size: size), epsilon: epsilon,
              scale: [2, -3, 1e3], bias: [0.5, -7, 0], value: { _, _, _ in value })
            let result = try problem.run(engine.backend())
            for plane in 0..<3 {
              let bias = Double(problem.bias[plane])
              let isRight = problem.planes.values(of: plane, in: result.y).allSatisfy { $0 == bias }
              if !isRight { Issue.record("\(dtype), \(size) times \(value), epsilon \(epsilon)") }
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `NaN and infinity stay in their plane, or in their map`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in [DType.float32, .float16, .bfloat16] {
      for (maps, size) in [(5, 37), (18, 70), (3, 17_000)] {
        let planes = Planes(dtype: dtype, layout: layout, images: 2, maps: maps, size: size)
        func made() -> NormProblem { NormProblem(planes, seed: 51) { _, _, noise in 1 + noise } }
        let clean = try made().run(engine.backend())
        let ours = maps + 1
        for poison in [Double.nan, .infinity, -.infinity] {
          for index in [0, size - 1] {
            func poisoned(_ memory: RawMemory) {
              var values = memory.values
              values[planes.position(ours, index)] = poison
              memory.set(values)
            }
            let inX = made()
            poisoned(inX.x)
            var result = try inX.run(engine.backend(threads: 2))
            expectContained(result, clean, planes, ours: { $0 == ours }, "\(poison) in x")
            let (y, dx) = (planes.values(of: ours, in: result.y), planes.values(of: ours, in: result.dx))
            #expect(y.allSatisfy(\.isNaN) && dx.allSatisfy(\.isNaN))

            let inGradient = made()
            poisoned(inGradient.dy)
            result = try inGradient.run(engine.backend(threads: 2))
            expectContained(result, clean, planes, ours: { $0 == ours }, "\(poison) in dy")
            let gradient = planes.values(of: ours, in: result.dx)
            #expect(gradient.allSatisfy { !$0.isFinite })
          }
          for isScale in [true, false] {
            var problem = made()
            if isScale { problem.scale[1] = Float(poison) } else { problem.bias[1] = Float(poison) }
            let result = try problem.run(engine.backend())
            expectContained(result, clean, planes, ours: { $0 % maps == 1 }, "\(poison) as parameter")
            let y = planes.values(of: 1, in: result.y)
            #expect(y.allSatisfy { !$0.isFinite })
          }
        }
      }
    }
  }

  private func expectContained(
    _ result: NormProblem.Result, _ clean: NormProblem.Result, _ planes: Planes, ours: (Int) -> Bool, _ name: String
  ) {
    for (now, before) in [(result.y, clean.y), (result.dx, clean.dx)] {
      let others = (0..<planes.count).filter { !ours($0) }
      let isSame = others.allSatisfy {
        planes.values(of: $0, in: now).map(\.bitPattern) == planes.values(of: $0, in: before).map(\.bitPattern)
      }
      if !isSame { Issue.record("\(name), \(planes)") }
    }
  }
}
