import Synchronization
import Tensors

/// What made a tensor: a place in the graph that gradients go back through.
package class Node: Origin, @unchecked Sendable {
  // Unchecked: it changes only while it is made and when it goes.

  /// Larger than those of all nodes that it depends on.
  final let number: Int

  private static let count = Atomic<Int>(0)

  override init() {
    number = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
    super.init()
  }

  /// Whether what depends on it is recorded.
  func isActive(in recording: Recording) -> Bool { true }

  /// Calls `body` with the nodes that it depends on.
  func forEachInput(_ body: (Node) -> Void) {}

  /// Sends a gradient on to the inputs.
  func pullback(_ gradient: Tensor, into sums: inout GradientSums) throws {}

  /// The form that its gradients have.
  var form: TensorForm? { nil }

  /// Lets go of the inputs, and returns those that nothing else holds.
  func releaseInputs() -> [Node] { [] }

  /// Releases long chains in a loop, since as many nested calls would not fit the stack.
  static func release(_ nodes: [Node]) {
    var pending = nodes
    while let node = pending.popLast() { pending += node.releaseInputs() }
  }
}

extension Tensor {
  /// What made it, as operations see it.
  package var node: Node? { origin.map { unsafeDowncast($0, to: Node.self) } }

  /// The same values, made by something else.
  package func with(origin: Origin?) -> Tensor {
    var tensor = self
    tensor.origin = origin
    return tensor
  }

  /// The same values, and nothing that made them.
  package var withoutOrigin: Tensor {
    var tensor = self
    tensor.origin = nil
    return tensor
  }

  /// What is known of it beside its values.
  fileprivate var withoutValues: Tensor {
    guard let nothing = try? Storage(byteCount: 0, on: storage.backend),
      let form = try? Tensor(in: nothing, shape, dtype, layout)
    else { return self }
    return form.with(origin: origin)
  }

  /// The same values, on which nothing of a gradient goes further back: a constant.
  public func stopGradient() -> Tensor {
    var tensor = self
    tensor.origin = Leaf.constant
    return tensor
  }
}

/// An operation that was recorded.
final class RecordedOperation<O: Operation>: Node, @unchecked Sendable {
  private var operation: O
  /// Without its origin, which is this.
  private let result: Tensor

  init(_ operation: O, result: Tensor) {
    let reads = operation.pullbackReads
    self.operation = operation
    self.result = reads.contains(.result) ? result : result.withoutValues
    super.init()
    if !reads.contains(.operands) { self.operation.forEachOperand { $0 = $0.withoutValues } }
  }

  override var form: TensorForm? { TensorForm(like: result) }

  override func forEachInput(_ body: (Node) -> Void) {
    var operation = operation
    operation.forEachOperand { if let node = $0.node { body(node) } }
  }

  override func pullback(_ gradient: Tensor, into sums: inout GradientSums) throws {
    try Recording.requireNoPlan(for: "a gradient")
    var result = result
    result.origin = self
    try operation.pullback(gradient, of: result, into: &sums)
  }

  override func releaseInputs() -> [Node] {
    var released: [Node] = []
    operation.forEachOperand { operand in
      guard operand.origin != nil else { return }
      var node = operand.node
      operand.origin = nil
      if isKnownUniquelyReferenced(&node), let node { released.append(node) }
    }
    return released
  }

  deinit {
    let released = releaseInputs()
    if !released.isEmpty { Self.release(released) }
  }
}

/// Where gradients end: a variable, a tensor that gradients are asked by, or a constant.
package final class Leaf: Node, @unchecked Sendable {
  /// Gradients do not come here.
  static let constant = Leaf(.constant)

  enum Kind {
    case constant
    case variable
    /// Of the recording of this number.
    case tensor(recording: Int)
  }

  private let kind: Kind
  /// Of the tensor that it stands for.
  private let tensorForm: TensorForm?
  /// The variable that it stands for, from when that is made until it goes. Not weak, which would make every use of the
  /// variable slower.
  private var reference: Unmanaged<Variable>?

  package var variable: Variable? { reference?.takeUnretainedValue() }

  func stand(for variable: Variable?) { reference = variable.map { .passUnretained($0) } }

  init(_ kind: Kind, _ form: TensorForm? = nil) {
    self.kind = kind
    tensorForm = form
    super.init()
  }

  override var form: TensorForm? { tensorForm ?? variable.map { TensorForm(like: $0.data) } }

  override func isActive(in recording: Recording) -> Bool {
    switch kind {
    case .constant: false
    case .variable: reference?._withUnsafeGuaranteedRef { $0.isReached } == true && recording.watches(self)
    case .tensor(let number): recording.isWithin(number)
    }
  }
}
