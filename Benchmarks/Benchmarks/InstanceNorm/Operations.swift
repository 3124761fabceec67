import Benchmark
import InstanceNorm

/// Operations on tensors one by one, and a block of them as a plan.
func measureOperations() {
  let operations: [(name: String, run: @Sendable (_ first: Tensor, _ second: Tensor) throws -> Tensor)] = [
    ("add", { try $0 + $1 }), ("relu", { first, _ in try first.relu() }), ("exp", { first, _ in try first.exp() }),
    ("sum", { first, _ in try first.sum() }), ("sum by maps", { first, _ in try first.sum(over: [0, 2, 3]) }),
  ]
  let shape: Shape = [1, 64, 128, 128]
  for (name, run) in operations {
    for dtype in [DType.float32, .float16] {
      Benchmark("\(name) \(shape) \(dtype)") { benchmark in
        let first = try Tensor.randomNormal(shape, seed: 1, dtype: dtype)
        let second = try Tensor.randomNormal(shape, seed: 2, dtype: dtype)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(try run(first, second)) }
        benchmark.stopMeasurement()
      }
    }
  }

  for size in [64, 512] {
    Benchmark("matmul (\(size), \(size)) float32") { benchmark in
      let first = try Tensor.randomNormal([size, size], seed: 1)
      let second = try Tensor.randomNormal([size, size], seed: 2)
      benchmark.startMeasurement()
      for _ in benchmark.scaledIterations { blackHole(try first.matmul(second)) }
      benchmark.stopMeasurement()
    }
  }

  Benchmark("plan of a residual block \(shape)") { benchmark in
    let (norm, second) = (try InstanceNorm2D(numOfMaps: shape[1]), try InstanceNorm2D(numOfMaps: shape[1]))
    let block = try Sequential([Residual([norm, ReLU(), second]), ReLU()])
    let plan = try block.plan(for: shape)
    let x = try Tensor.randomNormal(shape, seed: 1)
    blackHole(try plan(x))
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations { blackHole(try plan(x)) }
    benchmark.stopMeasurement()
  }
}
