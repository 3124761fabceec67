import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// Normalisations by moments that planes share.
enum SharedNorm {
  static let sharings: [MomentSharing] = [.layer, .group(2), .group(3), .batch]
  static let dtypes = [DType.float32, .float16, .bfloat16]

  /// Pictures of several brightnesses and contrasts, so that shared moments differ from a plane's own.
  private static func value(_ plane: Int, _ index: Int, _ noise: Double) -> Double {
    switch plane % 5 {
    case 0: 0.4 + 2 * noise
    case 1: 3 + noise / 8
    case 2: max(0, noise)
    case 3: -2
    default: 0.003 * noise - 0.1
    }
  }

  static func problem(_ planes: Planes, _ sharing: MomentSharing?, _ form: NormForm = .plain) -> NormProblem {
    var problem = NormProblem(planes, form: form, seed: UInt64(planes.valueCount), value: value)
    problem.sharing = sharing
    if sharing == nil {
      problem.given.mean = (0..<planes.count).map { Double($0 % 7) * 0.3 - 1 }
      problem.given.invStd = (0..<planes.count).map { 1 / (Double($0 % 4) + 0.5) }
    }
    return problem
  }
}

/// Normalisation by moments that planes share, on every instruction set.
@Suite struct SharedNormTests {
  @Test func `the rule says which planes share`() {
    for sharing in SharedNorm.sharings + [.instance] {
      for (images, maps) in [(3, 6), (1, 6), (4, 12), (2, 18)] {
        let sets = PlaneSets(sharing, images: images, maps: maps)
        let numbers = (0..<sets.count).map { set in (0..<sets.width).map { sets[set, $0] } }
        #expect(numbers.sorted { $0[0] < $1[0] } == planeSets(sharing, images: images, maps: maps))
      }
    }
    #expect(PlaneSets(.batch, images: 0, maps: 3).count == 0 && PlaneSets(.layer, images: 2, maps: 0).count == 0)
  }

  @Test(arguments: SharedNorm.sharings, Layout.allCases) func `plain Swift in float64 is what the formulas say`(
    sharing: MomentSharing, layout: Layout
  ) throws {
    for (images, maps, size) in [(3, 6, 37), (2, 18, 5), (1, 6, 1500), (4, 6, 1)] {
      let planes = Planes(dtype: .float64, layout: layout, images: images, maps: maps, size: size)
      let problem = SharedNorm.problem(planes, sharing)
      func rows(_ memory: RawMemory) -> [Double] { (0..<planes.count).flatMap { planes.values(of: $0, in: memory) } }
      let reference = Reference(
        rows(problem.x), maps: maps, planeSize: size, sets: planeSets(sharing, images: images, maps: maps),
        scale: problem.scale.map(Double.init), bias: problem.bias.map(Double.init), grad: rows(problem.dy))
      for threads in [1, 3] {
        let result = try problem.run(CPUBackend(threads: threads, .plain))
        for (got, expected) in [
          (rows(result.y), reference.y), (rows(result.dx), reference.xGrad), (result.mean.values, reference.mean),
          (result.invStd.values, reference.invStd),
        ] {
          let worst = worst(zip(got, expected).map { abs($0 - $1) / max(1, abs($1)) })
          #expect(worst < 1e-12, "\(images) x \(maps) x \(size)")
        }
      }
    }
  }

  @Test(arguments: SharedNorm.sharings.map(Optional.some) + [nil], Layout.allCases)
  func `every instruction set gives what the formulas give in float64`(
    sharing: MomentSharing?, layout: Layout
  ) throws {
    var next = 0
    var extents: [Extent] = [(2, 6, 1023), (1, 18, 2100), (3, 6, 16_411)]
    for size in Thoroughness.sizes(1...90) { extents.append((next % 4 + 1, [6, 12, 18, 30][size % 4], size)) }
    // Few pixels, and sets of whole vectors of maps or not.
    extents += [(11, 96, 4), (3, 48, 8), (2, 96, 1), (2, 96, 9), (300, 48, 5)]
    if Thoroughness.isFull { extents += [(1, 6, 70_001), (9, 66, 300)] }
    for extent in extents {
      // Large ones in one type.
      for dtype in extent.size > 1000 ? [SharedNorm.dtypes[next % 3]] : SharedNorm.dtypes {
        next += 1
        let planes = Planes(dtype, layout, extent)
        let form = NormForm.all[next % 9]
        let problem = SharedNorm.problem(planes, sharing, form)
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

  // MARK: Bits

  @Test(arguments: Engines.all, Layout.allCases)
  func `the bits are those of any number of threads, and of results in place`(engine: Engine, layout: Layout) throws {
    // Sets of more and of fewer values than parts have, that go round on threads and that do not.
    var extents: [Extent] = [(2, 6, 20_009), (5, 6, 4099), (1, 6, 33_001), (7, 30, 200), (3, 18, 7), (300, 96, 4)]
    if Thoroughness.isFull { extents += [(3, 6, 40_003), (64, 6, 2000)] }
    for (number, extent) in extents.enumerated() {
      for sharing in SharedNorm.sharings.map(Optional.some) + [nil] {
        let dtype = SharedNorm.dtypes[number % 3]
        let problem = SharedNorm.problem(Planes(dtype, layout, extent), sharing, NormForm.all[(number * 4 + 8) % 9])
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

  @Test(arguments: SharedNorm.sharings, Layout.allCases)
  func `instruction sets with fused multiply-add have the same bits`(
    sharing: MomentSharing, layout: Layout
  ) throws {
    let fused = Engines.tuned.filter { $0.instructions.hasFMA }
    for (number, size) in (Thoroughness.sizes(1...40) + [1025, 2100, 16_385]).enumerated() {
      let planes = Planes(dtype: SharedNorm.dtypes[number % 3], layout: layout, images: 2, maps: 18, size: size)
      let problem = SharedNorm.problem(planes, sharing, NormForm.all[number % 9])
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
    for dtype in SharedNorm.dtypes + [.float64] where dtype != .float64 || engine.instructions == .plain {
      for size in [1, 5, 300, 17_001] {
        for (images, maps, first, second) in [
          (3, 6, MomentSharing.group(1), MomentSharing.layer), (3, 6, .group(6), .instance), (1, 6, .batch, .instance),
          (3, 1, .layer, .instance), (3, 1, .group(1), .instance),
        ] {
          let planes = Planes(dtype: dtype, layout: layout, images: images, maps: maps, size: size)
          let form = NormForm(activation: .relu, place: .beforeActivation)
          let results = try [first, second].map {
            try SharedNorm.problem(planes, $0, form).run(engine.backend(threads: 2))
          }
          #expect(results[0].differences(from: results[1]).isEmpty, "\(first), \(second), \(planes)")
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases)
  func `nothing is read or written outside the values`(engine: Engine, layout: Layout) throws {
    var next = 0
    for size in Thoroughness.sizes(1...40) {
      for sharing in SharedNorm.sharings.map(Optional.some) + [nil] {
        next += 1
        let planes = Planes(
          dtype: SharedNorm.dtypes[next % 3], layout: layout, images: 2, maps: 6 * (next % 4 + 1), size: size)
        let problem = SharedNorm.problem(planes, sharing, NormForm.all[next % 9])
        let backend = try engine.backend(streams: next % 2 == 0)
        try problem.expectSameAtBothEnds(backend)
      }
    }
  }
}
