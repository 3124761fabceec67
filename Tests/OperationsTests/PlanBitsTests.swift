import Operations
import Tensors
import Testing

@Suite struct PlanBitsTests {
  @Test(
    "A plan gives the bits of the eager call",
    arguments: [DType.float32, .float16, .bfloat16, .float64], Layout.allCases)
  func sameBits(dtype: DType, layout: Layout) throws {
    var (fused, inPlace) = (0, 0)
    for seed in 0..<60 {
      let form = TensorForm([2, 3, 5, 4], dtype, layout)
      let graph = RandomGraph(seed: UInt64(seed), form: form, length: 3 + seed % 20)
      let plan = try Plan(for: [form, form]) { try graph($0) }
      fused += plan.fusedCount
      inPlace += plan.description.contains("in place") ? 1 : 0
      // Near 1, so small that narrow types round to 0, and so large that float32 arithmetic alone would not do.
      let deviation = [1, 1e-6, dtype == .float16 ? 1e3 : 1e25][seed % 3]
      for run in [1, 2, 1] as [UInt64] {
        let inputs = try [1, 2].map { try normal(form.shape, dtype, layout, deviation: deviation, seed: $0 + 10 * run) }
        let expected = try graph(inputs)
        let got = try plan(inputs)
        #expect(TensorForm(like: got) == TensorForm(like: expected))
        let isSame = try bits(got) == bits(expected)
        #expect(isSame, "seed \(seed), run \(run)\n\(plan)")
        if !isSame { return }
      }
    }
    #expect(fused > 10 && inPlace > 20)
  }

  @Test("It does on a processor without kernels", arguments: Layout.allCases)
  func plain(layout: Layout) throws {
    let device = Device(try CPUBackend(threads: 1, .plain))
    for seed in 0..<30 {
      let form = TensorForm([2, 3, 5, 4], .float32, layout)
      let graph = RandomGraph(seed: UInt64(seed), form: form, length: 12)
      let inputs = try [1, 2].map { try normal(form.shape, .float32, layout, seed: $0).copied(to: device) }
      let plan = try Plan(for: [form, form], on: device) { try graph($0) }
      #expect(try bits(plan(inputs)) == bits(graph(inputs)), "seed \(seed)")
    }
  }

  @Test("Planes too extreme for float32 arithmetic are rounded between the operations that are fused")
  func extremePlanes() throws {
    let form = TensorForm([1, 2, 9, 7], .float32)
    let scale = try Tensor([Float(3e-38), 2e38])
    let plan = try Plan(for: [form, form]) { x in
      try (Normalize(x[0], scale: scale, .init(.instance)).result() + x[1]).leakyReLU() + x[1]
    }
    #expect(plan.fusedCount == 2)
    let x = try normal(form.shape, deviation: 1e30, seed: 1)
    let r = try normal(form.shape, deviation: 1e-38, seed: 2)
    let n = try Normalize(x, scale: scale, .init(.instance)).result()
    #expect(try bits(plan(x, r)) == bits((n + r).leakyReLU() + r))
  }

  @Test("Of what rounds to 0 ReLU has the same sign before and after rounding", arguments: [DType.float16, .bfloat16])
  func signOfZero(dtype: DType) throws {
    let form = TensorForm([1, 1, 4, 8], dtype)
    let scale = try Tensor([dtype == .float16 ? 0x1p-27 : Float.leastNonzeroMagnitude])
    let plan = try Plan(for: [form]) { x in try Normalize(x[0], scale: scale, .init(.instance)).result().relu() }
    #expect(plan.fusedCount == 1)
    let x = try normal(form.shape, dtype, seed: 1)
    #expect(try bits(plan(x)) == bits(Normalize(x, scale: scale, .init(.instance)).result().relu()))
  }
}
