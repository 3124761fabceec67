import Operations
import Tensors

/// Modules that give each other their results, along any paths that do not run in circles; PuzzleLib's `Graph`.
///
///     let entry = norm.node()
///     let shortcut = Identity().node(entry)
///     let sum = Add().node(block.node(entry), shortcut)
///     let graph = try Graph(inputs: [entry], outputs: [sum])
///
/// A module may be at several nodes: gradients by its variables are then of all of them. In Swift a subclass of
/// ``Module`` says the same in its `forward`; a graph is for models that are put together when a program runs.
public final class Graph: Module {
  /// A place of a module in a graph.
  public final class Node {
    public let module: Module
    /// What its inputs are the results of, in order; none where the graph's input is its own.
    public let sources: [Node]

    init(_ module: Module, _ sources: [Node]) {
      self.module = module
      self.sources = sources
    }
  }

  public let inputs: [Node]
  public let outputs: [Node]
  /// Each after its sources.
  private let nodes: [Node]

  /// - Parameters:
  ///   - name: what the whole is called in a model and, as a prefix, in files.
  ///   - inputs: the nodes that the graph's inputs go to, in their order.
  ///   - outputs: the nodes whose results are the graph's.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when a node has neither sources nor an input, or an
  ///   input has sources, or there are no outputs.
  public init(name: String? = nil, inputs: [Node], outputs: [Node]) throws {
    self.inputs = inputs
    self.outputs = outputs
    nodes = Self.sorted(outputs)
    super.init(name: name)
    func isInput(_ node: Node) -> Bool { inputs.contains { $0 === node } }
    guard !outputs.isEmpty else {
      throw ModuleError.argument(module: label, name: "outputs", expected: "one node or more", got: "none")
    }
    if let lost = nodes.first(where: { $0.sources.isEmpty && !isInput($0) }) {
      throw ModuleError.argument(
        module: label, name: "inputs", expected: "every node that has no sources",
        got: "not \(lost.module.label)")
    }
    if let fed = inputs.first(where: { !$0.sources.isEmpty }) {
      throw ModuleError.argument(
        module: label, name: "inputs", expected: "nodes without sources", got: "\(fed.module.label) with some")
    }
    if let unused = inputs.first(where: { input in !nodes.contains { $0 === input } }) {
      throw ModuleError.argument(
        module: label, name: "inputs", expected: "nodes that outputs depend on", got: "\(unused.module.label)")
    }
  }

  /// All nodes that some depend on, each after its sources.
  private static func sorted(_ outputs: [Node]) -> [Node] {
    var found: [Node] = []
    var seen: Set<ObjectIdentifier> = []
    // A node comes once to be opened, and again when its sources are done.
    var pending = outputs.reversed().map { (node: $0, isOpen: false) }
    while let (node, isOpen) = pending.popLast() {
      if isOpen {
        found.append(node)
      } else if seen.insert(ObjectIdentifier(node)).inserted {
        pending.append((node, true))
        pending += node.sources.reversed().map { ($0, false) }
      }
    }
    return found
  }

  /// Each module once, in the order in which they are first reached.
  private var modules: [Module] {
    var modules: [Module] = []
    for node in nodes where !modules.contains(where: { $0 === node.module }) { modules.append(node.module) }
    return modules
  }

  public override var namedChildren: [(name: String, module: Module)] {
    modules.enumerated().map { ($1.name ?? "\($0)", $1) }
  }

  public override func checkDataShape(_ shape: Shape) throws { try inputs.first?.module.checkDataShape(shape) }

  public override func forward(_ data: Tensor) throws -> Tensor {
    let results = try forward([data])
    guard results.count == 1 else {
      throw ModuleError.inputCount(module: label, expected: 1, got: results.count)
    }
    return results[0]
  }

  public override func forward(_ data: [Tensor]) throws -> [Tensor] {
    guard data.count == inputs.count else {
      throw ModuleError.inputCount(module: label, expected: inputs.count, got: data.count)
    }
    var results: [ObjectIdentifier: Tensor] = [:]
    for node in nodes {
      let given =
        inputs.firstIndex { $0 === node }.map { [data[$0]] }
        ?? node.sources.compactMap { results[ObjectIdentifier($0)] }
      let found = given.count == 1 ? [try node.module(given[0])] : try node.module(given)
      guard found.count == 1 else {
        throw ModuleError.inputCount(module: node.module.label, expected: 1, got: found.count)
      }
      results[ObjectIdentifier(node)] = found[0]
    }
    return outputs.compactMap { results[ObjectIdentifier($0)] }
  }

  /// The modules, and of each node which of them it has and the numbers of its sources: `0; 1 < 0; 2 < 1 0`.
  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    let modules = modules
    func number(_ node: Node) -> String { "\(nodes.firstIndex { $0 === node } ?? 0)" }
    blueprint.modules = modules.map(\.blueprint)
    blueprint.scheme["nodes"] = .string(
      nodes.map { node in
        let module = modules.firstIndex { $0 === node.module } ?? 0
        let sources = node.sources.map(number).joined(separator: " ")
        return sources.isEmpty ? "\(module)" : "\(module) < \(sources)"
      }.joined(separator: "; "))
    blueprint.scheme["inputs"] = .string(inputs.map(number).joined(separator: " "))
    blueprint.scheme["outputs"] = .string(outputs.map(number).joined(separator: " "))
    return blueprint
  }

  /// - Throws: ``ModuleError/blueprint(reason:)`` when it is not of such a form.
  convenience init(_ blueprint: Blueprint, _ modules: [Module]) throws {
    func numbers(_ text: Substring, below limit: Int) throws -> [Int] {
      try text.split(separator: " ").map {
        guard let number = Int($0), (0..<limit).contains(number) else {
          throw ModuleError.blueprint(reason: "Graph: expected a number below \(limit), got '\($0)'")
        }
        return number
      }
    }
    var nodes: [Node] = []
    for text in (try blueprint.string("nodes") ?? "").split(separator: ";") {
      let parts = text.split(separator: "<", maxSplits: 1)
      guard let module = try numbers(parts[0], below: modules.count).first else {
        throw ModuleError.blueprint(reason: "Graph: expected the number of a module, got '\(text)'")
      }
      let sources = parts.count == 2 ? try numbers(parts[1], below: nodes.count) : []
      nodes.append(Node(modules[module], sources.map { nodes[$0] }))
    }
    func named(_ name: String) throws -> [Node] {
      try numbers(Substring(blueprint.string(name) ?? ""), below: nodes.count).map { nodes[$0] }
    }
    try self.init(name: blueprint.string("name"), inputs: named("inputs"), outputs: named("outputs"))
  }
}

extension Module {
  /// A place for this module in a ``Graph``.
  ///
  /// - Parameter sources: the nodes whose results are its inputs; none where the graph's input is.
  public final func node(_ sources: Graph.Node...) -> Graph.Node { Graph.Node(self, sources) }
}
