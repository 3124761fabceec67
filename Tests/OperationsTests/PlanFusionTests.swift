import Operations
import Tensors
import Testing

@Suite struct PlanFusionTests {
  private let form = TensorForm([2, 3, 4, 5], .float32)

  /// The plan, once it is known to give the eager call's bits.
  private func plan(_ form: TensorForm? = nil, _ body: ([Tensor]) throws -> Tensor) throws -> Plan {
    let form = form ?? self.form
    let plan = try Plan(for: [form, form], body)
    let inputs = try [1, 2].map { try normal(form.shape, form.dtype, form.layout, seed: $0) }
    #expect(try bits(plan(inputs)) == bits(body(inputs)), "\(plan)")
    return plan
  }

  @Test("Normalisation and activation are one step")
  func activation() throws {
    for plan in [try plan { try normalized($0[0]).relu() }, try plan { try normalized($0[0]).leakyReLU(slope: 0.3) }] {
      #expect(plan.stepCount == 1)
      #expect(plan.fusedCount == 1)
    }
  }

  @Test("Normalisation, activation and residual are one step, whichever side the residual is on")
  func residualAfter() throws {
    for plan in [
      try plan { try normalized($0[0]).relu() + $0[1] }, try plan { try $0[1] + normalized($0[0]).relu() },
      try plan { try $0[0] + normalized($0[0]).leakyReLU() },
    ] {
      #expect(plan.stepCount == 1)
      #expect(plan.fusedCount == 2)
    }
  }

  @Test("Normalisation, residual and activation are one step")
  func residualBefore() throws {
    let plan = try plan { try (normalized($0[0], .layer) + $0[1]).relu() }
    #expect(plan.stepCount == 1)
    #expect(plan.fusedCount == 2)
  }

  @Test("A residual that is computed after the normalisation is there when it is added")
  func laterResidual() throws {
    let plan = try plan { x in
      let n = try normalized(x[0])
      let late = try (x[1] * x[0]).tanh()
      return try (n + late).relu()
    }
    #expect(plan.stepCount == 3)
    #expect(plan.fusedCount == 2)
    // Two normalisations that are added: one takes the other for its residual.
    #expect(try self.plan { try normalized($0[0]) + normalized($0[1]).relu() }.stepCount == 2)
  }

  @Test("What somebody else reads, or reads under another shape, is not taken up")
  func notFused() throws {
    #expect(
      try plan { x in
        let n = try normalized(x[0])
        return try n.relu() * n
      }.fusedCount == 0)
    #expect(
      try plan { x in
        let n = try normalized(x[0])
        return try n + n
      }.fusedCount == 0)
    #expect(try plan { try normalized($0[0]).flattened(from: 2).relu() }.fusedCount == 0)
    #expect(try plan { try normalized($0[0]) + $0[1].mean(over: [2, 3], keepingAxes: true) }.fusedCount == 0)
    #expect(try plan { try normalized($0[0]).tanh() }.fusedCount == 0)
    #expect(try plan { try $0[1] - normalized($0[0]) }.fusedCount == 0)
  }

  @Test("Of narrow types ReLU alone is taken up", arguments: [DType.float16, .bfloat16])
  func narrow(dtype: DType) throws {
    let form = TensorForm([2, 3, 4, 5], dtype)
    #expect(try plan(form) { try normalized($0[0]).relu() + $0[1] }.fusedCount == 1)
    #expect(try plan(form) { try normalized($0[0]).leakyReLU() }.fusedCount == 0)
    #expect(try plan(form) { try (normalized($0[0]) + $0[1]).relu() }.fusedCount == 0)
    // A sum that the normalisation takes itself is rounded once.
    #expect(try plan(form) { try Normalize($0[0], residual: $0[1], .init(.layer)).result().relu() }.fusedCount == 1)
  }

  @Test("A residual of constants is taken up too")
  func constantResidual() throws {
    let constant = try normal(form.shape, seed: 7)
    #expect(try plan { try normalized($0[0]) + constant }.stepCount == 1)
  }

  @Test("What has no bearing on the result, and what does not depend on the inputs, is no step")
  func unused() throws {
    let constant = try normal([3], seed: 7)
    let plan = try plan { x in
      _ = try x[0].sum().tanh()
      return try x[0] * constant.exp().relu()
    }
    #expect(plan.stepCount == 1)
  }

  @Test("A description says what is done where")
  func description() throws {
    let plan = try plan { try (normalized($0[0]).relu() + $0[1]).tanh().relu() }
    #expect(
      plan.description == """
        plan on cpu: (2, 3, 4, 5) float32 nchw, (2, 3, 4, 5) float32 nchw -> (2, 3, 4, 5) float32 nchw
          %4  Normalize + relu + add  %0, %1  (2, 3, 4, 5) float32 nchw  piece 0
          %5  tanh                    %4      (2, 3, 4, 5) float32 nchw  piece 0, in place
          %6  relu                    %5      (2, 3, 4, 5) float32 nchw  result
          3 steps, 2 operations fused, 0 unused; workspace 480 bytes, 1 pieces
        """)
  }
}
