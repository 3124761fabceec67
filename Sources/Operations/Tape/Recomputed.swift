import Tensors

/// Computes a part of a network without keeping what is between its ends, and computes it again when gradients go back
/// through it: less memory for more time (Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost",
/// 2016).
///
///     let y = try recomputed([x]) { inputs in try block(inputs[0]) }
///
/// - Parameters:
///   - inputs: the tensors that the part depends on and that gradients may be by. Variables it may use as it likes; a
///     tensor that it takes from outside passes a gradient on to variables alone.
///   - body: gives the same result each time.
public func recomputed(
  _ inputs: [Tensor], _ body: @escaping @Sendable ([Tensor]) throws -> Tensor
) throws -> Tensor {
  guard Recording.current != nil else { return try body(inputs) }
  // Which variables there are shows when it runs; the graph of this run is not kept.
  let (value, leaves) = try Recording.record(watching: nil) { recording in
    let value = try body(inputs.map { try recording.entrance(to: $0.withoutOrigin) })
    return (value, variables(of: value))
  }
  return try Recomputed(inputs: inputs, variables: leaves, value: value.withoutOrigin, body: body).result()
}

/// Values of the variables that a tensor depends on.
private func variables(of value: Tensor) -> [Tensor] {
  guard let root = value.node else { return [] }
  var found: [Tensor] = []
  var seen: Set<ObjectIdentifier> = []
  var pending = [root]
  while let node = pending.popLast() {
    guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
    if let variable = (node as? Leaf)?.variable { found.append(variable.data) }
    node.forEachInput { pending.append($0) }
  }
  return found
}

private struct Recomputed: Operation {
  var inputs: [Tensor]
  var variables: [Tensor]
  let value: Tensor
  let body: @Sendable ([Tensor]) throws -> Tensor

  func form() -> TensorForm { TensorForm(like: value) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    for index in inputs.indices { try body(&inputs[index]) }
    for index in variables.indices { try body(&variables[index]) }
  }
  func alias() -> Tensor? { value }
  mutating func run(into result: inout Tensor) throws { result = value }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    let (again, nodes) = try Recording.record(watching: nil) { recording in
      let placed = try inputs.map { try recording.entrance(to: $0) }
      return (try body(placed), placed.map(\.node))
    }
    // Of constants there is no node.
    let ends = nodes.compactMap { $0 }
    let reached = zip(inputs, nodes).compactMap { $1 == nil ? nil : $0 }
    let needed = variables.filter { sums.needs($0) }
    // What made the inputs is not this operation's: variables that it depends on too have their gradients from there.
    let found = try goBack(from: [(again, gradient)], to: ends + needed.compactMap(\.node), endingAt: ends)
    for (operand, found) in zip(reached + needed, found) {
      if let found { try sums.add(found, to: operand) }
    }
  }
}

extension Recording {
  /// The same tensor with a node of its own, at which gradients can be held up.
  package func entrance(to tensor: Tensor) throws -> Tensor {
    var tensor = tensor
    if tensor.origin == nil { tensor.origin = makeLeaf(for: tensor) }
    return try Entrance(input: tensor).result()
  }
}

/// Its input.
private struct Entrance: Operation {
  var input: Tensor

  func form() -> TensorForm { TensorForm(like: input) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
  func alias() -> Tensor? { input }
  mutating func run(into result: inout Tensor) {}
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(gradient, to: input)
  }
}
