import InstanceNorm
import TestSupport
import Testing

/// Modules that put others together.
@Suite struct ContainerTests {
  private let x = try! Tensor.randomNormal([2, 4, 5, 6], seed: 1)
  private let dy = try! Tensor.randomNormal([2, 4, 5, 6], seed: 2)

  private func block() throws -> [Module] {
    [try InstanceNorm2D(numOfMaps: 4, name: "norm"), ReLU(), try GroupNorm2D(groups: 2, numOfMaps: 4)]
  }

  @Test func `a residual is its path and the data, and a graph says the same`() throws {
    let residual = try Residual(name: "r", block())
    #expect(residual.variables.map(\.name) == ["r.norm.bias", "r.norm.scale", "r.2.bias", "r.2.scale"])
    let parts = try block()
    let entry = Identity().node()
    let end = parts.reduce(entry) { $1.node($0) }
    let graph = try Graph(name: "g", inputs: [entry], outputs: [Add().node(end, entry)])
    #expect(try bits(residual(x)) == bits(graph(x)))
    #expect(try bits(residual.backward(dy)) == bits(graph.backward(dy)))
    for (first, second) in zip(residual.variables, graph.variables) {
      #expect(try bits(#require(first.variable.grad)) == bits(#require(second.variable.grad)))
      #expect(try #require(first.variable.grad).doubles.contains { $0 != 0 })
    }
    #expect(graph.variables.map(\.name).contains("g.norm.scale"))
  }

  @Test func `a module at two nodes has the gradient of both`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 4)
    let (a, b) = (norm.node(), norm.node())
    let graph = try Graph(inputs: [a, b], outputs: [Add().node(a, b)])
    let other = try Tensor.randomNormal([2, 4, 5, 6], seed: 3)
    let y = try graph([x, other])[0]
    let grads = try graph.backward([dy])
    let gradient = try #require(norm.scale?.grad)
    norm.evalMode()
    #expect(try bits(y) == bits(norm(x) + norm(other)))
    norm.trainMode()
    let (_, expected) = try valueAndGradients(of: norm) { try ((norm(x) + norm(other)) * dy).sum() }
    let scale = try #require(norm.scale)
    let difference = try (gradient - #require(expected[scale])).absolute().max().scalar()
    #expect(difference < 1e-4 && grads.count == 2 && grads.allSatisfy { $0 != nil })
  }

  @Test func `parallel modules and concatenation take lists`() throws {
    let parallel = Parallel([try InstanceNorm2D(numOfMaps: 4), Tanh()])
    let results = try parallel([x, dy])
    #expect(results.count == 2)
    #expect(try bits(results[1]) == bits(dy.tanh()))
    let joined = try Concat()(results)[0]
    #expect(joined.shape == [2, 8, 5, 6])
    let grads = try parallel.backward([dy, x])
    #expect(try bits(#require(grads[1])) == bits(gradients(of: (dy.tanh() * x).sum(), by: dy)))
    #expect(throws: ModuleError.inputCount(module: "Parallel", expected: 2, got: 1)) { try parallel([x]) }
    #expect(throws: ModuleError.inputCount(module: "ReLU", expected: 1, got: 2)) { try ReLU()([x, x]) }
  }

  @Test func `what is built from a blueprint is the same`() throws {
    let norm = try InstanceNorm2D(numOfMaps: 4, name: "n")
    let entry = norm.node()
    let graph = try Graph(
      name: "g", inputs: [entry], outputs: [Concat(name: "c").node(Tanh().node(entry), norm.node(entry))])
    let modules: [Module] = [graph, try Residual(block()), Parallel([ReLU(), Tanh()]), Add(name: "a")]
    for module in modules {
      let json = try module.blueprint.json()
      let copy = try Blueprint(json: json).build()
      #expect(try copy.blueprint.json() == json)
      #expect(copy.variables.map(\.name) == module.variables.map(\.name))
    }
    let copy = try graph.blueprint.build()
    #expect(try bits(copy(x)) == bits(graph(x)))
  }

  @Test func `graphs that cannot be are refused`() throws {
    let (a, b) = (ReLU().node(), Tanh().node())
    #expect(throws: ModuleError.self) { try Graph(inputs: [a], outputs: []) }
    #expect(throws: ModuleError.self) { try Graph(inputs: [a], outputs: [Add().node(a, b)]) }
    #expect(throws: ModuleError.self) { try Graph(inputs: [a, b], outputs: [a]) }
    #expect(throws: ModuleError.self) { try Graph(inputs: [ReLU().node(a)], outputs: [a]) }
    let graph = try Graph(inputs: [a, b], outputs: [Add().node(a, b)])
    #expect(throws: ModuleError.inputCount(module: "Graph", expected: 2, got: 1)) { try graph([x]) }
    for nodes in ["1", "0 < 0", "x", "0; 0 < 2"] {
      var blueprint = graph.blueprint
      blueprint.scheme["nodes"] = .string(nodes)
      #expect(throws: ModuleError.self) { try blueprint.build() }
    }
  }

  @Test func `children are found among properties, once, in their order`() throws {
    final class Network: Module {
      let head: Module?
      let blocks: [InstanceNorm2D]
      lazy var tail = Tanh()
      let named = ReLU(name: "act")
      init(head: Module?) throws {
        self.head = head
        blocks = [try InstanceNorm2D(numOfMaps: 4), try InstanceNorm2D(numOfMaps: 4, name: "last")]
        super.init()
        _ = tail
      }
      override func forward(_ x: Tensor) throws -> Tensor {
        try tail(named(blocks.reduce(head?(x) ?? x) { try $1($0) }))
      }
    }
    let network = try Network(head: ReLU())
    #expect(network.namedChildren.map(\.name) == ["head", "blocks.0", "last", "tail", "act"])
    #expect(try Network(head: nil).namedChildren.count == 4)
    try network(x)
    try network.backward(dy)
    #expect(network.variables.map(\.name) == ["blocks.0.bias", "blocks.0.scale", "last.bias", "last.scale"])
    network.evalMode()
    #expect(network.blocks.allSatisfy { !$0.train } && !network.tail.train)
  }
}
