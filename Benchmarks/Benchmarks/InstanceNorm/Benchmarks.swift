import Benchmark
import InstanceNorm

// For regressions: `script/bench` runs these and compares with what it measured before.

let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .instructions], warmupIterations: 3, scalingFactor: .one, maxDuration: .seconds(1),
    maxIterations: 100_000)

  let shapes: [Shape] = [[5, 3, 4, 4], [1, 64, 32, 32], [1, 128, 64, 64], [1, 32, 256, 256], [8, 64, 128, 128]]
  for shape in shapes {
    for layout in Layout.allCases {
      for dtype in [DType.float32, .float16] {
        let name = "\(shape) \(layout) \(dtype)"
        let calls: BenchmarkScalingFactor = shape.reduce(1, *) < 100_000 ? .kilo : .one

        /// Measures calls of a layer on some data and a gradient.
        func measure(
          _ operation: String, _ activation: Activation = .none,
          _ body: @escaping @Sendable (InstanceNorm2D, Tensor, Tensor) throws -> Void
        ) {
          Benchmark("\(operation) \(name)", configuration: .init(scalingFactor: calls)) { benchmark in
            let x = try Tensor.randomNormal(shape, mean: 1, seed: 1).to(dtype).to(layout)
            let dy = try Tensor.randomNormal(shape, seed: 2).to(dtype).to(layout)
            let norm = try InstanceNorm2D(numOfMaps: shape[1], activation: activation)
            try norm.calcMode(dtype)
            try norm(x)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { try body(norm, x, dy) }
            benchmark.stopMeasurement()
          }
        }
        measure("forward") { norm, x, _ in try norm(x) }
        measure("backward") { norm, _, dy in try norm.backward(dy) }
        measure("relu and residual", .relu) { norm, x, dy in try norm(x, residual: dy) }
      }
    }
  }

  measureOperations()
}
