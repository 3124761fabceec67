import Foundation
import Generators
import TestSupport
import Testing

/// The loss network that comes with the library.
@Suite struct WaveletNetworkTests {
  private static func picture() throws -> Tensor {
    var values: [Double] = []
    for c in 0..<3 {
      for i in 0..<34 {
        for j in 0..<37 {
          let number: Int = 7 * c + 3 * i + 5 * j + i * j
          values.append(Double(number % 11) / 10)
        }
      }
    }
    return try Tensor(values, shape: [1, 3, 34, 37])
  }

  /// From loops over the pixels, in NumPy. Squares are of values less 0.1, so that zeros count.
  @Test(arguments: Layout.allCases) func `features are those of the formulas`(layout: Layout) throws {
    let network = try LossNetwork.embedded()
    let found = try network.features(of: Self.picture().to(.float32).to(layout), at: (0..<5).map { "scale\(1 << $0)" })
    #expect(
      found.map(\.shape) == [[1, 68, 34, 37], [1, 136, 17, 18], [1, 136, 8, 9], [1, 136, 4, 4], [1, 136, 2, 2]])
    #expect(found.allSatisfy { $0.layout == layout })
    let values = try found.map { try $0.to(.nchw).doubles }
    let squares = [537847.5359, 79906.7101, 2203.7922, 50.4480, 4.2429]
    for (some, expected) in zip(values, squares) {
      #expect(abs(some.reduce(0) { $0 + ($1 - 0.1) * ($1 - 0.1) } - expected) < 2e-5 * expected)
    }
    for (scale, map, row, column, expected) in [
      (0, 64, 1, 5, 1.536560), (1, 111, 16, 4, 1.826475), (2, 42, 6, 3, 0.357967), (3, 55, 2, 2, 0.019325),
      (4, 111, 0, 0, 0.097599),
    ] {
      let shape = found[scale].shape
      #expect(abs(values[scale][(map * shape[2] + row) * shape[3] + column] - expected) < 2e-5)
    }
  }

  @Test func `lines are the first maps of their scale, and know no hue`() throws {
    let network = try LossNetwork.embedded()
    let picture = try Self.picture().to(.float32)
    let found = try network.features(of: picture, at: ["scale4", "lines4", "lines1"])
    #expect(try bits(found[1]) == bits(found[0].sliced(along: 1, 0..<24)))
    // As much more green as there is less of the others.
    let tint = try Tensor([0.1, -0.2, 0.1] as [Float], shape: [1, 3, 1, 1])
    let hue = try tint * picture.sliced(along: 1, 0..<1)
    let tinted = try network.features(of: picture + hue, at: ["scale1", "lines4", "lines1"])
    func difference(_ a: Tensor, _ b: Tensor) throws -> Double { try worst((a - b).absolute().doubles) }
    #expect(try difference(found[1], tinted[1]) < 1e-5 && difference(found[2], tinted[2]) < 1e-5)
    #expect(try difference(network.features(of: picture, at: ["scale1"])[0], tinted[0]) > 0.1)
  }

  @Test func `two networks have the same bits, and both their choices are among their names`() throws {
    let (one, other) = (try LossNetwork.embedded(), try LossNetwork.embedded())
    for (a, b) in zip(one.variables, other.variables) { #expect(try bits(a.variable.data) == bits(b.variable.data)) }
    #expect(!one.styleLayers.isEmpty && one.styleLayers.allSatisfy(one.names.contains))
    #expect(!one.contentLayers.isEmpty && one.contentLayers.allSatisfy(one.names.contains))
    #expect(!one.train && one.variables.allSatisfy { !$0.variable.isTrained })
  }

  @Test func `a picture that follows the gradient comes nearer to the style`() throws {
    let network = try LossNetwork.embedded()
    let style = try Self.picture().to(.float32)
    let loss = try StyleLoss(network: network, styles: [style])
    let content = try Tensor.randomUniform([1, 3, 32, 32], seed: 3)
    func distance(_ x: Tensor) throws -> Tensor {
      let parts = try loss(x, of: content, in: [0])
      return try parts.content + parts.style
    }
    let before = try distance(content)
    let gradient = try gradients(of: distance(content), by: content)
    let slope = try gradient.square().sum().scalar()
    #expect(slope > 0)
    let step = 0.01 * (try before.scalar()) / slope
    let after = try distance(content - gradient * step).scalar()
    // By what the slope says, to a fifth.
    #expect(abs((try before.scalar()) * 0.99 - after) < 0.002 * (try before.scalar()))
  }

  @Test func `a picture that is too small is refused`() throws {
    let network = try LossNetwork.embedded()
    #expect(try network.features(of: .zeros([2, 3, 16, 16]), at: ["scale16"])[0].shape == [2, 136, 1, 1])
    for shape in [[1, 3, 15, 16], [1, 3, 16, 15]] as [Shape] {
      #expect {
        try network.features(of: .zeros(shape), at: network.names)
      } throws: {
        "\($0)".contains("16 pixels or more") && "\($0)".contains("\(shape)")
      }
    }
    #expect(throws: ModuleError.self) { try network.features(of: .zeros([1, 4, 32, 32]), at: network.names) }
  }
}
