import InstanceNorm
import TestSupport
import Testing

/// Modules that are part of another one, and are used by themselves or twice.
@Suite struct PartTests {
  private let x = try! Tensor.randomNormal([3, 4, 9, 6], mean: 1, deviation: 2, seed: 11)
  private let dy = try! Tensor.randomNormal([3, 4, 9, 6], seed: 12)

  @Test func `a part that is called by itself takes nothing from the whole`() throws {
    let model = try Sequential([
      InstanceNorm2D(numOfMaps: 4), LeakyReLU(slope: 0.2), Sequential([GroupNorm2D(groups: 2, numOfMaps: 4), Tanh()]),
    ])
    try model(x)
    let dx = try bits(model.backward(dy))
    let grads = try model.variables.map { try bits(#require($0.variable.grad)) }
    try model(x)
    let part = model.modules[0]
    part.reset()
    try part(dy)
    #expect(try bits(model.backward(dy)) == dx)
    #expect(try model.variables.map { try bits(#require($0.variable.grad)) } == grads)
    // Its own call is still there.
    try part.backward(x)
    try model(x)
    part.reset()
    #expect(try bits(model.backward(dy)) == dx)
  }

  @Test func `a module that is there twice has the sum of both places' gradients`() throws {
    let shared = try InstanceNorm2D(numOfMaps: 4, name: "s")
    let inner = try Sequential(name: "inner", [])
    let outer = try Sequential([shared, inner, Tanh()])
    // The inner one cannot know where it is.
    try inner.append(shared)
    shared.bias?.data = try .randomNormal([4], seed: 1)
    try outer(x)
    let dx = try outer.backward(dy)
    let scale = try #require(shared.scale)
    let (first, second) = (try InstanceNorm2D(numOfMaps: 4), try InstanceNorm2D(numOfMaps: 4))
    for norm in [first, second] { norm.bias?.data = try #require(shared.bias).data }
    let apart = try Sequential([first, second, Tanh()])
    try apart(x)
    #expect(try bits(apart.backward(dy)) == bits(dx))
    let sum = try (#require(first.scale?.grad) + #require(second.scale?.grad)).doubles
    #expect(zip(try #require(scale.grad).doubles, sum).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) })
    #expect(throws: ModuleError.calledAgain(module: "InstanceNorm2D 's'", count: 2)) {
      try outer(x)
      try shared.backward(dy)
    }
  }

  @Test func `children are the properties, alone, in arrays and in optionals, a parent class' first`() throws {
    class Base: Module {
      let stem = Tanh()
    }
    final class Network: Base {
      var blocks: [Module] = [ReLU(), try! ResidualBlock(maps: 2), Tanh(name: "own")]
      var head: Tanh?
      var none: Module?
      lazy var late = Identity()
      weak var other: Module?
      let number = 3
    }
    let network = Network(name: "net")
    network.head = Tanh()
    #expect(network.namedChildren.map(\.name) == ["stem", "blocks.0", "blocks.1", "own", "head"])
    #expect(network.variables.map(\.name).first == "net.blocks.1.norm1.bias")
    network.evalMode()
    #expect(network.children.allSatisfy { !$0.train })
  }
}
