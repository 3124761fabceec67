import InstanceNorm
import TestSupport
import Testing

/// Losses, penalties and their gradients are PyTorch's in float64.
@Suite struct LossTests {
  private static func tolerance(_ dtype: DType) -> Double { dtype == .float64 ? 1e-11 : 1e-5 }

  private typealias Loss = @Sendable (_ x: Tensor, _ y: Tensor, _ other: Tensor) throws -> Tensor

  private static let losses: [String: Loss] = [
    "huber.0.4": { x, y, _ in try huberLoss(x, y, delta: 0.4) },
    "huber.1.0": { x, y, _ in try huberLoss(x, y) },
    "gram": { x, _, other in try gramLoss(x, other.gramMatrix()) },
    "gram_each": { x, y, _ in try gramLoss(x, y.gramMatrix()) },
    "moments": { x, _, other in try momentLoss(x, other.moments()) },
    "moments_each": { x, y, _ in try momentLoss(x, y.moments()) },
    "total_variation": { x, _, _ in try totalVariation(x) },
  ]

  @Test(arguments: losses.keys.sorted()) func `losses of pictures`(name: String) throws {
    let file = try GoldenFile("training")
    let loss = try #require(Self.losses[name])
    for layout in Layout.allCases {
      for dtype in [DType.float64, .float32] {
        let (y, other) = try (file["y", dtype, layout], file["other", dtype, layout])
        let (value, gradient) = try valueAndGradient(by: file["x", dtype, layout]) { try loss($0, y, other) }
        try file.expect(value, is: name, within: Self.tolerance(dtype))
        // Means of many values have small gradients.
        let scale = 100.0
        let expected = try file["\(name).a"].doubles
        for (got, expected) in zip(try gradient.doubles, expected) {
          #expect(abs(got - expected) * scale <= Self.tolerance(dtype), "\(name)")
        }
        #expect(gradient.layout == layout)
      }
    }
  }

  @Test(arguments: AdversarialLoss.allCases) func `adversarial losses`(loss: AdversarialLoss) throws {
    let file = try GoldenFile("training")
    for dtype in [DType.float64, .float32] {
      let (real, fake) = try (file["real", dtype, .nhwc], file["fake", dtype, .nhwc])
      func expect(_ name: String, by inputs: [Tensor], _ value: @autoclosure () throws -> Tensor) throws {
        let name = "\(loss).\(name)"
        try file.expect(value(), is: name, within: Self.tolerance(dtype))
        for (key, gradient) in try zip(["a", "b"], gradients(of: value(), by: inputs)) {
          try file.expect(gradient, is: "\(name).\(key)", within: Self.tolerance(dtype))
        }
      }
      try expect("discriminator", by: [real, fake], loss.discriminator(real: real, fake: fake))
      try expect("generator", by: [fake], loss.generator(fake: fake))
    }
  }

  @Test func `penalties of slopes, and their gradients by a critic`() throws {
    let file = try GoldenFile("training")
    for dtype in [DType.float64, .float32] {
      let weights = try ["w1", "w2"].map {
        try Variable(name: $0, data: file["penalty.\($0)"].to(dtype))
      }
      func critic(_ x: Tensor) throws -> Tensor {
        let hidden = try x.reshaped(to: [x.shape[0], 12]).matmul(weights[0].data.transposed()).tanh()
        return try hidden.matmul(weights[1].data.transposed())
      }
      let (real, fake) = try (file["penalty.real"].to(dtype), file["penalty.fake"].to(dtype))
      for (name, penalty) in [
        ("wasserstein", { try wassersteinPenalty(real: real, fake: fake, seed: 7, critic: critic) }),
        ("r1", { try r1Penalty(real: real, critic: critic) }),
      ] as [(String, () throws -> Tensor)] {
        let (value, found) = try valueAndGradients(of: weights, penalty)
        try file.expect(value, is: "penalty.\(name)", within: Self.tolerance(dtype))
        for weight in weights {
          try file.expect(
            found[weight], is: "penalty.\(name).\(weight.name)", within: Self.tolerance(dtype))
        }
      }
    }
  }

  @Test func `a critic without slopes has a penalty with a gradient`() throws {
    let weight = try Variable(name: "w", data: .zeros([1]))
    let x = try Tensor.randomNormal([2, 3, 2, 2], seed: 1)
    let (value, found) = try valueAndGradients(of: [weight]) {
      try wassersteinPenalty(real: x, fake: -x, seed: 1) { try weight.data * $0.mean(over: [1, 2, 3]) }
    }
    #expect(try abs(value.scalar() - 1) < 1e-5)
    #expect(try #require(found[weight]).doubles == [0])
  }

  @Test func `the penalty of slopes reaches no generator`() throws {
    let bias = try Variable(name: "b", data: .zeros([1]))
    let x = try Tensor.randomNormal([2, 3, 2, 2], seed: 1)
    let (_, found) = try valueAndGradients(of: [bias]) {
      let painted = try x + bias.data
      return try wassersteinPenalty(real: x, fake: painted, seed: 1) { try $0.square().sum() }
        + r1Penalty(real: painted) { try $0.square().sum() } + 0 * bias.data
    }
    #expect(try #require(found[bias]).doubles == [0])
  }

  @Test func `losses of half-width tensors are float32`() throws {
    let x = try Tensor.randomNormal([1, 2, 4, 4], mean: 200, seed: 1, dtype: .float16)
    let wide = try x.to(.float32)
    let gram = try wide.gramMatrix()
    #expect(try gramLoss(x, 0 * gram).scalar() == gramLoss(wide, 0 * gram).scalar())
    #expect(try momentLoss(x, 0 * x.moments()).scalar() > 1e4)
    #expect(try AdversarialLoss.leastSquares.generator(fake: x * 2).scalar() > 1e5)
    #expect(try huberLoss(x, -x).dtype == .float32)
    #expect(try totalVariation(x).dtype == .float32)
    #expect(try r1Penalty(real: x) { try $0.sum() }.scalar() == 32)
  }

  @Test func `the total variation is that of the picture, whatever its form`() throws {
    let x = try Tensor.randomNormal([1, 3, 4, 5], seed: 1, dtype: .float64)
    let expected = try totalVariation(x).scalar()
    for layout in Layout.allCases {
      #expect(try abs(totalVariation(x.reshaped(to: [3, 4, 5]).to(layout)).scalar() - expected) < 1e-12)
    }
    #expect(try totalVariation(Tensor([1, 3, 2] as [Float], shape: [1, 1, 1, 3])).scalar() == 1.5)
    #expect(try totalVariation(Tensor([1, 3, 2] as [Float], shape: [1, 1, 3, 1]).to(.nhwc)).scalar() == 1.5)
  }

  @Test func `what a loss cannot be of throws`() throws {
    let (x, none) = (try Tensor.zeros([1, 2, 3, 3]), try Tensor.zeros([0, 2, 3, 3]))
    #expect(throws: TensorError.self) { try huberLoss(x, none) }
    #expect(throws: TensorError.self) { try huberLoss(x, x, delta: 0) }
    #expect(throws: TensorError.self) { try gramLoss(none, .zeros([1, 2, 2])) }
    #expect(throws: TensorError.self) { try gramLoss(x, .zeros([1, 3, 3])) }
    #expect(throws: TensorError.self) { try gramLoss(x, .zeros([1, 2, 2], dtype: .float64)) }
    #expect(throws: TensorError.self) { try momentLoss(none, .zeros([2, 1, 2])) }
    #expect(throws: TensorError.self) { try x.moments(epsilon: -1) }
    #expect(throws: TensorError.self) { try totalVariation(.zeros([1, 2, 1, 1])) }
    #expect(throws: TensorError.self) { try totalVariation(.zeros([4, 4])) }
    #expect(throws: TensorError.self) { try AdversarialLoss.hinge.generator(fake: none) }
    #expect(throws: TensorError.self) { try wassersteinPenalty(real: x, fake: none, seed: 1) { try $0.sum() } }
    #expect(throws: TensorError.self) { try r1Penalty(real: .zeros([3])) { try $0.sum() } }
  }
}
