import InstanceNorm
import TestSupport
import Testing

/// The gradients of normalisation, with all that one call can do beside it, and their gradients, predict differences.
@Suite struct NormalizationGradientTests {
  static let sharings: [MomentSharing] = [.instance, .layer, .group(2), .batch]
  static let activations: [Activation] = [.none, .relu, .leakyReLU(slope: 0.3)]

  private let shape: Shape = [2, 4, 3, 2]

  @Test(arguments: sharings, activations)
  func `every type, activation and residual, in both places and layouts`(
    sharing: MomentSharing, activation: Activation
  ) throws {
    for layout in Layout.allCases {
      let x = try Tensor.numbers(shape, mean: 1, deviation: 2, seed: 11, layout)
      let (scale, bias) = (try Tensor.numbers([4], mean: 1, seed: 12), try Tensor.numbers([4], seed: 13))
      let residual = try Tensor.numbers(shape, seed: 14, layout)
      for place in ResidualPlace.allCases {
        let attributes = Normalize.Attributes(sharing, epsilon: 0.1, activation: activation, place: place)
        try Differences.expect("\(sharing), \(place), \(layout)", by: [x, scale, bias, residual], within: 1e-6) {
          try Normalize($0[0], scale: $0[1], bias: $0[2], residual: $0[3], attributes).result()
        }
      }
      let attributes = Normalize.Attributes(sharing, epsilon: 0.1, activation: activation)
      try Differences.expect("\(sharing), \(layout), alone", by: [x], within: 1e-6) {
        try Normalize($0[0], attributes).result()
      }
    }
  }

  @Test(arguments: Layout.allCases) func `scales and biases of maps, planes and elements`(layout: Layout) throws {
    let x = try Tensor.numbers(shape, mean: 1, deviation: 2, seed: 21, layout)
    for parameters in [[4], [2, 4], [4, 3, 2]] as [Shape] {
      for sharing in [MomentSharing.instance, .layer] {
        let operands = [x, try Tensor.numbers(parameters, mean: 1, seed: 22), try Tensor.numbers(parameters, seed: 23)]
        let attributes = Normalize.Attributes(sharing, epsilon: 0.1, activation: .leakyReLU(slope: 0.3))
        try Differences.expect("\(parameters), \(sharing), \(layout)", by: operands, within: 1e-6) {
          try Normalize($0[0], scale: $0[1], bias: $0[2], attributes).result()
        }
        try Differences.expect("\(parameters), \(sharing), \(layout), no bias", by: [x, operands[1]], within: 1e-6) {
          try Normalize($0[0], scale: $0[1], attributes).result()
        }
      }
    }
  }

  @Test(arguments: Layout.allCases) func `a batch of one map, whose planes have one scale and a bias each`(
    layout: Layout
  ) throws {
    let operands = [
      try Tensor.numbers([5, 1, 3, 2], mean: 1, seed: 24, layout), try Tensor.numbers([1], mean: 1, seed: 25),
      try Tensor.numbers([5, 1], seed: 26),
    ]
    try Differences.expect("\(layout)", by: operands, within: 1e-6) {
      try Normalize($0[0], scale: $0[1], bias: $0[2], .init(.batch, epsilon: 0.1)).result()
    }
  }

  static let others: [(Shape, Layout)] = [
    ([2, 4, 5], .nhwc), ([1, 2, 2, 3, 2], .nchw), ([1, 2, 2, 3, 2], .nhwc),
  ]

  @Test(arguments: others)
  func `signals and volumes`(shape: Shape, layout: Layout) throws {
    let operands = [
      try Tensor.numbers(shape, seed: 31, layout), try Tensor.numbers([shape[1]], seed: 32),
      try Tensor.numbers([shape[1]], seed: 33),
    ]
    for sharing in Self.sharings {
      try Differences.expect("\(sharing)", by: operands, within: 1e-6) {
        try Normalize($0[0], scale: $0[1], bias: $0[2], .init(sharing, epsilon: 0.1)).result()
      }
    }
  }

  @Test(arguments: Layout.allCases) func `given statistics are constants`(layout: Layout) throws {
    var statistics = try Normalize.Statistics(uninitialized: 2, 4, on: .cpu)
    statistics.mean = try .numbers([2, 4], seed: 41)
    statistics.invStd = try Tensor.randomUniform([2, 4], in: 0.5..<2, seed: 42, dtype: .float64)
    let operands = [
      try Tensor.numbers(shape, seed: 43, layout), try Tensor.numbers([4], seed: 44), try Tensor.numbers([4], seed: 45),
    ]
    try Differences.expect("given", by: operands, within: 1e-6) { [statistics] in
      try Normalize(
        $0[0], scale: $0[1], bias: $0[2], .init(nil, activation: .leakyReLU(slope: 0.3)), statistics: statistics
      ).result()
    }
  }

  @Test(arguments: Layout.allCases) func `means and deviations of planes`(layout: Layout) throws {
    let x = try Tensor.numbers([2, 2, 3, 2], mean: 1, seed: 51, layout)
    try Differences.expect("plane statistics", by: [x], orders: 3, within: 1e-6) {
      try PlaneStatistics($0[0], epsilon: 0.1).result()
    }
  }

  @Test(arguments: [1.0, 0.4], [1, 2]) func `a content and its style`(strength: Double, styles: Int) throws {
    let adain = try AdaptiveInstanceNorm2D(epsilon: 0.1, strength: strength)
    try adain.calcMode(.float64)
    adain.evalMode()
    let operands = [
      try Tensor.numbers([2, 3, 3, 2], mean: 1, seed: 61), try Tensor.numbers([styles, 3, 2, 4], mean: -1, seed: 62),
    ]
    try Differences.expect("adain", by: operands, within: 1e-6) { try adain($0[0], style: $0[1]) }
  }

  @Test func `weights of styles`() throws {
    let norm = try ConditionalInstanceNorm2D(numOfMaps: 3, numOfStyles: 4, activation: .leakyReLU(slope: 0.2))
    try norm.calcMode(.float64)
    norm.evalMode()
    for (_, variable) in norm.variables { variable.data = try .numbers([4, 3], seed: 71) }
    for rows in [1, 2] {
      let operands = [try Tensor.numbers([2, 3, 3, 2], mean: 1, seed: 72), try Tensor.numbers([rows, 4], seed: 73)]
      try Differences.expect("styles", by: operands, within: 1e-6) { try norm($0[0], weights: $0[1]) }
    }
  }
}
