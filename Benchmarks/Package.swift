// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that users of the library do not fetch what only its benchmarks need.
let package = Package(
  name: "Benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "InstanceNormPackage", path: ".."),
    // Without its traits it counts no allocations, and needs none of what it would count them with.
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "InstanceNormBenchmarks",
      dependencies: [
        .product(name: "InstanceNorm", package: "InstanceNormPackage"),
        .product(name: "Benchmark", package: "benchmark"),
      ],
      path: "Benchmarks/InstanceNorm",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ]
)
