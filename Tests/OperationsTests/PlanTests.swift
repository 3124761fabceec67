import Operations
import Tensors
import Testing

@Suite struct PlanTests {
  private let form = TensorForm([2, 3, 4, 5], .float32)
  private var x: Tensor { get throws { try normal(form.shape, seed: 1) } }

  @Test("What a plan is given has to be what it is for, and an error says what is not")
  func wrongInputs() throws {
    let plan = try Plan(for: [form]) { try $0[0].relu() }
    #expect(throws: TensorError.argument(name: "a plan's inputs", expected: "1 tensor", got: "2")) {
      try plan(x, x)
    }
    #expect(
      throws: TensorError.shapeMismatch(operation: "a plan, input 0", expected: [2, 3, 4, 5], got: [1, 3, 4, 5])
    ) { try plan(normal([1, 3, 4, 5], seed: 1)) }
    #expect(throws: TensorError.dtypeMismatch(operation: "a plan, input 0", expected: .float32, got: .float64)) {
      try plan(x.to(.float64))
    }
    #expect(throws: TensorError.layoutMismatch(operation: "a plan, input 0", expected: .nchw, got: .nhwc)) {
      try plan(x.to(.nhwc))
    }
    #expect(throws: DeviceError.self) { try plan(x.copied(to: Device(ElsewhereBackend()))) }
    // And it still works.
    #expect(try bits(plan(x)) == bits(x.relu()))
  }

  @Test("A plan has the values that variables had when it was made")
  func snapshot() throws {
    let scale = try Variable(name: "scale", data: Tensor([Float(1), 2, 3]))
    let plan = try Plan(for: [form]) { try $0[0] * scale.data }
    let expected = try bits(x * scale.data)
    try scale.data.combine(1, Tensor([Float(1), 1, 1]))
    try scale.data.set(5, at: 0)
    #expect(try bits(plan(x)) == expected)
    #expect(try bits(x * scale.data) != expected)
  }

  @Test("The result may be an input, a part of the way, another shape, a constant")
  func results() throws {
    let x = try x
    #expect(try bits(Plan(for: [form]) { $0[0] }(x)) == bits(x))
    #expect(try Plan(for: [form]) { try $0[0].reshaped(to: [6, 20]) }(x).shape == [6, 20])
    let reshaped = try Plan(for: [form]) { try $0[0].relu().reshaped(to: [6, 20]) }
    #expect(try bits(reshaped(x)) == bits(x.relu()))
    let constant = try Plan(for: [form]) { _ in try Tensor([Float(1), 2]).relu() }
    #expect(try bits(constant(x)) == bits(Tensor([Float(1), 2])))
    #expect(try bits(Plan(for: [form]) { try $0[0].relu().stopGradient().exp() }(x)) == bits(x.relu().exp()))
  }

  @Test("Results belong to whoever asked, and later runs do not change them")
  func ownResults() throws {
    let plan = try Plan(for: [form]) { try normalized($0[0].tanh()).relu().tanh() }
    let first = try plan(x)
    let before = try bits(first)
    _ = try plan(normal(form.shape, seed: 9))
    #expect(try bits(first) == before)
  }

  @Test("Custom operations may give other tensors than they got, their operands included")
  func custom() throws {
    let plan = try Plan(for: [form]) { x in
      let y = try Doubled(input: x[0].tanh()).result().exp()
      return try Either(first: y, second: Doubled(input: y).result(), ofFirst: x[0]).result().relu() + y
    }
    for seed in 1...4 as ClosedRange<UInt64> {
      let x = try normal(form.shape, seed: seed)
      let y = try (2 * x.tanh()).exp()
      #expect(try bits(plan(x)) == bits((x[0, 0, 0, 0] > 0 ? y : y + y) + y))
    }
  }

  @Test("A custom operation that gives another form than when the plan was made is an error")
  func otherForm() throws {
    let plan = try Plan(for: [form]) { try Growing(input: $0[0]).result().relu() }
    #expect(throws: PlanError.self) { try plan(Tensor(repeating: 1, shape: form.shape)) }
    #expect(try plan(Tensor(repeating: 0, shape: form.shape)).shape == form.shape)
  }

  @Test("A body that reads, changes or differentiates what is not known yet is refused")
  func refused() throws {
    #expect(throws: TensorError.traced(shape: [])) {
      try Plan(for: [form]) { try $0[0].sum().scalar() > 0 ? $0[0] : -$0[0] }
    }
    #expect(throws: TensorError.traced(shape: form.shape)) {
      try Plan(for: [form]) { x in
        var y = try x[0].relu()
        try y.set(1, at: 0, 0, 0, 0)
        return y
      }
    }
    #expect(throws: PlanError.self) {
      try Plan(for: [form]) { x in
        var sum = try Tensor(repeating: 0, shape: form.shape)
        try sum.combine(1, x[0])
        return sum
      }
    }
    #expect(throws: PlanError.self) {
      try Plan(for: [form]) { x in try gradients(of: normalized(x[0]).square().sum(), by: x[0]) }
    }
    #expect(throws: PlanError.self) {
      try Plan(for: [form]) { x in
        let scale = try Variable(name: "scale", data: Tensor([Float(1), 2, 3]))
        return try valueAndGradients(of: [scale]) { try (x[0] * scale.data).sum() }.value
      }
    }
  }

  @Test("What a body gave away can be read once the plan is made")
  func leaked() throws {
    var leaked: Tensor?
    _ = try Plan(for: [form]) { x in
      leaked = try x[0].relu()
      return try x[0].exp()
    }
    #expect(try leaked?.sum().scalar() == 0)
  }

  @Test("A plan within a plan, and one whose parts are recomputed, are the same computation")
  func nested() throws {
    let inner = try Plan(for: [form]) { try normalized($0[0]).relu() }
    let outer = try Plan(for: [form]) { try inner($0[0].tanh()) + $0[0] }
    #expect(try bits(outer(x)) == bits(normalized(x.tanh()).relu() + x))
    let recomputed = try Plan(for: [form]) { x in
      try Operations.recomputed([x[0]]) { try normalized($0[0]).relu() } + x[0]
    }
    #expect(try bits(recomputed(x)) == bits(normalized(x).relu() + x))
    #expect(recomputed.fusedCount == 2)
  }

  @Test("A plan has no gradient")
  func noGradient() throws {
    let x = try x
    let plan = try Plan(for: [form]) { try $0[0].exp() }
    #expect(throws: PlanError.noGradient) { try gradients(of: plan(x).sum(), by: x) }
  }

  @Test("A run that fails leaves the plan as it was")
  func failure() throws {
    let plan = try Plan(for: [form]) { try Growing(input: $0[0].relu()).result().tanh() }
    let zeros = try Tensor(repeating: 0, shape: form.shape)
    let expected = try bits(plan(zeros))
    #expect(throws: (any Error).self) { try plan(Tensor(repeating: 1, shape: form.shape)) }
    #expect(try bits(plan(zeros)) == expected)
  }

  @Test("Inputs of no values are legal")
  func empty() throws {
    let plan = try Plan(for: [TensorForm([0, 3, 4, 5], .float32)]) { x in
      try (normalized(x[0]).relu() + x[0]).padded(1).sum(over: [0]) * 2 + 1
    }
    let y = try plan(Tensor(repeating: 0, shape: [0, 3, 4, 5]))
    #expect(try y.array(of: Double.self) == Array(repeating: 1, count: 3 * 6 * 7))
  }
}

/// One of two tensors, by the first value of a third.
private struct Either: Operation {
  var first: Tensor
  var second: Tensor
  var ofFirst: Tensor

  func form() -> TensorForm { TensorForm(like: first) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&first)
    try body(&second)
    try body(&ofFirst)
  }
  mutating func run(into result: inout Tensor) throws {
    result = try ofFirst.array(of: Float.self)[0] > 0 ? first : second
  }
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {}
}

/// Its input, with a row more if its first value is not 0.
private struct Growing: Operation {
  var input: Tensor

  func form() -> TensorForm { TensorForm(like: input) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
  mutating func run(into result: inout Tensor) throws {
    result = try input.array(of: Float.self)[0] == 0 ? input : input.padded(1)
  }
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {}
}

/// Memory of the host under another name.
private final class ElsewhereBackend: Backend {
  var name: String { "elsewhere" }
  var summary: String { name }
  var isGPU: Bool { false }
  var isHostMemory: Bool { true }
  func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer {
    try MemoryPool.shared.allocate(byteCount: byteCount)
  }
  func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) {
    MemoryPool.shared.deallocate(address, byteCount: byteCount)
  }
  func copy(from source: UnsafeRawBufferPointer, to destination: Storage) throws {
    destination.address.copyMemory(from: source.baseAddress!, byteCount: source.count)
  }
  func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) throws {
    destination.baseAddress!.copyMemory(from: source.address, byteCount: destination.count)
  }
  func copy(from source: Storage, to destination: Storage) throws {
    destination.address.copyMemory(from: source.address, byteCount: source.byteCount)
  }
  func fill(_ storage: Storage, with pattern: UInt64) throws {}
}
