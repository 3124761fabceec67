import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// A plane's bits depend on its values and parameters alone: not on threads, neighbours or the instruction set.
@Suite struct KernelBitsTests {
  private static let dtypes = [DType.float32, .float16, .bfloat16]

  private func problem(_ planes: Planes, _ form: NormForm = NormForm(activation: .leakyReLU(slope: 0.2)))
    -> NormProblem
  {
    NormProblem(planes, form: form, seed: 11) { plane, index, noise in
      // Some planes are far off at their samples, and some extreme: they take other ways through the engine.
      switch plane % 5 {
      case 3: index % (planes.size / 4) == 0 ? 1e4 : 3 + noise
      case 4: planes.dtype == .float32 ? 1e30 * noise : 100 + noise
      default: 1 + noise
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `the bits are those of any number of threads, run after run`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in Self.dtypes {
      for (images, maps, size) in [(1, 1, 16_384 * 7 + 3), (1, 5, 20_009), (5, 9, 1517), (9, 2, 4097), (3, 65, 300)] {
        let problem = problem(Planes(dtype: dtype, layout: layout, images: images, maps: maps, size: size))
        let expected = try problem.run(engine.backend())
        for threads in [2, 3, 7, 7] {
          let differences = try problem.run(engine.backend(threads: threads)).differences(from: expected)
          if !differences.isEmpty {
            Issue.record("\(threads) threads, \(dtype), \(images) x \(maps) x \(size): \(differences)")
          }
        }
      }
    }
  }

  @Test(arguments: Layout.allCases) func `instruction sets with fused multiply-add have the same bits`(
    layout: Layout
  ) throws {
    let fused = Engines.tuned.filter { $0.instructions.hasFMA }
    var next = 0
    for dtype in Self.dtypes {
      for size in Thoroughness.sizes(4...80) + [511, 512, 513, 1023, 1024, 1025, 2100, 16_385, 33_000] {
        for maps in [1, 2, 15, 16, 17, 33] where maps * size < 36_000 {
          next += 1
          let form = NormForm.all[next % 9]
          let problem = problem(Planes(dtype: dtype, layout: layout, images: 1, maps: maps, size: size), form)
          guard let expected = try fused.first.map({ try problem.run($0.backend()) }) else { return }
          for engine in fused.dropFirst() {
            let differences = try problem.run(engine.backend()).differences(from: expected)
            if !differences.isEmpty {
              Issue.record("\(engine.name), \(problem.planes), \(form): \(differences)")
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases)
  func `planes have the same bits alone, in a batch and among other maps`(engine: Engine, layout: Layout) throws {
    for dtype in Self.dtypes {
      for size in [4, 5, 64, 1029, 8195] {
        let (images, maps) = (3, 21)
        let whole = problem(Planes(dtype: dtype, layout: layout, images: images, maps: maps, size: size))
        let expected = try whole.run(engine.backend(threads: 2))
        // With the maps last, one map alone is a plane that lies together, and is added up in another order.
        for (image, first, count) in [
          (0, 0, maps), (1, 0, maps), (2, 0, maps), (1, 0, 2), (2, 5, 3), (1, 4, 16), (2, 3, 17),
        ] + (layout == .nchw ? [(1, 20, 1)] : []) {
          let some = first..<first + count
          let result = try whole.part(image: image, maps: some).run(engine.backend())
          let differences = result.differences(from: expected.part(whole.planes, image: image, maps: some))
          if !differences.isEmpty {
            Issue.record("\(dtype), size \(size), picture \(image), maps \(some): \(differences)")
          }
        }
      }
    }
  }

  @Test(arguments: Engines.tuned) func `calls at the same time on several threads do not disturb one another`(
    engine: Engine
  ) async throws {
    for layout in Layout.allCases {
      let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: 3, size: 17_001)
      let expected = try problem(planes).run(engine.backend())
      try await withThrowingTaskGroup(of: [String].self) { group in
        for _ in 0..<4 {
          group.addTask {
            var differences: [String] = []
            let own = problem(planes)
            let alone = try own.run(engine.backend())
            for _ in 0..<5 { differences += try own.run(engine.backend(threads: 3)).differences(from: alone) }
            return differences
          }
        }
        for try await differences in group { #expect(differences.isEmpty) }
      }
      #expect(try problem(planes).run(engine.backend(threads: 3)).differences(from: expected).isEmpty)
    }
  }
}

extension RawMemory {
  /// Values of some maps of one picture.
  fileprivate func part(_ planes: Planes, image: Int, maps: Range<Int>) -> RawMemory {
    let values = self.values
    let part = Planes(dtype: planes.dtype, layout: planes.layout, images: 1, maps: maps.count, size: planes.size)
    var result = Array(repeating: 0.0, count: part.valueCount)
    for map in maps {
      for index in 0..<planes.size {
        result[part.position(map - maps.lowerBound, index)] = values[planes.position(image * planes.maps + map, index)]
      }
    }
    return RawMemory(dtype, result)
  }

  /// Of values by plane.
  fileprivate func statistics(_ planes: Planes, image: Int, maps: Range<Int>) -> [Double] {
    let values = self.values
    return stride(from: 0, to: values.count, by: planes.count).flatMap { row in
      maps.map { values[row + image * planes.maps + $0] }
    }
  }
}

extension NormProblem {
  fileprivate func part(image: Int, maps: Range<Int>) -> NormProblem {
    var part = self
    part.planes = Planes(dtype: planes.dtype, layout: planes.layout, images: 1, maps: maps.count, size: planes.size)
    part.x = x.part(planes, image: image, maps: maps)
    part.dy = dy.part(planes, image: image, maps: maps)
    part.residual = residual.part(planes, image: image, maps: maps)
    part.scale = Array(scale[maps])
    part.bias = Array(bias[maps])
    return part
  }
}

extension NormProblem.Result {
  fileprivate func part(_ planes: Planes, image: Int, maps: Range<Int>) -> NormProblem.Result {
    func some(_ memory: RawMemory) -> RawMemory {
      RawMemory(.float64, memory.statistics(planes, image: image, maps: maps))
    }
    return NormProblem.Result(
      y: y.part(planes, image: image, maps: maps), dx: dx.part(planes, image: image, maps: maps),
      dn: dn.part(planes, image: image, maps: maps), mean: some(mean), invStd: some(invStd), sums: some(sums))
  }
}
