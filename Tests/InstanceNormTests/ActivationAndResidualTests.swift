import InstanceNorm
import TestSupport
import Testing

/// A layer with an activation and a residual is the layer without, and the two after it.
@Suite struct ActivationAndResidualTests {
  static let activations: [Activation] = [.none, .relu, .leakyReLU(), .leakyReLU(slope: 0.3), .leakyReLU(slope: -0.5)]

  private func layer(
    _ activation: Activation = .none, _ place: ResidualPlace = .afterActivation, dtype: DType = .float32
  ) throws -> InstanceNorm2D {
    let norm = try InstanceNorm2D(numOfMaps: 5, activation: activation, residualPlace: place)
    norm.scale?.data = try Tensor([1.5, -0.7, 0.2, 3, 1] as [Float])
    norm.bias?.data = try Tensor([0.3, -1, 0, 0.1, 2] as [Float])
    try norm.calcMode(dtype)
    return norm
  }

  private let shape: Shape = [3, 5, 17, 13]

  private func apply(_ activation: Activation, _ n: Double) -> Double {
    n > 0 ? n : activation == .none ? n : n * activation.negativeSlope
  }

  @Test(arguments: activations, ResidualPlace.allCases)
  func `forward is the composition`(activation: Activation, place: ResidualPlace) throws {
    for layout in Layout.allCases {
      let x = try Tensor.randomNormal(shape, mean: 1, seed: 1).to(layout)
      let r = try Tensor.randomNormal(shape, seed: 2)
      let n = try layer()(x).doubles
      let norm = try layer(activation, place)
      let alone = try norm(x).doubles
      for (value, n) in zip(alone, n) { #expect(abs(value - apply(activation, n)) <= 1e-7 * max(1, abs(value))) }
      // The residual is in a layout of its own, too.
      let y = try norm(x, residual: r)
      #expect(y.layout == layout)
      for (value, (n, r)) in zip(try y.doubles, zip(n, try r.doubles)) {
        let expected = place == .afterActivation ? apply(activation, n) + r : apply(activation, n + r)
        #expect(abs(value - expected) <= 3e-7 * max(1, abs(n) + abs(r)))
      }
    }
  }

  /// In float64, by central differences of a weighted sum of y.
  @Test(arguments: activations, ResidualPlace.allCases)
  func `all gradients are the finite differences`(activation: Activation, place: ResidualPlace) throws {
    for (hasResidual, layout) in [(true, Layout.nchw), (true, .nhwc), (false, .nchw)] {
      let shape: Shape = [2, 5, 3, 2]
      let norm = try layer(activation, place, dtype: .float64)
      let x = try Tensor.randomNormal(shape, mean: 1, seed: 1).to(.float64).to(layout)
      let r = try Tensor.randomNormal(shape, seed: 2).to(.float64).to(layout)
      let weights = try Tensor.randomNormal(shape, seed: 3).to(.float64).to(layout)
      func loss(_ x: Tensor, _ r: Tensor) throws -> Double {
        try ((hasResidual ? norm(x, residual: r) : norm(x)) * weights).sum().scalar()
      }
      func difference(_ change: (Double) throws -> Double) throws -> Double {
        let step = 1e-6
        return (try change(step) - change(-step)) / (2 * step)
      }
      func bumped(_ tensor: Tensor, _ index: Int, by step: Double) throws -> Tensor {
        var values = try tensor.doubles
        values[index] += step
        return try Tensor(values, shape: tensor.shape).to(tensor.layout)
      }
      _ = try loss(x, r)
      let dx = try norm.backward(weights).doubles
      #expect(norm.grads.count == (hasResidual ? 2 : 1))
      let dr = try hasResidual ? norm.grads[1]?.doubles : nil
      #expect((dr != nil) == hasResidual)
      let dscale = try #require(norm.scale?.grad).doubles
      let dbias = try #require(norm.bias?.grad).doubles
      for index in 0..<x.count {
        #expect(abs(try difference { try loss(bumped(x, index, by: $0), r) } - dx[index]) < 1e-6)
        if let dr { #expect(abs(try difference { try loss(x, bumped(r, index, by: $0)) } - dr[index]) < 1e-6) }
      }
      for (variable, grads) in [(try #require(norm.scale), dscale), (try #require(norm.bias), dbias)] {
        let values = variable.data
        for map in 0..<5 {
          let slope = try difference { step in
            variable.data = try bumped(values, map, by: step)
            return try loss(x, r)
          }
          variable.data = values
          #expect(abs(slope - grads[map]) < 1e-6)
        }
      }
    }
  }

  @Test func `in place is the same, bit for bit, and leaves other tensors alone`() throws {
    for layout in Layout.allCases {
      for dtype in DType.allCases {
        let x = try Tensor.randomNormal(shape, mean: 1, seed: 1).to(dtype).to(layout)
        let r = try Tensor.randomNormal(shape, seed: 2).to(dtype)
        let norm = try layer(.relu, .beforeActivation, dtype: dtype)
        let expected = try bits(norm(x, residual: r))
        let mean = try bits(#require(norm.saveMean))
        norm.reset()

        var shared = x
        let before = try bits(x)
        try norm.normalize(inPlace: &shared, residual: r)
        #expect(try bits(shared) == expected)
        #expect(try bits(x) == before)

        var own = try Tensor.randomNormal(shape, mean: 1, seed: 1).to(dtype).to(layout)
        let address = own.storage.address
        try norm.normalize(inPlace: &own, residual: r)
        #expect(own.storage.address == address && own.layout == layout)
        #expect(try bits(own) == expected)
        #expect(try bits(#require(norm.saveMean)) == mean)
        // What was normalised in place has no gradient.
        #expect(throws: ModuleError.backwardBeforeForward(module: "InstanceNorm2D")) { try norm.backward(own) }
      }
    }
  }

  @Test func `where ReLU is flat, not even NaN comes back through it`() throws {
    for dtype in DType.allCases {
      for layout in Layout.allCases {
        let norm = try InstanceNorm2D(numOfMaps: 2, activation: .relu)
        try norm.calcMode(dtype)
        let x = try Tensor([3, -1, -2, 4, 1, -5, 6, -2] as [Float], shape: [1, 2, 2, 2]).to(dtype).to(layout)
        let dy = try Tensor([1, .nan, .infinity, 2, 1, .nan, 1, 0] as [Float], shape: [1, 2, 2, 2])
        let clean = try Tensor([1, 0, 0, 2, 1, 0, 1, 0] as [Float], shape: [1, 2, 2, 2])
        try norm(x)
        let expected = try bits(norm.backward(clean.to(dtype).to(layout)))
        #expect(try bits(norm.backward(dy.to(dtype).to(layout))) == expected)
        #expect(try #require(norm.scale?.grad).doubles.allSatisfy(\.isFinite))
      }
    }
  }

  @Test func `a call without a residual after one with has no residual's gradient`() throws {
    let norm = try layer(.relu, .beforeActivation)
    let x = try Tensor.randomNormal(shape, seed: 1)
    try norm(x, residual: x)
    try norm.backward(x)
    #expect(norm.grads.count == 2 && norm.grads.allSatisfy { $0 != nil })
    try norm(x)
    #expect(norm.grads.isEmpty)
    let alone = try bits(norm.backward(x))
    #expect(norm.grads.count == 1)
    #expect(try bits(layer(.relu)(x)) == bits(norm(x)))
    norm.reset()
    // Nor has a backward call that does without the data's.
    try norm(x, residual: x)
    try norm.backward(x)
    try norm.backward(x, updGrad: false)
    #expect(norm.grads.isEmpty && norm.grad == nil)
    try norm(x)
    try norm.backward(x)
    let other = try layer(.relu)
    try other(x)
    #expect(try bits(other.backward(x)) == alone)
  }

  @Test func `a residual that does not fit throws, and nothing has changed`() throws {
    let norm = try layer(.relu)
    let x = try Tensor.randomNormal(shape, seed: 1)
    let y = try norm(x)
    var own = x
    for wrong in [try Tensor.zeros([3, 5, 17, 12]), try Tensor.zeros(shape, dtype: .float64)] {
      #expect(throws: TensorError.self) { try norm(x, residual: wrong) }
      #expect(throws: TensorError.self) { try norm.normalize(inPlace: &own, residual: wrong) }
    }
    let text = "\(try #require(#expect(throws: TensorError.self) { try norm(x, residual: Tensor.zeros([1])) }))"
    #expect(text.contains("InstanceNorm2D, residual") && text.contains("(3, 5, 17, 13)"))
    #expect(norm.data?.storage === y.storage)
    #expect(throws: ModuleError.self) { try InstanceNorm2D(numOfMaps: 1, activation: .leakyReLU(slope: .nan)) }
  }

  @Test func `blueprint and description say what follows`() throws {
    let plain = try InstanceNorm2D(numOfMaps: 3).blueprint
    #expect(Set(plain.scheme.keys) == ["numOfMaps", "epsilon", "affine", "name"])
    for activation in Self.activations {
      for place in ResidualPlace.allCases {
        let norm = try layer(activation, place)
        let built = try Blueprint(json: norm.blueprint.json()).build()
        let copy = try #require(built as? InstanceNorm2D)
        #expect(copy.activation == activation && copy.residualPlace == place)
        #expect(copy.description == norm.description)
      }
    }
    #expect("\(try layer(.relu))".hasSuffix("activation: relu)"))
    var wrong = try layer(.relu).blueprint
    wrong.scheme["activation"] = .string("tanh")
    #expect(throws: ModuleError.self) { try wrong.build() }
    wrong = try layer(.leakyReLU()).blueprint
    wrong.scheme["slope"] = nil
    #expect(throws: ModuleError.self) { try wrong.build() }
    wrong.scheme["residualPlace"] = .string("nowhere")
    #expect(throws: ModuleError.self) { try wrong.build() }
  }
}
