import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// Gradients near the ends of float32's range of which only a part is: the means that are taken off, or the gradient of
/// one plane of several that share their moments.
@Suite struct GradientExtremesTests {
  /// Runs a problem and holds dx to the formulas in float64.
  private func expectExact(_ name: String, _ problem: NormProblem) throws {
    let planes = problem.planes
    func rows(_ memory: RawMemory) -> [Double] { (0..<planes.count).flatMap { planes.values(of: $0, in: memory) } }
    let (x, dy, scale) = (rows(problem.x), rows(problem.dy), problem.scale.map(Double.init))
    let sets = planeSets(problem.sharing ?? .instance, images: planes.images, maps: planes.maps)
    let reference = Reference(
      x, maps: planes.maps, planeSize: planes.size, sets: sets, scale: scale, epsilon: problem.epsilon, grad: dy)
    for engine in Engines.all {
      let dx = try rows(problem.run(engine.backend()).dx)
      for set in sets {
        let places = set.flatMap { $0 * planes.size..<($0 + 1) * planes.size }
        let largest = places.map { abs(dy[$0] * scale[$0 / planes.size % planes.maps]) }.max() ?? 0
        for at in places {
          let (mean, invStd) = (reference.mean[at / planes.size], reference.invStd[at / planes.size])
          let allowed = 4e-6 * invStd * largest * max(1, abs((x[at] - mean) * invStd)) + 0x1p-148
          let expected = reference.xGrad[at]
          guard abs(dx[at] - expected) <= allowed || dx[at] == Double(Float(expected)) else {
            Issue.record("\(name), \(engine.name), \(planes), value \(at): \(dx[at]), not \(expected)")
            return
          }
        }
      }
    }
  }

  /// Small planes, large ones, and maps that alternate.
  private static let forms: [(layout: Layout, maps: Int, size: Int)] = [
    (.nchw, 2, 40), (.nchw, 2, 300), (.nhwc, 2, 40), (.nhwc, 18, 300),
  ]

  /// Of the means of the gradient and of its product with x, both, or the latter alone.
  @Test(arguments: [true, false]) func `a plane without a gradient among others whose means are subnormal`(
    hasBoth: Bool
  ) throws {
    for (layout, maps, size) in Self.forms {
      let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: maps, size: size)
      // One value far from the others multiplies what a slope has lost.
      var problem = NormProblem(planes, epsilon: 0, scale: Array(repeating: 1, count: maps), seed: 61) {
        plane, index, noise in
        if plane % maps == 0 { return index == 3 ? 4e7 : 1e6 * noise }
        return hasBoth ? 1e6 * noise : index % 2 == 0 ? 1e6 : -1e6
      }
      problem.sharing = .layer
      var dy = problem.dy.values
      for plane in 0..<planes.count {
        for index in 0..<size {
          let at = planes.position(plane, index)
          dy[at] = plane % maps == 0 ? 0 : problem.x[at] > 0 ? 1e-36 : hasBoth ? -3e-37 : -1e-36
        }
      }
      problem.dy.set(dy)
      try expectExact("subnormal", problem)
    }
  }

  @Test(arguments: [true, false]) func `a plane without a gradient among others whose means are beyond the range`(
    hasBoth: Bool
  ) throws {
    for (layout, maps, size) in Self.forms {
      let planes = Planes(dtype: .float32, layout: layout, images: 2, maps: maps, size: size)
      // Both cancel at the lower half of values, and nowhere else; one alone vanishes near the mean.
      var problem = NormProblem(planes, epsilon: 0, scale: Array(repeating: 1, count: maps)) { plane, index, _ in
        if !hasBoth, plane % maps == 0, index % 4 == 0 { return 1e-12 }
        return index % 2 == 0 ? 1e-10 : -1e-10
      }
      problem.sharing = .layer
      var dy = problem.dy.values
      for plane in 0..<planes.count {
        for index in 0..<size {
          dy[planes.position(plane, index)] = plane % maps == 0 ? 0 : index % 2 == 0 ? 1e30 : hasBoth ? 0 : -1e30
        }
      }
      problem.dy.set(dy)
      try expectExact("beyond", problem)
    }
  }

  @Test func `gradients whose distance from their mean is beyond the range`() throws {
    for (layout, maps, size) in Self.forms + [(.nchw, 3, 8), (.nhwc, 3, 8)] {
      let planes = Planes(dtype: .float32, layout: layout, images: 1, maps: maps, size: size)
      // Sparse, so that no sum of a block is beyond it: one in each lane, or in each block of pixels. There x is its mean,
      // so that no product is either.
      let step = layout == .nchw ? 17 : 33
      func isLow(_ index: Int) -> Bool { size < 16 || (index % step == 0 && index / step < 16) }
      let problem = NormProblem(planes, epsilon: 0, scale: Array(repeating: 1e-10, count: maps)) { _, index, _ in
        index == 5 || (size > 16 && isLow(index)) ? 0 : index % 2 == 0 ? 1 : -1
      }
      var dy = problem.dy.values
      for plane in 0..<planes.count {
        for index in 0..<size {
          dy[planes.position(plane, index)] = index == 5 ? 3.4e38 : isLow(index) ? -3e38 : 0
        }
      }
      problem.dy.set(dy)
      try expectExact("distance", problem)
    }
  }
}
