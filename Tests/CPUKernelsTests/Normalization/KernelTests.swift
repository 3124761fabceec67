import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// Every kernel on every instruction set of this machine gives what the formulas give in float64.
@Suite struct KernelTests {
  /// Planes of several kinds, by number: ordinary, a mean far from 0, half zeros, a deviation near epsilon's root.
  private func ordinary(_ plane: Int, _ index: Int, _ noise: Double) -> Double {
    switch plane % 4 {
    case 0: 0.4 + 2 * noise
    case 1: 100 + noise
    case 2: max(0, noise)
    default: 0.003 * noise - 0.1
    }
  }

  private func expectExact(
    _ planes: Planes, _ form: NormForm, _ engines: [(Engine, threads: Int)]
  ) throws {
    let problem = NormProblem(planes, form: form, seed: UInt64(planes.valueCount), value: ordinary)
    let oracle = try Oracle(problem)
    for (engine, threads) in engines {
      let result = try problem.run(engine.backend(threads: threads))
      let errors = oracle.errors(of: result)
      if !(errors.worst <= 1) || !result.areFencesIntact {
        Issue.record("\(engine.name), \(threads) threads, \(planes), \(form): \(errors)")
      }
    }
  }

  @Test(arguments: [DType.float32, .float16, .bfloat16], Layout.allCases)
  func `every size from 1 to 300, with every activation and residual, forward and backward`(
    dtype: DType, layout: Layout
  ) throws {
    let engines = Engines.tuned.map { ($0, threads: 1) }
    // Both sides of the vectors' 16 values, and planes that share a picture's rows with one or with many others.
    let maps = [1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17, 19, 20, 31, 32, 33]
    var next = 0
    for size in Thoroughness.sizes(1...300) {
      for form in NormForm.all {
        next += 1
        // As many maps as keep it quick.
        let few = maps[next % maps.count] * size > 1500 ? next % 5 + 1 : maps[next % maps.count]
        let planes = Planes(dtype: dtype, layout: layout, images: next % 5 == 0 ? 2 : 1, maps: few, size: size)
        // Plain Swift in a narrower type, too, now and then.
        try expectExact(planes, form, next % 10 == 0 ? engines + [(Engine(instructions: .plain), threads: 1)] : engines)
      }
    }
  }

  @Test(arguments: [DType.float32, .float16, .bfloat16], Layout.allCases)
  func `large odd sizes, on threads that share planes and pictures`(dtype: DType, layout: Layout) throws {
    var sizes: [Extent] = [
      (2, 3, 1023), (1, 17, 4099), (3, 1, 65_537), (1, 2, 16_384 * 3 + 5),
    ]
    if Thoroughness.isFull { sizes.append((1, 1, 1_000_003)) }
    for (number, size) in sizes.enumerated() {
      let form = NormForm.all[(number * 4 + (dtype == .float32 ? 0 : 3)) % NormForm.all.count]
      let planes = Planes(dtype, layout, size)
      let threads = Thoroughness.isFull ? [1, 3, 4] : [3]
      try expectExact(
        planes, form, Engines.all.flatMap { engine in threads.map { (engine, threads: $0) } })
    }
  }

  @Test(arguments: Engines.tuned) func `float16 and bfloat16 values are read and written without loss`(
    engine: Engine
  ) throws {
    // A constant plane with a bias of 0 is 0, so the result is the residual.
    for dtype in [DType.float16, .bfloat16] {
      let planes = Planes(dtype: dtype, layout: .nchw, images: 1, maps: 1, size: 1 << 16)
      let problem = NormProblem(
        planes, form: NormForm(place: .afterActivation), scale: [1], bias: [0], value: { _, _, _ in 3 })
      let patterns = problem.residual.address.assumingMemoryBound(to: UInt16.self)
      for pattern in 0..<1 << 16 { patterns[pattern] = UInt16(pattern) }
      let y = try problem.run(engine.backend()).y
      let raw = y.address.assumingMemoryBound(to: UInt16.self)
      let values = zip(y.values, problem.residual.values).enumerated()
      let lost = values.count { index, pair in
        pair.1.isNaN ? !pair.0.isNaN : pair.1 == 0 ? pair.0 != 0 : raw[index] != UInt16(index)
      }
      #expect(lost == 0, "\(dtype)")
    }
  }

  @Test(arguments: Engines.tuned) func `results are rounded to float16 and bfloat16 once, ties to even`(
    engine: Engine
  ) throws {
    // A constant plane is exactly the bias, and that is any float32. Every exponent, and fractions around ties.
    var biases: [Float] = []
    let fractions: [UInt32] = [
      0, 1, 0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0x18000, 0x7FFFFF,
    ]
    for exponent in UInt32(0)...254 {
      for fraction in fractions {
        biases.append(Float(bitPattern: exponent << 23 | fraction))
        biases.append(-Float(bitPattern: exponent << 23 | (0x7FFFFF ^ fraction)))
      }
    }
    // Near the largest float16, where infinity begins, and among its subnormals.
    for step in 0..<200 { biases += [65504 + Float(step) / 4, Float(step) * 0x1p-26, -Float(step) * 0x1p-27] }
    for dtype in [DType.float16, .bfloat16] {
      let planes = Planes(dtype: dtype, layout: .nhwc, images: 1, maps: biases.count, size: 2)
      let problem = NormProblem(
        planes, scale: Array(repeating: 1, count: biases.count), bias: biases, value: { _, _, _ in 1 })
      let y = try problem.run(engine.backend()).y.values
      let wrong = biases.indices.filter { map in
        let bias = Double(biases[map])
        let expected = dtype == .float16 ? Float16(bias).double : BFloat16(bias).double
        return y[map].bitPattern != expected.bitPattern && !(expected == 0 && y[map] == 0)
      }
      #expect(wrong.isEmpty, "\(dtype): \(wrong.prefix(3).map { biases[$0] })")
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `the activation's slope at 0 is that below`(
    engine: Engine, layout: Layout
  ) throws {
    let planes = Planes(dtype: .float32, layout: layout, images: 1, maps: 3, size: 37)
    for (form, slope) in [(NormForm(activation: .relu), 0.0), (NormForm(activation: .leakyReLU(slope: 0.25)), 0.25)] {
      let problem = NormProblem(planes, form: form, scale: [1, 1, 1], bias: [0, 0, 0], value: { _, _, _ in 5 })
      let result = try problem.run(engine.backend())
      #expect(result.dn.values == problem.dy.values.map { $0 * slope })
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `a NaN in the residual stays, before an activation and after`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in [DType.float32, .float16, .bfloat16, .float64] {
      for form in NormForm.all where form.place != nil {
        let planes = Planes(dtype: dtype, layout: layout, images: 1, maps: 3, size: 37)
        let problem = NormProblem(planes, form: form) { $2 }
        let clean = try problem.run(engine.backend()).y.values
        // In a whole vector, in the next one and in what is left over.
        let places = [0, 16, 36].map { planes.position(1, $0) }
        var residual = problem.residual.values
        for place in places { residual[place] = .nan }
        problem.residual.set(residual)
        let y = try problem.run(engine.backend()).y.values
        let wrong = y.indices.filter { places.contains($0) ? !y[$0].isNaN : y[$0] != clean[$0] }
        #expect(wrong.isEmpty, "\(dtype), \(form)")
      }
    }
  }
}
