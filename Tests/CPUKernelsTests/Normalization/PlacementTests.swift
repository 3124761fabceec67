import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// Where values lie in memory changes nothing: not the bits, and not what lies around them.
@Suite struct PlacementTests {
  private func problem(_ planes: Planes, _ form: NormForm) -> NormProblem {
    NormProblem(planes, form: form, seed: 5) { plane, _, noise in Double(plane % 3) + noise }
  }

  private static let dtypes = [DType.float32, .float16, .bfloat16]

  /// Heads, whole vectors and tails of several lengths.
  private static let extents: [Extent] = [(2, 3, 53), (1, 19, 23), (1, 16, 8), (1, 1, 2)]

  @Test(arguments: Engines.all, Layout.allCases) func `values may begin anywhere, each tensor's somewhere else`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in Self.dtypes {
      for (number, extent) in Self.extents.enumerated() {
        let planes = Planes(dtype, layout, extent)
        for streams in [false, true] {
          let backend = try engine.backend(streams: streams)
          let problem = problem(planes, NormForm.all[(number * 4 + 8) % 9])
          let expected = try problem.run(engine.backend())
          for offset in Thoroughness.isFull ? Array(0...16) : [1, 7, 16] {
            for (input, output) in [(offset, 0), (0, offset), (offset, offset), (offset, 16 - offset)] {
              var moved = problem.inputs(at: .offset(input))
              moved.residual = RawMemory(copyOf: problem.residual, at: .offset(offset * 5 % 17))
              moved.dy = RawMemory(copyOf: problem.dy, at: .offset(offset * 3 % 17))
              let result = try moved.run(backend, at: .offset(output))
              let differences = result.differences(from: expected)
              if !differences.isEmpty || !result.areFencesIntact {
                Issue.record("\(planes), streams \(streams), x at \(input), y at \(output): \(differences)")
              }
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `results may take the place of what they are made of`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in Self.dtypes {
      for extent in Self.extents + [(1, 5, 1500), (2, 33, 129)] {
        let planes = Planes(dtype, layout, extent)
        for form in NormForm.all {
          let problem = problem(planes, form)
          let expected = try problem.run(engine.backend())
          for streams in [false, true] {
            for inPlace in [NormProblem.InPlace.gradient, .input] {
              let result = try problem.run(engine.backend(streams: streams), at: .offset(3), inPlace: inPlace)
              let differences = result.differences(from: expected)
              if !differences.isEmpty || !result.areFencesIntact {
                Issue.record("\(planes), \(form), in place of \(inPlace): \(differences)")
              }
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.tuned, Layout.allCases) func `outputs that go past the caches have the same bits`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in Self.dtypes {
      // Planes that begin at every offset from a vector's start, of less and more than a vector, on threads that share
      // them; and one output that is large enough of itself.
      var extents: [Extent] = [(1, 33, 9), (3, 7, 31), (2, 5, 1029), (1, 3, 33_001)]
      let large = (CacheSizes.streamed / dtype.byteCount + 2) / 3
      if dtype == .bfloat16, engine.name == Engines.tuned[0].name, Thoroughness.isFull { extents.append((1, 3, large)) }
      for (number, extent) in extents.enumerated() {
        let planes = Planes(dtype, layout, extent)
        for form in number < 3 ? NormForm.all : [.plain] {
          let problem = problem(planes, form)
          let expected = try problem.run(CPUBackend(threads: 1, engine.instructions, streamed: .max))
          for offset in [0, 1, 7] {
            let isLarge = extent.size == large
            let backend = try isLarge ? engine.backend(threads: 2) : engine.backend(threads: 2, streams: true)
            let result = try problem.run(backend, at: .offset(offset))
            let differences = result.differences(from: expected)
            if !differences.isEmpty || !result.areFencesIntact {
              Issue.record("\(planes), \(form), at \(offset): \(differences)")
            }
          }
        }
      }
    }
  }

  /// The pages before and after each tensor, parameter and statistic may not be touched: reading or writing one ends
  /// the process.
  @Test(arguments: Engines.all, Layout.allCases)
  func `nothing is read or written outside the values, sizes 1 to 70`(engine: Engine, layout: Layout) async throws {
    var next = 0
    for dtype in Self.dtypes {
      for size in Thoroughness.sizes(1...70) {
        for maps in [1, 2, 3, 4, 7, 8, 15, 16, 17, 20, 31, 32, 33] {
          next += 1
          let images = next % 4 == 0 ? 2 : 1
          let planes = Planes(dtype: dtype, layout: layout, images: images, maps: maps, size: size)
          let problem = problem(planes, NormForm.all[next % 9])
          let backend = try engine.backend(streams: next % 3 == 0)
          try problem.expectSameAtBothEnds(backend)
        }
      }
    }
  }
}

extension NormProblem {
  /// Expects the same bits whether memory that nobody else may touch begins before the values or behind them.
  func expectSameAtBothEnds(_ backend: CPUBackend) throws {
    var previous: Result?
    for place in [RawMemory.Place.end, .start] {
      let result = try inputs(at: place).run(backend, at: place)
      if !result.areFencesIntact { Issue.record("\(planes), \(place)") }
      if let previous, !result.differences(from: previous).isEmpty { Issue.record("\(planes)") }
      previous = result
    }
  }
}
