import InstanceNorm

extension Promise {
  /// Promises about values, held against the CPU's in float64.
  static let exact = [
    Promise("planes of 1 to 300 values") { device, tally in
      for size in 1...300 {
        Trial(name: "\(size) values", x: try normal([2, 3, 1, size], mean: 1, seed: UInt64(size))).run(
          on: device, &tally)
      }
    },
    Promise("few and many planes, small and large") { device, tally in
      for shape in [
        [1, 1, 1, 1], [1, 1, 257, 255], [1, 64, 16, 16], [3, 17, 33, 31], [40, 30, 5, 5], [2, 200, 1, 9],
        [1, 2, 512, 512],
      ] as [Shape] {
        Trial(name: "\(shape)", x: try normal(shape, mean: 0.4, deviation: 2)).run(on: device, &tally)
      }
    },
    Promise("a plane of 2^24 values") { device, tally in
      // With one map, the layouts are the same.
      Trial(
        name: "mean 1e5", x: try normal([1, 1, 4096, 4096], mean: 1e5), types: [.float32], layouts: [.nchw]
      ).run(on: device, &tally)
    },
    Promise("means far larger than the deviation") { device, tally in
      for (shape, mean) in [([2, 3, 50, 50], 1e6), ([1, 1, 512, 512], -1e6), ([1, 5, 7, 9], 1e4)] as [(Shape, Double)] {
        Trial(
          name: "mean \(mean) and deviation 1, \(shape)", x: try normal(shape, mean: mean), types: [.float32, .float64]
        ).run(on: device, &tally)
        Trial(
          name: "mean 1000 and deviation 3, \(shape)", x: try normal(shape, mean: 1000, deviation: 3),
          types: [.float16, .bfloat16]
        ).run(on: device, &tally)
      }
      var outlier = try normal([1, 2, 64, 64])
      try outlier.set(1e12, at: 0, 0, 5, 5)
      try outlier.set(-3e30, at: 0, 1, 63, 63)
      Trial(name: "an outlier", x: outlier, types: [.bfloat16, .float32]).run(on: device, &tally)
    },
    Promise("the largest and the smallest magnitudes") { device, tally in
      let largest = Double(Float.greatestFiniteMagnitude)
      for values in [[1.49e38, 9.0e37, -1.3e38, 3.06e38], [largest, -largest, 0, 1], [largest, largest, largest, 0]] {
        Trial(name: "\(values)", x: try Tensor(values, shape: [1, 1, 2, 2]), types: [.float32]).run(on: device, &tally)
      }
      Trial(
        name: "deviation 5e37", x: try normal([2, 3, 30, 30], deviation: 5e37), types: [.bfloat16, .float32]
      ).run(on: device, &tally)
      Trial(name: "deviation 1e4", x: try normal([2, 3, 30, 30], deviation: 1e4), types: [.float16]).run(
        on: device, &tally)
      for epsilon in [1e-5, 0] {
        for (deviation, types) in [(1e-38, [.bfloat16, .float32]), (1e-43, [.float32]), (1e-7, [.float16])]
          as [(Double, [DType])]
        {
          Trial(
            name: "deviation \(deviation), epsilon \(epsilon)", x: try normal([2, 3, 30, 30], deviation: deviation),
            layer: { try InstanceNorm2D(numOfMaps: $0, epsilon: epsilon) }, types: types
          ).run(on: device, &tally)
        }
      }
    },
    Promise("an activation and a residual, fused in both places") { device, tally in
      for activation in [Activation.none, .relu, .leakyReLU(slope: 0.25)] {
        for place in ResidualPlace.allCases {
          for residual in [nil, try lobes([2, 3, 21, 19], reach: 0.05, seed: 9)] {
            // No value lies near 0, where rounding alone decides which slope it gets.
            Trial(
              name: "\(activation), \(residual == nil ? "no residual" : "\(place)")", x: try lobes([2, 3, 21, 19]),
              layer: { try InstanceNorm2D(numOfMaps: $0, activation: activation, residualPlace: place) },
              residual: residual, parameters: (scaleMean: 1, deviation: 0.05)
            ).run(on: device, &tally)
          }
        }
      }
    },
    Promise("every type of normalisation") { device, tally in
      let types: [(String, (Int) throws -> Normalization)] = [
        ("batch", { try BatchNorm2D(numOfMaps: $0, trackRunningStats: false) }),
        ("layer", { try LayerNorm2D(numOfMaps: $0) }),
        ("layer by element", { try LayerNorm2D(numOfMaps: $0, perElement: (9, 7)) }),
        ("group", { try GroupNorm2D(groups: 3, numOfMaps: $0) }),
        ("without scale and bias", { try InstanceNorm2D(numOfMaps: $0, affine: false) }),
        ("conditional", { try ConditionalInstanceNorm2D(numOfMaps: $0, numOfStyles: 4) }),
        ("adaptive", { _ in try AdaptiveInstanceNorm2D() }),
      ]
      let x = try normal([5, 6, 9, 7], mean: 3)
      for (name, layer) in types {
        Trial(name: name, x: x, layer: layer, prepare: giveStyle).run(on: device, &tally)
      }
    },
  ]
}
