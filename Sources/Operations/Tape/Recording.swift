import CTensors
import Tensors

/// What is being recorded on this thread: the operations on which what is watched has a bearing.
///
/// Recordings nest. An operation is recorded when any of those around it watches one of its operands, so that the
/// gradients that an inner one gives have gradients in an outer one.
package final class Recording {
  private let parent: Recording?
  private let number: Int
  /// The variables that are watched; nil for all.
  private let variables: Set<ObjectIdentifier>?
  /// Tensors that were made before anyone asked for gradients by them, which are known again by their memory.
  private var tensors: [(tensor: Tensor, leaf: Leaf)] = []
  /// What is told of every operation, whether it depends on anything or not.
  let tracer: Tracer?
  /// Whether it is of a module's call that is to be kept.
  package let isLife: Bool
  /// The modules that were called on the way.
  package var parts: [AnyObject] = []

  /// What this thread records; nil for nothing, and then operations cost nothing more.
  package static var current: Recording? {
    tensors_get_recording().map { Unmanaged<Recording>.fromOpaque($0).takeUnretainedValue() }
  }

  private init(parent: Recording?, variables: Set<ObjectIdentifier>?, tracer: Tracer?, isLife: Bool) {
    self.parent = parent
    self.variables = variables
    self.tracer = tracer ?? parent?.tracer
    self.isLife = isLife
    number = (parent?.number ?? 0) + 1
  }

  /// Records what `body` does.
  ///
  /// - Parameter leaves: of the variables that are watched; nil for all that are trained.
  package static func record<Result>(
    watching leaves: [Leaf]? = [], tracer: Tracer? = nil, isLife: Bool = false, _ body: (Recording) throws -> Result
  ) rethrows -> Result {
    let recording = Recording(
      parent: current, variables: leaves.map { Set($0.map { ObjectIdentifier($0) }) }, tracer: tracer, isLife: isLife)
    return try with(recording) { try body(recording) }
  }

  /// Records nothing of what `body` does.
  package static func pause<Result>(_ body: () throws -> Result) rethrows -> Result {
    if current == nil { return try body() }
    return try with(nil, body)
  }

  private static func with<Result>(_ recording: Recording?, _ body: () throws -> Result) rethrows -> Result {
    let before = tensors_get_recording()
    tensors_set_recording(recording.map { Unmanaged.passUnretained($0).toOpaque() })
    defer { tensors_set_recording(before) }
    return try withExtendedLifetime(recording) { try body() }
  }

  // MARK: What is watched

  /// A tensor that gradients are asked by. What made it stays known where it is, also to recordings around this one that
  /// watch it too.
  package func watch(_ tensor: Tensor) -> Node {
    if let node = tensor.node, node !== Leaf.constant { return node }
    if let leaf = leaf(of: tensor) { return leaf }
    let leaf = makeLeaf(for: tensor)
    tensors.append((tensor, leaf))
    return leaf
  }

  /// A leaf of this recording, for a tensor that is about to be used in it.
  package func makeLeaf(for tensor: Tensor) -> Leaf {
    Leaf(.tensor(recording: number), TensorForm(like: tensor))
  }

  func watches(_ leaf: Leaf) -> Bool {
    guard let variables else { return true }
    return variables.contains(ObjectIdentifier(leaf)) || parent?.watches(leaf) == true
  }

  /// - Throws: ``PlanError/notForPlans(_:)`` while a plan is traced.
  static func requireNoPlan(for what: String) throws {
    if current?.tracer != nil { throw PlanError.notForPlans(what) }
  }

  /// Whether a recording of this number goes on.
  func isWithin(_ number: Int) -> Bool { number <= self.number }

  private func leaf(of tensor: Tensor) -> Leaf? {
    for (watched, leaf) in tensors
    where watched.storage === tensor.storage && watched.shape == tensor.shape && watched.layout == tensor.layout
      // A constant that was made of a tensor has its memory, and is not that tensor.
      && (watched.origin == nil) == (tensor.origin == nil)
    {
      return leaf
    }
    return parent?.leaf(of: tensor)
  }

  /// Whether something depends on a tensor; finds out what tensor it is where that is not known.
  private func isActive(_ tensor: inout Tensor) -> Bool {
    if let node = tensor.node, node !== Leaf.constant { return node.isActive(in: self) }
    guard let leaf = leaf(of: tensor) else { return false }
    tensor.origin = leaf
    return true
  }

  /// Whether operations on any of some tensors are recorded.
  package static func isActive(_ tensors: Tensor?...) -> Bool {
    guard let current else { return false }
    return tensors.contains { tensor in
      guard var tensor else { return false }
      return current.isActive(&tensor)
    }
  }

  // MARK: Recording

  func record<O: Operation>(_ operation: inout O, _ result: inout Tensor) {
    var isActive = false
    operation.forEachOperand { if self.isActive(&$0) { isActive = true } }
    if isActive { result.origin = RecordedOperation(operation, result: result) }
  }
}

extension Operation {
  /// Makes an operand that gradients are to be taken by a leaf of its own; for calls that are recorded after they ran.
  package mutating func record(input: Tensor) -> Leaf {
    let leaf = Leaf(.tensor(recording: 0), TensorForm(like: input))
    forEachOperand { if $0.storage === input.storage, $0.origin == nil { $0.origin = leaf } }
    return leaf
  }
}

extension Tensor {
  /// The same result, that knows an operation which made it.
  package func made<O: Operation>(by operation: O) -> Tensor {
    with(origin: RecordedOperation(operation, result: self))
  }
}
