import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// Moments that planes share, of values that are hard in float32 or no numbers at all.
@Suite struct SharedNormExtremesTests {
  /// Two pictures each: of many pixels and sets of fewer maps than a vector, of a few pixels and sets of whole vectors, and
  /// of neither.
  static let extents: [(maps: Int, size: Int)] = [(6, 67), (96, 4), (42, 9)]

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
      for (sharing, (maps, size)) in SharedNorm.sharings.flatMap({ sharing in Self.extents.map { (sharing, $0) } }) {
        for epsilon in [1e-5, 0] {
          let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: maps, size: size)
          var problem = NormProblem(planes, epsilon: epsilon, seed: 5, value: value)
          problem.sharing = sharing
          problem.scale[2] = 0
          func rows(_ memory: RawMemory) -> [Double] {
            (0..<planes.count).flatMap { planes.values(of: $0, in: memory) }
          }
          let (x, dy) = (rows(problem.x), rows(problem.dy))
          let (scale, bias) = (problem.scale.map(Double.init), problem.bias.map(Double.init))
          let sets = planeSets(sharing, images: 2, maps: maps)
          let reference = Reference(
            x, maps: maps, planeSize: size, sets: sets, scale: scale, bias: bias, epsilon: epsilon, grad: dy)
          let result = try problem.run(engine.backend())
          let (y, dx) = (rows(result.y), rows(result.dx))
          for set in sets {
            let largest =
              set.flatMap { plane in (0..<size).map { abs(dy[plane * size + $0] * scale[plane % maps]) } }.max() ?? 0
            for plane in set {
              let (a, b) = (scale[plane % maps], bias[plane % maps])
              for at in plane * size..<(plane + 1) * size {
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
                    \(name), \(sharing) of \(planes), epsilon \(epsilon), plane \(plane): y \(y[at]), not \(reference.y[at]); \
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
      for (sharing, (maps, size)) in SharedNorm.sharings.flatMap({ sharing in Self.extents.map { (sharing, $0) } }) {
        let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: maps, size: size)
        let scales = (0..<maps).map { $0 == 3 ? 0 : scale * Float($0 % 6 - 2) }
        var problem = NormProblem(planes, epsilon: 0, scale: scales, seed: 6) { plane, _, noise in
          deviation * (noise + Double(plane % 3))
        }
        problem.sharing = sharing
        let largest = problem.dy.values.map(abs).max() ?? 1
        problem.dy.set(problem.dy.values.map { $0 / largest * factor })
        func rows(_ memory: RawMemory) -> [Double] { (0..<planes.count).flatMap { planes.values(of: $0, in: memory) } }
        let (x, dy) = (rows(problem.x), rows(problem.dy))
        let sets = planeSets(sharing, images: 2, maps: maps)
        let reference = Reference(
          x, maps: maps, planeSize: size, sets: sets, scale: scales.map(Double.init), epsilon: 0, grad: dy)
        let dx = try rows(problem.run(engine.backend()).dx)
        for set in sets {
          let places = set.flatMap { $0 * size..<($0 + 1) * size }
          let most = places.map { abs(dy[$0] * Double(scales[$0 / size % maps])) }.max() ?? 0
          for at in places {
            let xhat = (x[at] - reference.mean[at / size]) * reference.invStd[at / size]
            let allowed = 4e-6 * reference.invStd[at / size] * most * max(1, abs(xhat)) + 0x1p-148
            let isRight = abs(dx[at] - reference.xGrad[at]) <= allowed || dx[at] == Double(Float(reference.xGrad[at]))
            if !isRight {
              Issue.record(
                "\(sharing) of \(planes), dy \(factor), deviation \(deviation), scale \(scale): \(dx[at]), not \(reference.xGrad[at])"
              )
              return
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `a scale or a bias that is no number is that map's affair`(
    engine: Engine, layout: Layout
  ) throws {
    for (sharing, (maps, size)) in [MomentSharing.layer, .group(3)].flatMap({ sharing in
      Self.extents.map { (sharing, $0) }
    }) {
      let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: maps, size: size)
      for isBias in [false, true] {
        var clean = NormProblem(planes, seed: 7) { plane, _, noise in noise + Double(plane % 3) }
        clean.sharing = sharing
        // Beside it one that is hard in float32.
        clean.scale[0] = 1e20
        var odd = clean
        if isBias { odd.bias[1] = .nan } else { odd.scale[1] = .nan }
        let (expected, result) = (try clean.run(engine.backend()), try odd.run(engine.backend()))
        for plane in 0..<planes.count {
          let (y, right) = (planes.values(of: plane, in: result.y), planes.values(of: plane, in: expected.y))
          #expect(plane % maps == 1 ? y.allSatisfy(\.isNaN) : y == right, "\(planes), plane \(plane)")
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `NaN and infinity stay among the planes that share`(
    engine: Engine, layout: Layout
  ) throws {
    for dtype in SharedNorm.dtypes {
      for (sharing, (maps, size)) in SharedNorm.sharings.flatMap({ sharing in Self.extents.map { (sharing, $0) } }) {
        let planes = Planes(dtype: dtype, layout: layout, images: 2, maps: maps, size: size)
        func rows(_ memory: RawMemory, _ plane: Int) -> [UInt64] {
          planes.values(of: plane, in: memory).map(\.bitPattern)
        }
        let clean = try SharedNorm.problem(planes, sharing).run(engine.backend())
        for poison in [Double.nan, .infinity] {
          for isGradient in [false, true] {
            let poisoned = SharedNorm.problem(planes, sharing)
            let memory = isGradient ? poisoned.dy : poisoned.x
            var values = memory.values
            values[planes.position(7, size / 2)] = poison
            memory.set(values)
            let result = try poisoned.run(engine.backend())
            for set in planeSets(sharing, images: 2, maps: maps) {
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
}
