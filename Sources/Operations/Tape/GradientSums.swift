import Tensors

/// Gradients on their way back: what has come to each node so far.
public struct GradientSums {
  /// What has come to the nodes that gradients are wanted of or have to go through.
  private var sums: [ObjectIdentifier: Tensor?] = [:]

  init(needed: some Sequence<Node>) {
    for node in needed { sums[ObjectIdentifier(node)] = .some(nil) }
  }

  /// Whether a gradient by an operand is wanted.
  public func needs(_ operand: Tensor?) -> Bool {
    guard let node = operand?.node else { return false }
    return sums.index(forKey: ObjectIdentifier(node)) != nil
  }

  /// Adds to the gradient by an operand. Where that is not wanted, nothing is computed.
  ///
  /// - Parameters:
  ///   - gradient: of the operand's form; of another layout, it is converted.
  ///   - operand: of the operation whose pullback this is.
  public mutating func add(_ gradient: @autoclosure () throws -> Tensor, to operand: Tensor?) throws {
    guard let operand, let node = operand.node else { return }
    try add(gradient, to: node)
  }

  mutating func add(_ gradient: () throws -> Tensor, to node: Node) throws {
    let key = ObjectIdentifier(node)
    guard let index = sums.index(forKey: key) else { return }
    guard let before = sums.values[index] else {
      sums.values[index] = try gradient()
      return
    }
    sums.values[index] = nil
    let more = try gradient()
    sums.values[index] = try Self.sum(before, more)
  }

  private static func sum(_ first: consuming Tensor, _ second: Tensor) throws -> Tensor {
    if first.origin == nil, !Recording.isActive(first, second), first.isUnique() {
      var sum = first
      try sum.combine(1, second)
      return sum
    }
    return try first + second
  }

  /// Takes out what has come to a node; nil for nothing.
  mutating func take(_ node: Node) -> Tensor? {
    let key = ObjectIdentifier(node)
    guard let index = sums.index(forKey: key) else { return nil }
    let sum = sums.values[index]
    sums.values[index] = nil
    return sum
  }
}

/// Goes back from tensors through what made them.
///
/// - Parameters:
///   - seeds: what is differentiated, and the gradient by each, of its form.
///   - targets: where gradients are wanted.
///   - ends: those of the targets that it does not go on from, whatever made them.
/// - Returns: the gradient by each target; nil for those that nothing of it depends on.
package func goBack(
  from seeds: [(tensor: Tensor, gradient: Tensor)], to targets: [Node], endingAt ends: [Node] = []
) throws -> [Tensor?] {
  let wanted = Set(targets.map { ObjectIdentifier($0) })
  let ends = Set(ends.map { ObjectIdentifier($0) })
  let path = path(from: seeds.compactMap { $0.tensor.node }, to: wanted, ends)
  var sums = GradientSums(needed: path)
  for (tensor, gradient) in seeds { try sums.add(gradient, to: tensor) }
  var results: [ObjectIdentifier: Tensor] = [:]
  for node in path.reversed() {
    guard var gradient = sums.take(node) else { continue }
    if let form = node.form, form.layout != gradient.layout { gradient = try gradient.to(form.layout) }
    if wanted.contains(ObjectIdentifier(node)) { results[ObjectIdentifier(node)] = gradient }
    if !ends.contains(ObjectIdentifier(node)) { try node.pullback(gradient, into: &sums) }
  }
  return targets.map { results[ObjectIdentifier($0)] }
}

/// All that some nodes depend on and that depends on a target, in the order in which it was made.
private func path(
  from roots: [Node], to wanted: Set<ObjectIdentifier>, _ ends: Set<ObjectIdentifier>
) -> [Node] {
  var found: [Node] = []
  var seen: Set<ObjectIdentifier> = []
  var pending = roots.filter { seen.insert(ObjectIdentifier($0)).inserted }
  while let node = pending.popLast() {
    found.append(node)
    if ends.contains(ObjectIdentifier(node)) { continue }
    node.forEachInput { if seen.insert(ObjectIdentifier($0)).inserted { pending.append($0) } }
  }
  found.sort { $0.number < $1.number }
  var needed = wanted
  for node in found where !needed.contains(ObjectIdentifier(node)) {
    var leads = false
    node.forEachInput { if needed.contains(ObjectIdentifier($0)) { leads = true } }
    if leads { needed.insert(ObjectIdentifier(node)) }
  }
  return found.filter { needed.contains(ObjectIdentifier($0)) }
}
