import InstanceNorm
import TestSupport
import Testing

/// Every gradient against the change of a loss that it predicts, in float64.
@Suite struct FiniteDifferenceTests {
  static let layers: [@Sendable () throws -> (Module, Shape)] = [
    { (try InstanceNorm2D(numOfMaps: 3), [2, 3, 3, 4]) },
    { (try InstanceNorm2D(numOfMaps: 2, epsilon: 0.3), [1, 2, 5, 3]) },
    { (try InstanceNorm2D(numOfMaps: 3, affine: false), [2, 3, 4, 2]) },
    { (try InstanceNorm2D(numOfMaps: 3), [3, 4, 2]) },
    { (try InstanceNorm1D(numOfMaps: 2), [3, 2, 7]) },
    { (try InstanceNorm3D(numOfMaps: 2), [1, 2, 2, 3, 2]) },
    { (try BatchNorm2D(numOfMaps: 3), [2, 3, 3, 4]) },
    { (try LayerNorm2D(numOfMaps: 3), [2, 3, 3, 4]) },
    { (try LayerNorm2D(numOfMaps: 3, perElement: (3, 4)), [2, 3, 3, 4]) },
    { (try LayerNorm2D(numOfMaps: 1, perElement: (5, 2), activation: .leakyReLU(slope: 0.3)), [3, 1, 5, 2]) },
    { (try GroupNorm2D(groups: 2, numOfMaps: 4, activation: .leakyReLU(slope: 0.3)), [2, 4, 3, 2]) },
    {
      let norm = try ConditionalInstanceNorm2D(numOfMaps: 3, numOfStyles: 2)
      try norm.select(weights: Tensor([0.3, 0.7, 1.5, -0.5], shape: [2, 2]))
      return (norm, [2, 3, 3, 4])
    },
    {
      let model = try Sequential([
        BatchNorm2D(numOfMaps: 4), LeakyReLU(slope: 0.2), Sequential([Tanh(), GroupNorm2D(groups: 2, numOfMaps: 4)]),
        Identity(), LayerNorm2D(numOfMaps: 4), ReLU(),
      ])
      return (model, [3, 4, 2, 3])
    },
    // In evaluation, by running statistics.
    {
      let norm = try BatchNorm2D(numOfMaps: 3)
      try norm(.randomNormal([4, 3, 5, 5], mean: 1, deviation: 2, seed: 9))
      norm.evalMode()
      return (norm, [2, 3, 3, 4])
    },
  ]

  /// (f(x + step) - f(x - step)) / (2 step), for each value of x.
  private func differences(_ values: [Double], _ loss: ([Double]) throws -> Double) rethrows -> [Double] {
    let step = 1e-5
    return try values.indices.map { place in
      var changed = values
      changed[place] += step
      let above = try loss(changed)
      changed[place] -= 2 * step
      return (above - (try loss(changed))) / (2 * step)
    }
  }

  private func expectNear(_ first: [Double], _ second: [Double], _ what: String) {
    #expect(first.count == second.count)
    for (first, second) in zip(first, second) { #expect(abs(first - second) < 2e-8, "\(what)") }
  }

  @Test(arguments: layers.indices, Layout.allCases) func `gradients predict differences`(
    index: Int, layout: Layout
  ) throws {
    let (module, shape) = try Self.layers[index]()
    try module.calcMode(.float64)
    let x = try Tensor.randomNormal(shape, mean: 2, deviation: 3, seed: 5, dtype: .float64)
    // The loss is a weighted sum of the outputs, so the weights are its gradient by them.
    let weights = try Tensor.randomNormal(shape, seed: 6, dtype: .float64)
    for (number, (name, variable)) in module.variables.enumerated() {
      variable.data = try .randomNormal(
        variable.data.shape, mean: name.hasSuffix("scale") ? 1 : 0, seed: UInt64(7 + number), dtype: .float64)
    }
    func loss(_ values: [Double]) throws -> Double {
      try (module(Tensor(values, shape: shape).to(layout)) * weights).sum().scalar()
    }
    let values = try x.doubles

    _ = try loss(values)
    let wasTraining = module.train
    if !wasTraining {
      // Nothing is kept in evaluation; a gradient by the data is there for whoever asks.
      let data = try x.to(layout)
      let grad = try gradients(of: (module(data) * weights).sum(), by: data)
      expectNear(try grad.doubles, try differences(values, loss), "by the data")
      return
    }
    let grad = try module.backward(weights).doubles
    let grads = try module.variables.map { try #require($0.variable.grad).doubles }
    expectNear(grad, try differences(values, loss), "by the data")
    for ((name, variable), grad) in zip(module.variables, grads) {
      let original = variable.data
      let found = try differences(original.doubles) { changed in
        variable.data = try Tensor(changed, shape: original.shape)
        return try loss(values)
      }
      variable.data = original
      expectNear(grad, found, name)
    }
  }

  @Test(arguments: [1, 2], [1.0, 0.4]) func `gradients by style and by the weights of styles predict differences`(
    count: Int, strength: Double
  ) throws {
    let x = try Tensor.randomNormal([2, 3, 4, 3], mean: 1, deviation: 2, seed: 1, dtype: .float64)
    let dy = try Tensor.randomNormal([2, 3, 4, 3], seed: 2, dtype: .float64)
    let adain = try AdaptiveInstanceNorm2D(epsilon: 0.1, strength: strength)
    try adain.calcMode(.float64)
    let shape: Shape = [count, 3, 2, 5]
    let style = try Tensor.randomNormal(shape, mean: -1, deviation: 3, seed: 3, dtype: .float64)
    func loss(_ x: Tensor, _ style: Tensor) throws -> Double { try (adain(x, style: style) * dy).sum().scalar() }
    _ = try loss(x, style)
    let grad = try adain.backward(dy).doubles
    let styleGrad = try #require(adain.grads[1]).doubles
    expectNear(grad, try differences(x.doubles) { try loss(Tensor($0, shape: x.shape), style) }, "content")
    expectNear(styleGrad, try differences(style.doubles) { try loss(x, Tensor($0, shape: shape)) }, "style")

    let norm = try ConditionalInstanceNorm2D(numOfMaps: 3, numOfStyles: 4)
    try norm.calcMode(.float64)
    for (_, variable) in norm.variables { variable.data = try .randomNormal([4, 3], seed: 4, dtype: .float64) }
    let weights = try Tensor.randomNormal([count, 4], seed: 5, dtype: .float64)
    func loss(weights: Tensor) throws -> Double { try (norm(x, weights: weights) * dy).sum().scalar() }
    _ = try loss(weights: weights)
    try norm.backward(dy)
    let found = try #require(norm.grads[1])
    #expect(found.shape == weights.shape)
    expectNear(
      try found.doubles, try differences(weights.doubles) { try loss(weights: Tensor($0, shape: weights.shape)) },
      "weights")
  }

  @Test func `the mean squared error's gradient predicts differences`() throws {
    let target = try Tensor.randomNormal([2, 3, 4], seed: 1, dtype: .float64)
    let prediction = try Tensor.randomNormal([2, 3, 4], seed: 2, dtype: .float64)
    let grad = try gradients(of: meanSquaredError(prediction, target), by: prediction).doubles
    for place in 0..<24 {
      var values = try prediction.doubles
      values[place] += 1e-6
      let above = try meanSquaredError(Tensor(values, shape: [2, 3, 4]), target).scalar()
      values[place] -= 2e-6
      let below = try meanSquaredError(Tensor(values, shape: [2, 3, 4]), target).scalar()
      #expect(abs((above - below) / 2e-6 - grad[place]) < 1e-8)
    }
  }
}
