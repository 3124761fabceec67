import Operations
import Tensors
import Testing

/// Graphs of random operations by the kernels, and by the references: values, gradients and gradients of gradients.
@Suite struct RandomGraphTests {
  private let plain = Device(try! CPUBackend(threads: 1, .plain))

  /// A graph's value, the gradients of a sum of it by both inputs, and those of the sum of their squares.
  private func results(
    _ graph: RandomGraph, on device: Device, _ dtype: DType, _ layout: Layout, secondOrder: Bool
  ) throws -> [Tensor] {
    let inputs = try [1, 2].map {
      try normal(graph.form.shape, dtype, layout, seed: graph.seed &* 7 &+ $0).copied(to: device)
    }
    var value: Tensor?
    func loss() throws -> Tensor {
      let y = try graph(inputs)
      value = y
      return try (y * y.stopGradient().tanh()).sum()
    }
    func first() throws -> [Tensor] { try gradients(of: loss(), by: inputs) }
    func squares() throws -> Tensor {
      let slopes = try first()
      return try slopes[0].square().sum() + slopes[1].square().sum()
    }
    var results = try first()
    if secondOrder { results += try gradients(of: squares(), by: inputs) }
    return results + [value].compactMap { $0 }
  }

  /// The largest difference, relative to the largest value.
  private func difference(_ first: Tensor, _ second: Tensor) throws -> Double {
    #expect(first.shape == second.shape)
    let (a, b) = (try first.array(of: Double.self), try second.array(of: Double.self))
    let largest = b.reduce(1e-30) { max($0, abs($1)) }
    return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
  }

  @Test("A thousand random graphs give the references' values and gradients", arguments: Layout.allCases)
  func float64(layout: Layout) throws {
    let count = isThorough ? 600 : 60
    for seed in 0..<count {
      let graph = RandomGraph(
        seed: UInt64(10_000 + seed), form: TensorForm([2, 3, 4, 3], .float64, layout), length: 3 + seed % 9)
      let isSecond = seed % 3 == 0
      let found = try results(graph, on: .cpu, .float64, layout, secondOrder: isSecond)
      let expected = try results(graph, on: plain, .float64, layout, secondOrder: isSecond)
      for (index, (a, b)) in zip(found, expected).enumerated() {
        let worst = try difference(a, b)
        #expect(worst < 1e-7, "seed \(seed), result \(index): \(worst)")
      }
    }
  }

  @Test("In float32 the values are near those of float64", arguments: Layout.allCases)
  func float32(layout: Layout) throws {
    var far = 0
    let count = isThorough ? 600 : 60
    for seed in 0..<count {
      func graph(_ dtype: DType) -> RandomGraph {
        RandomGraph(
          seed: UInt64(20_000 + seed), form: TensorForm([2, 3, 5, 4], dtype, layout), length: 3 + seed % 9)
      }
      func value(_ dtype: DType, on device: Device) throws -> Tensor {
        let graph = graph(dtype)
        return try graph([1, 2].map { try normal(graph.form.shape, dtype, layout, seed: $0).copied(to: device) })
      }
      let worst = try difference(value(.float32, on: .cpu), value(.float64, on: plain))
      // A plane that is constant but for rounding is made large, and rightly so.
      if !(worst < 1e-4) { far += 1 }
      #expect(worst.isFinite, "seed \(seed)")
    }
    #expect(far <= count / 50, "\(far) of \(count)")
  }
}

#if DEBUG
  private let isThorough = false
#else
  private let isThorough = true
#endif
