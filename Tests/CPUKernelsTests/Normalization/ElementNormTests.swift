import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// Scale and bias for each value of a picture, on every instruction set.
@Suite struct ElementNormTests {
  private static let sharings: [MomentSharing] = [.layer, .group(2), .instance]

  /// What a call forward and one backward give.
  private struct Result {
    var names = ["y", "dx", "dn", "scale", "bias"]
    var memories: [RawMemory]

    func differences(from other: Result) -> [String] {
      names.indices.filter { !memories[$0].hasSameBytes(as: other.memories[$0]) }.map { names[$0] }
    }
  }

  private struct Problem {
    var base: NormProblem
    let scale: RawMemory
    let bias: RawMemory

    init(
      _ planes: Planes, _ sharing: MomentSharing, _ form: NormForm = .plain,
      value: (Int, Int, Double) -> Double = { plane, _, noise in noise + Double(plane % 3) }
    ) {
      base = NormProblem(planes, form: form, seed: UInt64(planes.valueCount), value: value)
      base.sharing = sharing
      var noise = Noise(seed: 3)
      let count = planes.maps * planes.size
      scale = RawMemory(.float32, (0..<count).map { _ in Double(Float(noise.next() + 0.5)) })
      bias = RawMemory(.float32, (0..<count).map { _ in Double(Float(noise.next())) })
    }

    func run(_ backend: CPUBackend, inPlace: Bool = false, at place: RawMemory.Place = .offset(0)) throws -> Result {
      let planes = base.planes
      let (x, dy, residual) = (
        RawMemory(copyOf: base.x, at: place), RawMemory(copyOf: base.dy, at: place),
        RawMemory(copyOf: base.residual, at: place)
      )
      let (scale, bias) = (RawMemory(copyOf: scale, at: place), RawMemory(copyOf: bias, at: place))
      let y = inPlace ? RawMemory(copyOf: x, at: place) : RawMemory(planes.dtype, planes.valueCount, at: place)
      let statistics = (0..<2).map { _ in RawMemory(.float64, planes.count, at: place) }
      let factors = ParameterValues(scale.address, isDouble: false, grain: .element, absent: 1)
      let offsets = ParameterValues(bias.address, isDouble: false, grain: .element, absent: 0)
      let added = base.form.place == nil ? nil : residual.address
      let after = base.form.place ?? .afterActivation
      try backend.run(
        NormCall(
          planes: planes, input: inPlace ? y.address : x.address, output: y.address, scale: factors, bias: offsets,
          epsilon: base.epsilon, activation: base.form.activation, residual: added, place: after,
          sharing: base.sharing, mean: statistics[0].doubles, invStd: statistics[1].doubles))
      let dx = inPlace ? RawMemory(copyOf: dy, at: place) : RawMemory(planes.dtype, planes.valueCount, at: place)
      let dn = RawMemory(planes.dtype, planes.valueCount, at: place)
      let sums = RawMemory(.float64, 2 * planes.count, at: place)
      let parameters = (0..<2).map { _ in RawMemory(.float32, planes.maps * planes.size, at: place) }
      try backend.run(
        NormGradientCall(
          planes: planes, gradient: inPlace ? dx.address : dy.address, input: x.address, scale: factors,
          bias: offsets, activation: base.form.activation, residual: added, place: after, sharing: base.sharing,
          mean: statistics[0].doubles, invStd: statistics[1].doubles, sums: sums.doubles, inputGradient: dx.address,
          residualGradient: dn.address, scaleGradient: parameters[0].address, biasGradient: parameters[1].address))
      let all = [y, dx, dn] + parameters
      let areFencesIntact = (all + statistics + [sums]).allSatisfy(\.isFenceIntact)
      #expect(areFencesIntact)
      return Result(memories: all)
    }
  }

  private static let extents: [Extent] = [(3, 6, 7), (2, 4, 100), (1, 2, 5003), (5, 40, 1), (2, 34, 16)]

  @Test(arguments: Engines.tuned, Layout.allCases) func `they give what plain Swift gives in float64`(
    engine: Engine, layout: Layout
  ) throws {
    var next = 0
    for extent in Self.extents {
      for sharing in Self.sharings {
        for dtype in SharedNorm.dtypes {
          next += 1
          let planes = Planes(dtype, layout, extent)
          let problem = Problem(planes, sharing, NormForm.all[next % 9])
          let plain = try problem.run(CPUBackend(threads: 1, .plain))
          let result = try problem.run(engine.backend(threads: 1 + next % 3))
          // Rounding may decide the slope of an activation at 0; values of one plane of one value are all 0.
          let unit = dtype == .float32 ? 0 : dtype == .float16 ? 0x1p-10 : 0x1p-7
          for (index, name) in result.names.enumerated() {
            let isStored = index < 3
            let allowed = (index > 2 ? 4e-6 * Double(extent.images) : 2e-5)
            let worst = zip(result.memories[index].values, plain.memories[index].values).map { got, expected in
              abs(got - expected) / (allowed * max(1, abs(expected)) + (isStored ? unit * abs(expected) : 0))
            }
            // Through an inverse of 1 / sqrt(epsilon).
            let isOfOneValue = extent.size == 1 && sharing == .instance && index == 1
            if !isOfOneValue, worst.contains(where: { !($0 <= 1) }) {
              Issue.record("\(name), \(planes), \(sharing), \(dtype): \(worst.max() ?? 0)")
            }
          }
        }
      }
    }
  }

  @Test(arguments: Engines.all, Layout.allCases) func `the bits are those of any number of threads, and in place`(
    engine: Engine, layout: Layout
  ) throws {
    for extent in [(3, 6, 701), (1, 2, 40_003), (5, 640, 1), (2, 34, 16)] as [Extent] {
      for sharing in Self.sharings {
        let problem = Problem(Planes(.float32, layout, extent), sharing, NormForm.all[8])
        let expected = try problem.run(engine.backend())
        for threads in [2, 5] {
          #expect(try problem.run(engine.backend(threads: threads)).differences(from: expected).isEmpty)
        }
        let moved = try problem.run(engine.backend(threads: 2), inPlace: true, at: .end)
        #expect(moved.differences(from: expected).isEmpty)
      }
    }
  }

  @Test(arguments: Engines.tuned, Layout.allCases) func `extreme pictures and NaN stay right, and alone`(
    engine: Engine, layout: Layout
  ) throws {
    for extent in [(3, 6, 9), (3, 8, 1)] as [Extent] {
      let planes = Planes(.float32, layout, extent)
      let clean = try Problem(planes, .layer).run(engine.backend())
      for factor in [1e30, 1e-30, .nan, .infinity] {
        let problem = Problem(planes, .layer) { plane, _, noise in
          (noise + Double(plane % 3)) * (plane / extent.maps == 1 ? factor : 1)
        }
        let plain = try problem.run(CPUBackend(threads: 1, .plain))
        let result = try problem.run(engine.backend())
        let part = extent.maps * extent.size
        for index in 0..<3 {
          let (got, expected) = (result.memories[index].values, plain.memories[index].values)
          for at in 0..<planes.valueCount {
            if at / part == 1 {
              let isSame = got[at] == expected[at] || (got[at].isNaN && expected[at].isNaN)
              #expect(isSame || abs(got[at] - expected[at]) <= 4e-6 * max(abs(expected[at]), 1))
            } else {
              #expect(got[at] == clean.memories[index].values[at])
            }
          }
        }
      }
    }
  }
}
