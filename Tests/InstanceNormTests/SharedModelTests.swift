import InstanceNorm
import Synchronization
import TestSupport
import Testing

/// Models in evaluation, and tasks that share them.
@Suite struct SharedModelTests {
  private func model() throws -> Sequential {
    let norm = try BatchNorm2D(numOfMaps: 6)
    let model = try Sequential([
      InstanceNorm2D(numOfMaps: 6), LeakyReLU(slope: 0.2), Residual([norm, ReLU(), LayerNorm2D(numOfMaps: 6)]),
    ])
    for seed in 1...3 as ClosedRange<UInt64> { try model(.randomNormal([2, 6, 7, 5], mean: 1, seed: seed)) }
    model.reset()
    return model
  }

  @Test func `a plan of a module in training is of its evaluation, and changes nothing`() throws {
    let model = try model()
    let x = try Tensor.randomNormal([3, 6, 8, 9], seed: 9)
    let norm = try #require((model.modules[2] as? Residual)?.path.modules[0] as? BatchNorm2D)
    let before = try bits(#require(norm.runningMean))
    let plan = try model.plan(for: x.shape)
    #expect(model.train && norm.train && model.data == nil)
    #expect(try bits(#require(norm.runningMean)) == before && norm.numOfBatches == 3)
    model.evalMode()
    let expected = try model(x)
    #expect(try bits(plan(x)) == bits(expected))
    #expect(model.data == nil && norm.data == nil && norm.saveMean == nil, "evaluation keeps nothing")
    #expect(throws: TensorError.self) { try plan(x.sliced(along: 0, 0..<1)) }
    // Later training is not the plan's.
    norm.scale?.data = try .zeros([6])
    #expect(try bits(plan(x)) == bits(expected))
  }

  @Test func `sixteen tasks share a model, with pictures of several sizes`() async throws {
    let reference = try model()
    reference.evalMode()
    let sizes = [(4, 5), (8, 3), (9, 9)]
    let pictures = try sizes.enumerated().map { number, size in
      try Tensor.randomNormal([1, 6, size.0, size.1], seed: UInt64(number + 1))
    }
    let expected = try pictures.map { try bits(reference($0)) }
    let shared = SharedModel(try model(), plans: 2)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<16 {
        group.addTask {
          for call in 0..<20 {
            let index = (task + call) % pictures.count
            if try bits(shared(pictures[index])) != expected[index] { return false }
          }
          return true
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
  }

  @Test func `plans of the forms that were used last are kept`() throws {
    /// Counts the plans that are made of it.
    final class Counted: Module {
      let count = Atomic(0)

      override func dataShape(from shape: Shape) throws -> Shape { shape }
      override func forward(_ data: Tensor) throws -> Tensor {
        count.add(1, ordering: .relaxed)
        return try data.tanh()
      }
    }
    let counted = Counted()
    nonisolated(unsafe) let known = counted
    let shared = SharedModel(known, plans: 2)
    for (size, plans) in [(1, 1), (2, 2), (1, 2), (3, 3), (1, 3), (3, 3), (2, 4)] {
      _ = try shared(.zeros([1, 1, size, 1]))
      #expect(counted.count.load(ordering: .relaxed) == plans, "size \(size)")
    }
  }

  @Test func `wrong data is refused, and the model goes on`() throws {
    let shared = SharedModel(try model())
    #expect(throws: ModuleError.self) { try shared(.zeros([1, 5, 4, 4])) }
    #expect(throws: ModuleError.self) { try shared(.zeros([1, 6, 4, 4], dtype: .float64)) }
    #expect(try shared(.zeros([1, 6, 4, 4])).shape == [1, 6, 4, 4])
  }
}
