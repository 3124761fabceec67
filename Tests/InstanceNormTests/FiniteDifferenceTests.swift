import InstanceNorm
import TestSupport
import Testing

/// Every gradient against the change of a loss that it predicts, in float64.
@Suite struct FiniteDifferenceTests {
  static let layers: [@Sendable () throws -> (Normalization, Shape)] = [
    { (try InstanceNorm2D(numOfMaps: 3), [2, 3, 3, 4]) },
    { (try InstanceNorm2D(numOfMaps: 2, epsilon: 0.3), [1, 2, 5, 3]) },
    { (try InstanceNorm2D(numOfMaps: 3, affine: false), [2, 3, 4, 2]) },
    { (try InstanceNorm1D(numOfMaps: 2), [3, 2, 7]) },
    { (try InstanceNorm3D(numOfMaps: 2), [1, 2, 2, 3, 2]) },
  ]

  @Test(arguments: layers.indices, Layout.allCases) func `gradients predict differences`(
    index: Int, layout: Layout
  ) throws {
    let (norm, shape) = try Self.layers[index]()
    try norm.calcMode(.float64)
    let maps = try #require(norm.numOfMaps)
    var x = try Tensor.randomNormal(shape, mean: 2, deviation: 3, seed: 5, dtype: .float64).to(layout)
    // The loss is a weighted sum of the outputs, so the weights are its gradient by them.
    let weights = try Tensor.randomNormal(shape, seed: 6, dtype: .float64)
    if norm.affine {
      norm.scale?.data = try .randomNormal([maps], mean: 1, seed: 7, dtype: .float64)
      norm.bias?.data = try .randomNormal([maps], seed: 8, dtype: .float64)
    }
    func loss() throws -> Double { try (norm(x) * weights).sum() }

    _ = try loss()
    let grad = try norm.backward(weights).doubles
    let parameterGrads = try norm.vars.mapValues { try $0.grad.doubles }

    let step = 1e-5
    let values = try x.doubles
    for place in values.indices {
      func shifted(by change: Double) throws -> Double {
        var changed = values
        changed[place] += change
        x = try Tensor(changed, shape: shape).to(layout)
        return try loss()
      }
      let difference = (try shifted(by: step) - shifted(by: -step)) / (2 * step)
      #expect(abs(difference - grad[place]) < 1e-8)
    }
    x = try Tensor(values, shape: shape).to(layout)
    for (name, variable) in norm.vars {
      let original = variable.data
      for map in 0..<maps {
        func shifted(by change: Double) throws -> Double {
          variable.data = original
          try variable.data.set(original[map] + change, at: map)
          return try loss()
        }
        let difference = (try shifted(by: step) - shifted(by: -step)) / (2 * step)
        let predicted = try #require(parameterGrads[name])[map]
        #expect(abs(difference - predicted) < 1e-8)
      }
      variable.data = original
    }
  }

  @Test func `the mean squared error's gradient predicts differences`() throws {
    let target = try Tensor.randomNormal([2, 3, 4], seed: 1, dtype: .float64)
    let prediction = try Tensor.randomNormal([2, 3, 4], seed: 2, dtype: .float64)
    let grad = try meanSquaredError(prediction, target).grad.doubles
    for place in 0..<24 {
      var values = try prediction.doubles
      values[place] += 1e-6
      let above = try meanSquaredError(Tensor(values, shape: [2, 3, 4]), target).loss
      values[place] -= 2e-6
      let below = try meanSquaredError(Tensor(values, shape: [2, 3, 4]), target).loss
      #expect(abs((above - below) / 2e-6 - grad[place]) < 1e-8)
    }
  }
}
