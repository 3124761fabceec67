import Foundation
import InstanceNorm
import TestSupport
import Testing

/// Gradients of what is made of many operations: blocks of networks, and losses with gradients in them.
@Suite struct CompositionGradientTests {
  private func randomize(_ module: Module) throws {
    try module.calcMode(.float64)
    for (number, (_, variable)) in module.variables.enumerated() {
      variable.data = try .numbers(variable.data.shape, mean: 0.5, seed: UInt64(number + 1))
    }
  }

  @Test(arguments: Layout.allCases) func `a residual block`(layout: Layout) throws {
    let block = try ResidualBlock(maps: 3)
    try randomize(block)
    let x = try Tensor.numbers([2, 3, 3, 2], seed: 11, layout)
    let weights = try Tensor.numbers([2, 3, 3, 2], seed: 12, layout)
    try Differences.expect(of: block.variables) { try (weights * block(x)).sum() }
    block.evalMode()
    try Differences.expect("block", by: [x], within: 1e-6) { try block($0[0]) }
  }

  @Test(arguments: Layout.allCases) func `a loss of Gram matrices behind a layer`(layout: Layout) throws {
    let norm = try InstanceNorm2D(numOfMaps: 3, activation: .relu)
    try randomize(norm)
    let x = try Tensor.numbers([2, 3, 3, 2], seed: 21, layout)
    let target = try Tensor.numbers([2, 3, 3], seed: 22)
    func loss() throws -> Tensor { try meanSquaredError(norm(x).gramMatrix(), target) }
    try Differences.expect(of: norm.variables, loss)
  }

  @Test(arguments: Layout.allCases) func `a penalty of a critic's slopes`(layout: Layout) throws {
    let (norm1, norm2) = (try InstanceNorm2D(numOfMaps: 3), try LayerNorm2D(numOfMaps: 3))
    let critic = try Sequential([norm1, LeakyReLU(slope: 0.2), norm2, Tanh()])
    try randomize(critic)
    let mixed = try Tensor.numbers([2, 3, 3, 2], seed: 31, layout)
    let weights = try Tensor.numbers([3], seed: 32)
    func score(_ x: Tensor) throws -> Tensor { try (weights * critic(x)).sum() }
    func penalty() throws -> Tensor {
      let slopes = try gradients(of: score(mixed), by: mixed)
      return try 10 * (slopes.norm(over: [1, 2, 3]) - 1).square().mean()
    }
    try Differences.expect(of: critic.variables, within: 1e-6, penalty)
    try Differences.expect(of: critic.variables, within: 1e-6) { try score(mixed) + penalty() }
    // As it is written elsewhere: by a tensor on which nothing else hangs.
    let detached = try (mixed * 1).stopGradient()
    let (apart, together) = (
      try gradients(of: score(detached), by: detached), try gradients(of: score(mixed), by: mixed)
    )
    #expect(try bits(apart) == bits(together))
  }

  @Test func `a module that a loss calls three times`() throws {
    let (forth, back) = (try ResidualBlock(maps: 2), try ResidualBlock(maps: 2))
    for module in [forth, back] { try randomize(module) }
    let (day, dusk) = (try Tensor.numbers([1, 2, 3, 3], seed: 41), try Tensor.numbers([1, 2, 3, 3], seed: 42))
    try Differences.expect(of: forth.variables + back.variables) {
      try meanAbsoluteError(back(forth(day)), day) + meanAbsoluteError(forth(back(dusk)), dusk)
        + 0.5 * meanSquaredError(forth(dusk), dusk)
    }
  }

  @Test func `losses`() throws {
    let (x, target) = (try Tensor.numbers([2, 3], seed: 51), try Tensor.numbers([2, 3], seed: 52))
    let share = try target.sigmoid()
    try Differences.expect("squared", by: [x, target]) { try meanSquaredError($0[0], $0[1]) }
    try Differences.expect("absolute", by: [x, target]) { try meanAbsoluteError($0[0], $0[1]) }
    try Differences.expect("cross entropy", by: [x, share]) { try binaryCrossEntropy(logits: $0[0], $0[1]) }
    // By the formula, and where exponentials would overflow.
    let (logits, labels) = (try x.doubles, try share.doubles)
    let terms = zip(logits, labels).map { x, t in
      t * log1p(exp(-x)) + (1 - t) * log1p(exp(x))
    }
    let value = try binaryCrossEntropy(logits: x, share).scalar()
    #expect(abs(value - terms.reduce(0, +) / 6) < 1e-14)
    let large = try Tensor([1e3, -1e3, 1e3] as [Float])
    #expect(try binaryCrossEntropy(logits: large, Tensor([1, 0, 0] as [Float])).scalar() == Double(Float(1000.0 / 3)))
  }

  @Test func `a third gradient through a layer`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 2, epsilon: 0.1)
    try randomize(norm)
    norm.evalMode()
    try Differences.expect("third", by: [.numbers([1, 2, 2, 2], seed: 61)], orders: 3, within: 1e-5) {
      try norm($0[0]).tanh()
    }
  }
}
