import Tensors

/// Takes down every operation that depends on a plan's inputs, in order, while the plan's body runs.
///
/// A value is known again by its memory. What shares it, under another shape or in another recording, is the same value.
/// Memory that no recorded operation wrote is a constant.
package final class Tracer {
  private(set) var values: [PlanGraph.Value] = []
  private(set) var steps: [PlanGraph.Step] = []

  /// Values by their memory. The tracer does not keep that, so that tracing takes no more than the body alone; memory
  /// that came later may have the identifier of what is gone.
  private var known: [ObjectIdentifier: (storage: WeakStorage, value: Int)] = [:]
  /// Memory of nothing for each device, which stands for values that come when the plan runs.
  private var nothing: [ObjectIdentifier: Storage] = [:]

  private struct WeakStorage {
    weak var storage: Storage?
  }

  package init() {}

  /// Makes a tensor's memory a value.
  @discardableResult
  func register(_ tensor: Tensor) -> Int {
    tensor.storage.isTraced = true
    known[ObjectIdentifier(tensor.storage)] = (WeakStorage(storage: tensor.storage), values.count)
    values.append(PlanGraph.Value(form: TensorForm(like: tensor), backend: tensor.storage.backend))
    return values.count - 1
  }

  /// The value that a tensor has or shares; nil for a constant.
  func value(of tensor: Tensor) -> Int? {
    guard let (memory, value) = known[ObjectIdentifier(tensor.storage)], memory.storage === tensor.storage else {
      return nil
    }
    return value
  }

  /// What an operation gives. Nobody may read what depends on the inputs, so that memory is all there is to it, which
  /// takes nothing of the machine's until it is touched. Custom operations alone are run, on zeros.
  func evaluate<O: Operation>(_ operation: inout O) throws -> (result: Tensor, isAlias: Bool) {
    var isTraced = false
    operation.forEachOperand { if value(of: $0) != nil { isTraced = true } }
    guard isTraced else { return try operation.evaluate() }
    let form = try operation.form()
    if let alias = try operation.alias() { return (alias.withoutOrigin, true) }
    let device = try operation.device()
    if operation is any WritingOperation { return (try Tensor(uninitialized: form, on: device), false) }
    var copy = operation
    try copy.forEachOperand { operand in
      guard value(of: operand) != nil else { return }
      operand = try Tensor(
        repeating: 0, shape: operand.shape, dtype: operand.dtype, layout: operand.layout, on: operand.device)
    }
    return try copy.evaluate()
  }

  /// - Parameters:
  ///   - operation: as it was before it ran, so that nothing is kept that it left in itself.
  ///   - isAlias: whether the result was not run but is memory that was there.
  func add<O: Operation>(_ operation: O, _ result: inout Tensor, isAlias: Bool) throws {
    var operation = operation
    var operands: [PlanGraph.Operand?] = []
    try operation.forEachOperand { operand in
      if let value = value(of: operand) {
        operands.append(PlanGraph.Operand(value: value, form: TensorForm(like: operand)))
        operand = try standIn(for: operand)
      } else {
        operands.append(nil)
        operand = operand.withoutOrigin
      }
    }
    guard operands.contains(where: { $0 != nil }) else { return }
    if value(of: result) != nil {
      // Another name of the same value. An operation that ran may give something else next time.
      if isAlias { return }
      try Recording.pause { try result.makeUnique() }
    }
    let isNew = value(of: result) == nil
    precondition(isNew)
    steps.append(PlanGraph.Step(operation, operands, result: register(result)))
  }

  private func standIn(for tensor: Tensor) throws -> Tensor {
    let backend = tensor.storage.backend
    let storage = try nothing[ObjectIdentifier(backend)] ?? Storage(byteCount: 0, on: backend)
    nothing[ObjectIdentifier(backend)] = storage
    return try Tensor(in: storage, tensor.shape, tensor.dtype, tensor.layout)
  }

  /// Lets whoever still has them read and change the tensors, which are zeros.
  func finish() {
    for (memory, _) in known.values {
      guard let storage = memory.storage else { continue }
      try? storage.backend.fill(storage, with: 0)
      storage.isTraced = false
    }
  }
}
