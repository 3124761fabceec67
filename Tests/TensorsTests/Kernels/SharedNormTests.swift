import Tensors
import TestSupport
import Testing

/// Normalisation by moments that planes share, on every instruction set.
@Suite struct SharedNormTests {
  static let sharings: [MomentSharing] = [.layer, .group(2), .group(3), .batch]
  private static let dtypes = [DType.float32, .float16, .bfloat16]

  /// Pictures of several brightnesses and contrasts, so that shared moments differ from a plane's own.
  private func value(_ plane: Int, _ index: Int, _ noise: Double) -> Double {
    switch plane % 5 {
    case 0: 0.4 + 2 * noise
    case 1: 3 + noise / 8
    case 2: max(0, noise)
    case 3: -2
    default: 0.003 * noise - 0.1
    }
  }

  private func problem(_ planes: Planes, _ sharing: MomentSharing?, _ form: NormForm = .plain) -> NormProblem {
    var problem = NormProblem(planes, form: form, seed: UInt64(planes.valueCount), value: value)
    problem.sharing = sharing
    if sharing == nil {
      problem.given.mean = (0..<planes.count).map { Double($0 % 7) * 0.3 - 1 }
      problem.given.invStd = (0..<planes.count).map { 1 / (Double($0 % 4) + 0.5) }
    }
    return problem
  }

  // MARK: What they are

  @Test func `the rule says which planes share`() {
    for sharing in Self.sharings + [.instance] {
      for (images, maps) in [(3, 6), (1, 6), (4, 12), (2, 18)] {
        let sets = PlaneSets(sharing, images: images, maps: maps)
        let numbers = (0..<sets.count).map { set in (0..<sets.width).map { sets[set, $0] } }
        #expect(numbers.sorted { $0[0] < $1[0] } == planeSets(sharing, images: images, maps: maps))
      }
    }
    #expect(PlaneSets(.batch, images: 0, maps: 3).count == 0 && PlaneSets(.layer, images: 2, maps: 0).count == 0)
  }

  @Test(arguments: sharings, Layout.allCases) func `plain Swift in float64 is what the formulas say`(
    sharing: MomentSharing, layout: Layout
  ) throws {
    for (images, maps, size) in [(3, 6, 37), (2, 18, 5), (1, 6, 1500), (4, 6, 1)] {
      let planes = Planes(dtype: .float64, layout: layout, images: images, maps: maps, size: size)
      let problem = problem(planes, sharing)
      func rows(_ memory: RawMemory) -> [Double] { (0..<planes.count).flatMap { planes.values(of: $0, in: memory) } }
      let reference = Reference(
        rows(problem.x), maps: maps, planeSize: size, sets: planeSets(sharing, images: images, maps: maps),
        scale: problem.scale.map(Double.init), bias: problem.bias.map(Double.init), grad: rows(problem.dy))
      for threads in [1, 3] {
        let result = try problem.run(CPUBackend(threads: threads, kernels: nil))
        for (got, expected) in [
          (rows(result.y), reference.y), (rows(result.dx), reference.xGrad), (result.mean.values, reference.mean),
          (result.invStd.values, reference.invStd),
        ] {
          let worst = zip(got, expected).map { abs($0 - $1) / max(1, abs($1)) }.max() ?? 1
          #expect(worst < 1e-12, "\(images) x \(maps) x \(size)")
        }
      }
    }
  }

  @Test(arguments: sharings.map(Optional.some) + [nil], Layout.allCases)
  func `every instruction set gives what plain Swift gives in float64`(
    sharing: MomentSharing?, layout: Layout
  ) throws {
    var next = 0
    var extents: [Extent] = [(2, 6, 1023), (1, 18, 2100), (3, 6, 16_411)]
    for size in Thoroughness.sizes(1...90) { extents.append((next % 4 + 1, [6, 12, 18, 30][size % 4], size)) }
    if Thoroughness.isFull { extents += [(1, 6, 70_001), (9, 66, 300)] }
    for extent in extents {
      // Large ones in one type.
      for dtype in extent.size > 1000 ? [Self.dtypes[next % 3]] : Self.dtypes {
        next += 1
        let planes = Planes(dtype, layout, extent)
        let form = NormForm.all[next % 9]
        let problem = problem(planes, sharing, form)
        let oracle = try Oracle(problem)
        for engine in Engines.all {
          for threads in extent.size > 1000 ? [1, 3] : [1 + next % 2 * 3] {
            let result = try problem.run(engine.backend(threads: threads))
            let errors = oracle.errors(of: result)
            if !(errors.worst <= 1) || !result.areFencesIntact {
              Issue.record("\(engine.name), \(threads) threads, \(planes), \(form): \(errors)")
            }
          }
        }
      }
    }
  }

  // MARK: Extremes

  @Test(arguments: Engines.all, Layout.allCases) func `sets of planes that are hard in float32`(
    engine: Engine, layout: Layout
  ) throws {
    let kinds: [(String, (Int, Int, Double) -> Double)] = [
      ("mean 1e6", { _, _, noise in 1e6 + noise }),
      ("means far apart", { plane, _, noise in Double(plane) * 1e5 + noise }),
      ("one plane of 1e30", { plane, _, noise in plane == 4 ? 1e30 * noise : noise }),
      ("the largest", { _, index, _ in index % 2 == 0 ? 3.4e38 : -3.4e38 }),
      ("deviation 1e-25", { _, _, noise in 1e-25 * noise }),
      ("subnormal steps", { plane, index, _ in Double(index * (plane + 1) % 37) * 0x1p-149 }),
      ("constant", { _, _, _ in 0.1 }),
      ("constant planes", { plane, _, _ in Double(plane % 3) * 1e4 }),
    ]
    for (name, value) in kinds {
      for sharing in Self.sharings {
        for epsilon in [1e-5, 0] {
          let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: 6, size: 67)
          var problem = NormProblem(planes, epsilon: epsilon, seed: 5, value: value)
          problem.sharing = sharing
          problem.scale[2] = 0
          func rows(_ memory: RawMemory) -> [Double] { (0..<12).flatMap { planes.values(of: $0, in: memory) } }
          let (x, dy) = (rows(problem.x), rows(problem.dy))
          let (scale, bias) = (problem.scale.map(Double.init), problem.bias.map(Double.init))
          let sets = planeSets(sharing, images: 2, maps: 6)
          let reference = Reference(
            x, maps: 6, planeSize: 67, sets: sets, scale: scale, bias: bias, epsilon: epsilon, grad: dy)
          let result = try problem.run(engine.backend())
          let (y, dx) = (rows(result.y), rows(result.dx))
          for set in sets {
            let largest =
              set.flatMap { plane in (0..<67).map { abs(dy[plane * 67 + $0] * scale[plane % 6]) } }.max() ?? 0
            for plane in set {
              let (a, b) = (scale[plane % 6], bias[plane % 6])
              for at in plane * 67..<(plane + 1) * 67 {
                let xhat = (x[at] - reference.mean[plane]) * reference.invStd[plane]
                let allowed = 1e-6 * (abs(a) * max(1, abs(xhat)) + abs(b))
                let allowedGradient = 4e-6 * reference.invStd[plane] * largest * max(1, abs(xhat)) + 0x1p-148
                let isRight =
                  abs(y[at] - reference.y[at]) <= allowed
                  && (abs(dx[at] - reference.xGrad[at]) <= allowedGradient
                    || dx[at] == Double(Float(reference.xGrad[at])))
                if !isRight {
                  Issue.record(
                    """
                    \(name), \(sharing), epsilon \(epsilon), plane \(plane): y \(y[at]), not \(reference.y[at]); \
                    dx \(dx[at]), not \(reference.xGrad[at])
                    """)
                  return
                }
              }
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `gradients of any size`(
    engine: Engine, layout: Layout
  ) throws {
    for (factor, deviation, scale) in [
      (3e38, 1, 1), (1e38, 1e10, 1e-5), (1e30, 1, 1), (1e-20, 1, 1), (1e-38, 1e-6, 1), (1, 1e-10, 1e25),
      (1, 1e12, 1e-25),
      (1, 1, 1e30), (1e16, 1, 1), (1e-44, 1, 1e20),
    ] as [(Double, Double, Float)] {
      for sharing in Self.sharings {
        let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: 6, size: 70)
        let scales = (0..<6).map { $0 == 3 ? 0 : scale * Float($0 - 2) }
        var problem = NormProblem(planes, epsilon: 0, scale: scales, seed: 6) { plane, _, noise in
          deviation * (noise + Double(plane % 3))
        }
        problem.sharing = sharing
        let largest = problem.dy.values.map(abs).max() ?? 1
        problem.dy.set(problem.dy.values.map { $0 / largest * factor })
        func rows(_ memory: RawMemory) -> [Double] { (0..<12).flatMap { planes.values(of: $0, in: memory) } }
        let (x, dy) = (rows(problem.x), rows(problem.dy))
        let sets = planeSets(sharing, images: 2, maps: 6)
        let reference = Reference(
          x, maps: 6, planeSize: 70, sets: sets, scale: scales.map(Double.init), epsilon: 0, grad: dy)
        let dx = try rows(problem.run(engine.backend()).dx)
        for set in sets {
          let places = set.flatMap { $0 * 70..<($0 + 1) * 70 }
          let most = places.map { abs(dy[$0] * Double(scales[$0 / 70 % 6])) }.max() ?? 0
          for at in places {
            let xhat = (x[at] - reference.mean[at / 70]) * reference.invStd[at / 70]
            let allowed = 4e-6 * reference.invStd[at / 70] * most * max(1, abs(xhat)) + 0x1p-148
            let isRight = abs(dx[at] - reference.xGrad[at]) <= allowed || dx[at] == Double(Float(reference.xGrad[at]))
            if !isRight {
              Issue.record(
                "\(sharing), dy \(factor), deviation \(deviation), scale \(scale): \(dx[at]), not \(reference.xGrad[at])"
              )
              return
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `NaN and infinity stay among the planes that share`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in Self.dtypes {
      for sharing in Self.sharings {
        let planes = Planes(dtype: dtype, layout: layout, images: 2, maps: 6, size: 70)
        func rows(_ memory: RawMemory, _ plane: Int) -> [UInt64] {
          planes.values(of: plane, in: memory).map(\.bitPattern)
        }
        let clean = try problem(planes, sharing).run(engine.backend())
        for poison in [Double.nan, .infinity] {
          for isGradient in [false, true] {
            let poisoned = problem(planes, sharing)
            let memory = isGradient ? poisoned.dy : poisoned.x
            var values = memory.values
            values[planes.position(7, 33)] = poison
            memory.set(values)
            let result = try poisoned.run(engine.backend())
            for set in planeSets(sharing, images: 2, maps: 6) {
              for plane in set {
                let (y, dx) = (planes.values(of: plane, in: result.y), planes.values(of: plane, in: result.dx))
                if set.contains(7) {
                  #expect(isGradient || y.allSatisfy(\.isNaN))
                  #expect(dx.allSatisfy { !$0.isFinite })
                } else {
                  #expect(rows(result.y, plane) == rows(clean.y, plane))
                  #expect(rows(result.dx, plane) == rows(clean.dx, plane))
                }
              }
            }
          }
        }
      }
    }
  }

  // MARK: Bits

  @Test(arguments: Engines.all, Layout.allCases)
  func `the bits are those of any number of threads, and of results in place`(engine: Engine, layout: Layout) throws {
    // Sets of more and of fewer values than parts have, that go round on threads and that do not.
    var extents: [Extent] = [(2, 6, 20_009), (5, 6, 4099), (1, 6, 33_001), (7, 30, 200), (3, 18, 7)]
    if Thoroughness.isFull { extents += [(3, 6, 40_003), (64, 6, 2000)] }
    for (number, extent) in extents.enumerated() {
      for sharing in Self.sharings.map(Optional.some) + [nil] {
        let dtype = Self.dtypes[number % 3]
        let problem = problem(Planes(dtype, layout, extent), sharing, NormForm.all[(number * 4 + 8) % 9])
        let expected = try problem.run(engine.backend())
        for threads in [2, 3, 7] {
          let differences = try problem.run(engine.backend(threads: threads)).differences(from: expected)
          if !differences.isEmpty {
            Issue.record("\(threads) threads, \(problem.planes), \(sharing as Any): \(differences)")
          }
        }
        for inPlace in [NormProblem.InPlace.gradient, .input] {
          let result = try problem.run(engine.backend(threads: 2), at: .offset(3), inPlace: inPlace)
          let differences = result.differences(from: expected)
          if !differences.isEmpty || !result.areFencesIntact {
            Issue.record("\(problem.planes), \(sharing as Any), in place of \(inPlace): \(differences)")
          }
        }
      }
    }
  }

  @Test(arguments: sharings, Layout.allCases) func `instruction sets with fused multiply-add have the same bits`(
    sharing: MomentSharing, layout: Layout
  ) throws {
    let fused = Engines.tuned.filter { $0.kernels?.hasFMA == true }
    for (number, size) in (Thoroughness.sizes(1...40) + [1025, 2100, 16_385]).enumerated() {
      let planes = Planes(dtype: Self.dtypes[number % 3], layout: layout, images: 2, maps: 18, size: size)
      let problem = problem(planes, sharing, NormForm.all[number % 9])
      guard let expected = try fused.first.map({ try problem.run($0.backend()) }) else { return }
      for engine in fused.dropFirst() {
        let differences = try problem.run(engine.backend()).differences(from: expected)
        if !differences.isEmpty { Issue.record("\(engine.name), \(planes): \(differences)") }
      }
    }
  }

  /// Where the sums are the same, the bits are.
  @Test(arguments: Engines.all, Layout.allCases) func `types that come to the same have the same bits`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in Self.dtypes + [.float64] where dtype != .float64 || engine.kernels == nil {
      for size in [1, 5, 300, 17_001] {
        for (images, maps, first, second) in [
          (3, 6, MomentSharing.group(1), MomentSharing.layer), (3, 6, .group(6), .instance), (1, 6, .batch, .instance),
          (3, 1, .layer, .instance), (3, 1, .group(1), .instance),
        ] {
          let planes = Planes(dtype: dtype, layout: layout, images: images, maps: maps, size: size)
          let form = NormForm(activation: .relu, place: .beforeActivation)
          let results = try [first, second].map { try problem(planes, $0, form).run(engine.backend(threads: 2)) }
          #expect(results[0].differences(from: results[1]).isEmpty, "\(first), \(second), \(planes)")
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases)
  func `nothing is read or written outside the values`(engine: Engine, layout: Layout) throws {
    var next = 0
    for size in Thoroughness.sizes(1...40) {
      for sharing in Self.sharings.map(Optional.some) + [nil] {
        next += 1
        let planes = Planes(
          dtype: Self.dtypes[next % 3], layout: layout, images: 2, maps: 6 * (next % 4 + 1), size: size)
        let problem = problem(planes, sharing, NormForm.all[next % 9])
        let backend = try engine.backend(streams: next % 2 == 0)
        var previous: NormProblem.Result?
        for place in [RawMemory.Place.end, .start] {
          let result = try problem.inputs(at: place).run(backend, at: place)
          if !result.areFencesIntact { Issue.record("\(planes), \(place)") }
          if let previous, !result.differences(from: previous).isEmpty { Issue.record("\(planes)") }
          previous = result
        }
      }
    }
  }
}
