import Operations
import Tensors
import Testing

/// Apart, since what the pool has done is everyone's.
@Suite(.serialized) struct PlanMemoryTests {
  /// Residual blocks of normalisations, as in the middle of a style network.
  private func blocks(_ count: Int, _ x: Tensor) throws -> Tensor {
    var y = x
    for _ in 0..<count {
      y = try normalized(normalized(y).relu()) + y
      y = try normalized(y).relu()
    }
    return y
  }

  @Test("A chain of normalisations, activations and residuals keeps two feature maps")
  func twoMaps() throws {
    let form = TensorForm([1, 32, 256, 256], .float32)
    let plan = try Plan(for: [form]) { try blocks(5, $0[0]) }
    #expect(plan.stepCount == 15)
    let byteCount = 32 * 256 * 256 * 4
    #expect(plan.workspaceByteCount <= 2 * byteCount + 4096)
    let x = try normal(form.shape, seed: 1)
    let expected = try bits(blocks(5, x))
    let before = MemoryPool.shared.statistics.bytesInUse
    let y = try plan(x)
    // And the result. Other tests have some small tensors meanwhile.
    #expect(MemoryPool.shared.statistics.bytesInUse - before <= 3 * byteCount + byteCount / 2)
    #expect(try bits(y) == expected)
    let withBoth = MemoryPool.shared.statistics.bytesInUse
    plan.trim()
    #expect(MemoryPool.shared.statistics.bytesInUse <= withBoth - byteCount)
  }

  @Test("What is read under two forms is not written over")
  func twoForms() throws {
    let form = TensorForm([16, 1], .float32)
    func body(_ x: Tensor) throws -> Tensor {
      let v = try x.tanh()
      return try (v + v.reshaped(to: [1, 16])).tanh()
    }
    let x = try normal(form.shape, seed: 1)
    #expect(try bits(Plan(for: [form]) { try body($0[0]) }(x)) == bits(body(x)))
  }

  @Test("Nothing of a run stays, not even an input that nobody reads")
  func unreadInput() throws {
    let form = TensorForm([4], .float32)
    let plan = try Plan(for: [form, form]) { try $0[0].tanh() }
    let read = try normal(form.shape, seed: 1)
    var unread = try normal(form.shape, seed: 2)
    _ = try plan(read, unread)
    let isOurs = unread.isUnique()
    #expect(isOurs)
  }

  @Test("A plan for large pictures keeps two feature maps too")
  func largePictures() throws {
    let plan = try Plan(for: [TensorForm([1, 32, 1024, 1024], .float32)]) { try blocks(5, $0[0]) }
    #expect(plan.workspaceByteCount <= 2 * 32 * 1024 * 1024 * 4 + 4096)
  }

  @Test("Memory is given out again to other forms, and small ones do not take up large pieces")
  func forms() throws {
    let form = TensorForm([1, 4, 16, 16], .float32)
    let byteCount = 4 * 16 * 16 * 4
    let plan = try Plan(for: [form]) { x in
      let large = try x[0].upsampled(by: 2).tanh()
      let small = try large.resized(to: [8, 8])
      return try small.exp().upsampled(by: 2).tanh().upsampled(by: 2).sum()
    }
    // Four times as much as the input, then a quarter of it, then as much, then again four times as much.
    #expect(plan.workspaceByteCount <= 5 * byteCount + byteCount / 4)
  }

  @Test("Planes that share their moments have memory for statistics")
  func statistics() throws {
    let form = TensorForm([2, 4, 8, 8], .float32)
    #expect(try Plan(for: [form]) { try normalized($0[0], .layer) }.workspaceByteCount == 2 * 4 * 16)
    #expect(try Plan(for: [form]) { try normalized($0[0]) }.workspaceByteCount == 0)
  }

  @Test("A steady state takes nothing from the system")
  func steadyState() throws {
    let form = TensorForm([1, 16, 64, 64], .float32)
    let plan = try Plan(for: [form]) { try blocks(2, $0[0]).padded(1, mode: .reflect).mean(over: [2, 3]) }
    let x = try normal(form.shape, seed: 1)
    for _ in 0..<3 { _ = try plan(x) }
    // Other tests run meanwhile and may take some; a plan that took some would do so in each of many tries.
    var least = Int.max
    for _ in 0..<20 {
      let before = MemoryPool.shared.statistics.systemAllocations
      for _ in 0..<3 { _ = try plan(x) }
      least = min(least, MemoryPool.shared.statistics.systemAllocations - before)
    }
    #expect(least == 0)
  }

  @Test("Sixteen tasks share a plan")
  func concurrent() async throws {
    let form = TensorForm([2, 4, 12, 10], .float32)
    let weights = try normal([4], seed: 3)
    let plan = try Plan(for: [form]) { x in
      let y = try Doubled(input: blocks(2, x[0] * weights)).result()
      return try y.padded(1, mode: .reflect).relu() * y.mean()
    }
    let inputs = try (0..<16).map { try normal(form.shape, seed: UInt64($0)) }
    let expected = try inputs.map { try bits(plan($0)) }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for (input, expected) in zip(inputs, expected) {
        group.addTask {
          for _ in 0..<20 where try bits(plan(input)) != expected { return false }
          return true
        }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }
}
