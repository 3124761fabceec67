import Generators
import TestSupport
import Testing

/// What losses take from networks of convolutions.
@Suite struct LossNetworkTests {
  private static func networks() throws -> [LossNetwork] {
    try withInitialValues(seed: 5) { [try SmallVGG19(width: 2), try VGG16(width: 0.0625)] }
  }

  private static func convolutions(in module: Module) -> [Conv2D] {
    (module as? Conv2D).map { [$0] } ?? module.children.flatMap(convolutions)
  }

  /// By the layers before and after it, and plain sums.
  @Test func `a network of averages halves sizes by them`() throws {
    let picture = try Tensor.randomUniform([1, 3, 10, 9], seed: 1)
    for network in try Self.networks() {
      network.evalMode()
      let greatest = try network.features(of: picture, at: ["relu2_1"])[0]
      network.pooling = .average
      let found = try network.features(of: picture, at: ["relu1_2", "relu2_1"])
      #expect(found[1].shape == [1, found[1].shape[1], 5, 4])
      let values = try found[0].doubles
      var means: [Float] = []
      for map in 0..<found[0].shape[1] {
        for i in 0..<5 {
          for j in 0..<4 {
            let corner = map * 90 + 18 * i + 2 * j
            means.append(Float((values[corner] + values[corner + 1] + values[corner + 9] + values[corner + 10]) / 4))
          }
        }
      }
      let third = try #require(Self.convolutions(in: network).first { $0.inMaps != 3 && $0.outMaps != $0.inMaps })
      let expected = try third(Tensor(means, shape: [1, found[0].shape[1], 5, 4])).relu().doubles
      for (value, other) in try zip(found[1].doubles, expected) { #expect(abs(value - other) < 1e-5) }
      #expect(try greatest.doubles != found[1].doubles)
    }
  }

  /// Whose covariances are rounding, and whose means are nothing.
  @Test(arguments: [0.0, 0.3])
  func `a style that is all one colour is one to come near to`(brightness: Double) throws {
    let network = try Self.networks()[0]
    network.evalMode()
    let style = try Tensor(repeating: brightness, shape: [1, 3, 16, 16])
    let loss = try StyleLoss(network: network, styles: [style, .randomUniform([1, 3, 16, 16], seed: 2)])
    let picture = try Tensor.randomUniform([1, 3, 16, 16], seed: 1)
    let far = try loss(picture, of: picture, in: [0]).style.scalar()
    let near = try loss(style + 0.1 * picture, of: picture, in: [0]).style.scalar()
    let same = try loss(style, of: picture, in: [0]).style.scalar()
    #expect(same < 1e-6 && near > same && far > near && far < 1e7, "\(same), \(near), \(far)")
    #expect(try gradients(of: loss(picture, of: picture, in: [0]).style, by: picture).doubles.allSatisfy(\.isFinite))
  }

  @Test func `a perceptual loss is the mean distance of features`() throws {
    let network = try Self.networks()[0]
    network.evalMode()
    let layers = ["relu1_1", "relu3_2"]
    let picture = try Tensor.randomUniform([2, 3, 12, 12], seed: 1)
    let target = try Tensor.randomUniform([2, 3, 12, 12], seed: 2)
    let distances = try zip(network.features(of: picture, at: layers), network.features(of: target, at: layers)).map {
      let squares = try zip($0.doubles, $1.doubles).map { ($0 - $1) * ($0 - $1) }
      return squares.reduce(0, +) / Double(squares.count)
    }
    let plain = try PerceptualLoss(network: network, layers: layers)
    let weighted = try PerceptualLoss(network: network, layers: layers, factors: [3, 0.5])
    func isNear(_ loss: Tensor, _ expected: Double) throws -> Bool {
      abs(try loss.scalar() - expected) < 1e-5 * expected
    }
    #expect(try isNear(plain(picture, of: target), (distances[0] + distances[1]) / 2))
    #expect(try isNear(weighted(picture, of: target), (3 * distances[0] + 0.5 * distances[1]) / 2))
    #expect(try plain(target, of: target).scalar() == 0)
    #expect(try gradients(of: plain(picture, of: target), by: picture).doubles.contains { $0 != 0 })
    for layers in [[], ["relu9_1"]] {
      #expect(throws: ModuleError.self) { try PerceptualLoss(network: network, layers: layers) }
    }
    for factors in [[1], [1, -1], [1, .nan]] {
      #expect(throws: ModuleError.self) { try PerceptualLoss(network: network, layers: layers, factors: factors) }
    }
  }
}
