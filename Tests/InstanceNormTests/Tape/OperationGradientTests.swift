import InstanceNorm
import TestSupport
import Testing

/// The gradients of every operation, and their gradients, predict differences.
@Suite struct OperationGradientTests {
  // MARK: Functions of one value

  static let functions: [PointwiseFunction] = [
    .relu, .leakyReLU(slope: 0.3), .tanh, .sigmoid, .exp, .absolute, .square, .clamp(-0.7, 1.1), .softplus, .gelu,
    .silu, .negate, .affine(scale: -1.5, offset: 0.4),
  ]

  @Test(arguments: functions) func `functions of one value`(function: PointwiseFunction) throws {
    for layout in Layout.allCases {
      try Differences.expect("\(function)", by: [.numbers([1, 3, 2, 3], layout)], orders: 3, within: 1e-6) {
        try $0[0].applying(function)
      }
    }
  }

  @Test(arguments: [PointwiseFunction.log, .squareRoot, .reciprocal])
  func `functions of one positive value`(function: PointwiseFunction) throws {
    let x = try Tensor.randomUniform([2, 7], in: 0.6..<3, seed: 1, dtype: .float64)
    try Differences.expect("\(function)", by: [x], orders: 3, within: 1e-6) { try $0[0].applying(function) }
  }

  @Test func `arithmetic with numbers, and slopes that are tensors`() throws {
    let x = try Tensor.numbers([1, 2, 2, 3], mean: 4)
    try Differences.expect("numbers", by: [x]) { try 2 / (3 - ($0[0] + 1) * 2 / 5) - (1 + $0[0]) - 3 }
    try Differences.expect("prelu", by: [x - 4, .numbers([2], seed: 2)]) { try $0[0].prelu(slope: $0[1]) }
  }

  // MARK: Of two values

  static let binary: [String: @Sendable (Tensor, Tensor) throws -> Tensor] = [
    "+": { try $0 + $1 }, "-": { try $0 - $1 }, "*": { try $0 * $1 }, "/": { try $0 / $1 },
    "maximum": { try $0.maximum($1) }, "minimum": { try $0.minimum($1) },
  ]

  static let pairs: [(Shape, Shape)] = [
    ([2, 3], [2, 3]), ([2, 3, 2, 2], [2, 3, 2, 2]), ([2, 3, 2, 2], []), ([2, 3, 2, 2], [3]), ([2, 3, 2, 2], [2, 3]),
    ([2, 3, 2, 2], [3, 2, 2]), ([2, 3, 2, 2], [1, 3, 1, 2]), ([2, 1, 2, 1], [1, 3, 1, 2]), ([2, 3, 4], [1]),
    ([2, 2, 1, 3, 2], [2]), ([4], []), ([], []),
  ]

  @Test(arguments: binary.keys.sorted(), pairs)
  func `arithmetic, whatever is repeated`(name: String, shapes: (Shape, Shape)) throws {
    let operation = try #require(Self.binary[name])
    for layout in Layout.allCases {
      func operand(_ shape: Shape, _ seed: UInt64) throws -> Tensor {
        // Away from 0, where quotients are steep, and the two from one another.
        let values = try Tensor.numbers(shape, mean: seed == 1 ? 0.3 : 3, deviation: 0.4, seed: seed)
        return try shape.rank >= 4 ? values.to(layout) : values
      }
      let (a, b) = (try operand(shapes.0, 1), try operand(shapes.1, 2))
      try Differences.expect("\(shapes.0) \(name) \(shapes.1)", by: [a, b]) { try operation($0[0], $0[1]) }
      try Differences.expect("\(shapes.1) \(name) \(shapes.0)", by: [a, b]) { try operation($0[1] - 2.4, $0[0] + 2.4) }
    }
  }

  @Test func `an operand in the other layout`() throws {
    let (a, b) = (try Tensor.numbers([2, 3, 2, 2]), try Tensor.numbers([2, 3, 2, 2], mean: 3, seed: 2, .nhwc))
    for (name, operation) in Self.binary {
      try Differences.expect(name, by: [a, b]) { try operation($0[0], $0[1]) }
      try Differences.expect(name, by: [a, b]) { try operation($0[1] * $0[1], $0[0] * 0.2 + $0[1]) }
    }
  }

  // MARK: Sums

  static let reductions: [String: @Sendable (Tensor, [Int]?, Bool) throws -> Tensor] = [
    "sum": { try $0.sum(over: $1, keepingAxes: $2) }, "mean": { try $0.mean(over: $1, keepingAxes: $2) },
    "max": { try $0.max(over: $1, keepingAxes: $2) }, "norm": { try $0.norm(over: $1, keepingAxes: $2) },
  ]

  @Test(
    arguments: reductions.keys.sorted(), [nil, [0], [1], [3], [0, 1], [2, 3], [-1, 0], [1, 2, 3], [0, 2, 3], []])
  func `sums over any axes`(name: String, axes: [Int]?) throws {
    let reduction = try #require(Self.reductions[name])
    for layout in Layout.allCases {
      for keepsAxes in [false, true] {
        let x = try Tensor.numbers([2, 3, 2, 2], seed: 5, layout)
        let what = axes.map { "\($0)" } ?? "all"
        try Differences.expect("\(name) over \(what), \(layout)", by: [x], within: 1e-6) {
          try reduction($0[0], axes, keepsAxes)
        }
      }
    }
  }

  @Test func `where several values are the greatest, each has its part of the gradient`() throws {
    let x = try Tensor([3, 1, 3, 3, 2, 2] as [Double], shape: [2, 3])
    let dx = try gradients(of: (x.max(over: [1]) * Tensor([6, 12] as [Double])).sum(), by: x)
    #expect(try dx.doubles == [3, 0, 3, 12, 0, 0])
  }

  // MARK: Matrices

  @Test(arguments: [false, true], [false, true])
  func `products of matrices, as they are and transposed`(transposesFirst: Bool, transposesSecond: Bool) throws {
    // The third gradient is of products whose operands are both transposed.
    for (first, second) in [([2, 3], [3, 2]), ([2, 2, 3], [2, 3, 2]), ([2, 2, 3], [3, 2]), ([2, 3], [2, 3, 2])]
      as [(Shape, Shape)]
    {
      func operand(_ shape: Shape, _ isTransposed: Bool, _ seed: UInt64) throws -> Tensor {
        let tensor = try Tensor.numbers(shape, seed: seed)
        return isTransposed ? try tensor.transposed() : tensor
      }
      let (a, b) = (try operand(first, transposesFirst, 1), try operand(second, transposesSecond, 2))
      try Differences.expect("\(first) times \(second)", by: [a, b], orders: 3, within: 1e-6) {
        try (transposesFirst ? $0[0].transposed() : $0[0])
          .matmul(transposesSecond ? $0[1].transposed() : $0[1]).square()
      }
    }
    try Differences.expect("one for all", by: [.numbers([1, 2, 3]), .numbers([3, 3, 2])]) { try $0[0].matmul($0[1]) }
  }

  @Test(arguments: Layout.allCases) func `Gram matrices`(layout: Layout) throws {
    for shape in [[2, 3, 4], [2, 3, 2, 2], [1, 2, 2, 1, 2]] as [Shape] {
      try Differences.expect("\(shape)", by: [.numbers(shape, layout)], orders: 3, within: 1e-6) {
        try $0[0].gramMatrix()
      }
    }
  }

  // MARK: Places

  static let rearrangements: [(String, @Sendable (Tensor) throws -> Tensor)] = [
    ("permuted", { try $0.permuted(to: [0, 1, 3, 2]) }), ("permuted", { try $0.permuted(to: [3, 0, 1, 2]) }),
    ("transposed", { try $0.transposed() }), ("sliced", { try $0.sliced(along: 1, 1..<3) }),
    ("sliced to nothing", { try $0.sliced(along: 2, 1..<1) }), ("reversed", { try $0.reversed(along: -1) }),
    ("cropped", { try $0.cropped(rows: 1..<3, columns: 0..<2) }),
    ("split", { try $0.split(along: 1, into: [1, 2])[1] }),
    ("joined", { try $0.reshaped(to: [2, 3, 9]) }), ("flattened", { try $0.to(.nchw).flattened(from: 1) }),
    ("in the other layout", { try $0.to($0.layout == .nchw ? .nhwc : .nchw) }),
    ("padded by 0", { try $0.padded(2) }), ("mirrored", { try $0.padded(2, mode: .reflect) }),
    ("with its edges repeated", { try $0.padded(rows: (3, 0), columns: (1, 2), mode: .replicate) }),
    ("padded along an axis", { try $0.padded(along: 1, before: 1, after: 2, mode: .reflect) }),
    ("enlarged", { try $0.upsampled(by: 2) }), ("made smaller", { try $0.resized(to: [2, 1]) }),
    ("enlarged smoothly", { try $0.resized(to: [5, 4], mode: .bilinear()) }),
    ("enlarged smoothly to its corners", { try $0.resized(to: [5, 4], mode: .bilinear(alignCorners: true)) }),
    ("made smaller smoothly", { try $0.resized(to: [2, 2], mode: .bilinear()) }),
    ("repeated", { try $0.sum(over: [0, 2], keepingAxes: true).broadcast(to: [2, 3, 3, 3]) }),
    ("maps repeated", { try $0.mean(over: [0, 2, 3]).broadcast(to: [2, 3, 2, 2]) }),
    ("concatenated", { try Tensor.concatenated([$0, $0.square(), $0.reversed(along: 1)], along: 1) }),
    ("concatenated pictures", { try Tensor.concatenated([$0.square(), $0], along: 0) }),
  ]

  @Test(arguments: rearrangements.indices, Layout.allCases)
  func `values in other places`(index: Int, layout: Layout) throws {
    let (name, rearrangement) = Self.rearrangements[index]
    // Squared, so that second gradients are not all 0.
    try Differences.expect(name, by: [.numbers([2, 3, 3, 3], layout)], within: 1e-6) {
      try rearrangement($0[0]).square()
    }
  }

  @Test func `other types and other devices give back what they got, rounded`() throws {
    let x = try Tensor.randomNormal([1, 2, 3, 2], seed: 1).to(.nhwc)
    let weights = try Tensor.numbers([1, 2, 3, 2], seed: 2, .nhwc)
    let dx = try gradients(of: (weights * x.to(.float64)).sum(), by: x)
    #expect(dx.dtype == .float32 && dx.layout == .nhwc)
    #expect(try bits(dx) == bits(weights.to(.float32)))
    let far = Device(FarBackend())
    let there = try gradients(of: (weights * x.to(far).square().to(.cpu).to(.float64)).sum(), by: x)
    #expect(there.device == .cpu)
    #expect(try bits(there) == bits(2 * x * weights.to(.float32)))
  }
}
