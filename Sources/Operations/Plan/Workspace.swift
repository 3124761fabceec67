import Tensors

/// The memory of one run of a plan at a time, and the steps, whose operands are in it. A run makes nothing but the
/// tensors that it gives away.
final class Workspace {
  private let steps: [Runnable]
  /// The values that have tensors of their own, while there is use for them.
  private var tensors: [Tensor?]
  private let lastReads: [[Int]]

  init(_ graph: PlanGraph, _ memory: PlanMemory) throws {
    let pieces = try memory.pieces.map { try Storage(byteCount: $0.byteCount, on: $0.backend) }
    func tensor(_ value: Int, _ form: TensorForm) throws -> Tensor? {
      guard case .piece(let piece) = memory.places[value] else { return nil }
      return try Tensor(in: pieces[piece], form.shape, form.dtype, form.layout)
    }
    func open<O: Operation>(_ operation: O, _ step: PlanGraph.Step) throws -> Runnable {
      let operands = try step.operands.map { try $0.flatMap { try tensor($0.value, $0.form) } }
      let moving = step.operands.enumerated().compactMap { index, operand in
        operand.flatMap { memory.places[$0.value] == .tensor ? MovingOperand(index: index, operand: $0) : nil }
      }
      let value = graph.values[step.result]
      return BoundStep(
        operation, operands, moving, value, result: try tensor(step.result, value.form), number: step.result,
        isCustom: !(operation is any WritingOperation))
    }
    steps = try graph.steps.map { try open($0.operation, $0) }
    tensors = graph.values.map { _ in nil }
    lastReads = memory.lastReads
  }

  /// What becomes of some inputs, whose forms are known to be right.
  func run(_ inputs: [Tensor], to output: Int) throws -> Tensor? {
    for (index, input) in inputs.enumerated() { tensors[index] = input }
    for (step, ended) in zip(steps, lastReads) {
      try step.run(&tensors)
      for value in ended { tensors[value] = nil }
    }
    let result = tensors[output]
    for index in inputs.indices { tensors[index] = nil }
    tensors[output] = nil
    return result
  }
}

/// A step whose operands are bound to memory.
private class Runnable {
  func run(_ tensors: inout [Tensor?]) throws {}
}

/// An operand that is another tensor in each run.
private struct MovingOperand {
  /// In the order of `forEachOperand`.
  let index: Int
  let operand: PlanGraph.Operand
}

private final class BoundStep<O: Operation>: Runnable {
  private var operation: O
  private let moving: [MovingOperand]
  /// What stands for these between runs.
  private var standIns: [Tensor] = []
  private let value: PlanGraph.Value
  /// In the workspace; nil where each run makes a new tensor.
  private var result: Tensor?
  /// Of the result's value.
  private let number: Int
  /// Whether the operation may do what it likes: give another tensor than it got, keep something in itself.
  private let isCustom: Bool

  init(
    _ operation: O, _ operands: [Tensor?], _ moving: [MovingOperand], _ value: PlanGraph.Value, result: Tensor?,
    number: Int, isCustom: Bool
  ) {
    self.operation = operation
    self.moving = moving
    self.value = value
    self.result = result
    self.number = number
    self.isCustom = isCustom
    super.init()
    var index = 0
    var next = 0
    self.operation.forEachOperand { operand in
      if let tensor = operands[index] { operand = tensor }
      if next < moving.count, moving[next].index == index {
        standIns.append(operand)
        next += 1
      }
      index += 1
    }
  }

  override func run(_ tensors: inout [Tensor?]) throws {
    if !moving.isEmpty { bind { operand, _ in tensors[operand.value]?.reinterpreted(as: operand.form) } }
    if isCustom {
      var copy = operation
      let (made, _) = try copy.evaluate()
      guard TensorForm(like: made) == value.form else {
        throw PlanError.otherForm(operation: "\(O.self)", expected: value.form, got: TensorForm(like: made))
      }
      tensors[number] = made
    } else if result != nil {
      try operation.run(into: &result!)
    } else {
      var made = try Tensor(uninitialized: value.form, on: Device(value.backend))
      try operation.run(into: &made)
      tensors[number] = made
    }
    if !moving.isEmpty { bind { _, index in standIns[index] } }
  }

  private func bind(_ tensor: (_ operand: PlanGraph.Operand, _ index: Int) -> Tensor?) {
    var index = 0
    var next = 0
    operation.forEachOperand { operand in
      if next < moving.count, moving[next].index == index {
        if let tensor = tensor(moving[next].operand, next) { operand = tensor }
        next += 1
      }
      index += 1
    }
  }
}

extension Tensor {
  fileprivate func reinterpreted(as form: TensorForm) -> Tensor {
    // Most often it has that form, and then no shape is made.
    form.shape == shape && form.layout == layout ? self : reinterpreted(as: form.shape, layout: form.layout)
  }
}
