import Tensors

/// What a plan computes: steps in order, each of which makes a value of others.
struct PlanGraph {
  struct Value: Sendable {
    let form: TensorForm
    let backend: any Backend
  }

  /// A value as an operation sees it, maybe under another shape.
  struct Operand: Sendable {
    let value: Int
    let form: TensorForm
  }

  struct Step: Sendable {
    var operation: any Operation
    /// In the order of `forEachOperand`; nil for constants, which the operation has. Others it has stand-ins for.
    var operands: [Operand?]
    var result: Int
    /// The operations that it took up, for descriptions.
    var fused: [String] = []

    init(_ operation: any Operation, _ operands: [Operand?], result: Int) {
      self.operation = operation
      self.operands = operands
      self.result = result
    }
  }

  /// The first ones are the inputs.
  var values: [Value]
  let inputCount: Int
  let output: Operand
  private(set) var steps: [Step]
  /// How many operations depended on the inputs and had no bearing on the output.
  let unusedCount: Int

  init(values: [Value], inputCount: Int, steps: [Step], output: Operand, isExact: Bool = false) {
    self.values = values
    self.inputCount = inputCount
    self.output = output
    var isUsed = Array(repeating: false, count: values.count)
    isUsed[output.value] = true
    var used: [Step] = []
    for step in steps.reversed() where isUsed[step.result] {
      used.append(step)
      for operand in step.operands { if let operand { isUsed[operand.value] = true } }
    }
    self.steps = used.reversed()
    unusedCount = steps.count - used.count
    fuse()
    fuseConvolutions(isExact: isExact)
    for index in self.steps.indices { self.steps[index].leaveNothing() }
  }

  mutating func replace(steps: [Step]) { self.steps = steps }

  // MARK: Fusion

  /// Puts what follows a normalisation into it, at the place of the last operation that it takes up.
  private mutating func fuse() {
    var uses = Array(repeating: 0, count: values.count)
    uses[output.value] += 1
    for step in steps { for operand in step.operands { if let operand { uses[operand.value] += 1 } } }
    var position = 0
    while position < steps.count {
      guard var step = steps[position].fusing, uses[step.result] == 1,
        let place = steps[(position + 1)...].firstIndex(where: { $0.reads(step.result) }),
        step.take(steps[place], values)
      else {
        position += 1
        continue
      }
      // It comes by again at its new place, for what follows there.
      steps[place] = step.step
      steps.remove(at: position)
    }
  }
}

extension PlanGraph.Step {
  func reads(_ value: Int) -> Bool { operands.contains { $0?.value == value } }

  /// Nobody asks for statistics.
  fileprivate mutating func leaveNothing() {
    guard var normalize = operation as? Normalize else { return }
    normalize.keepsStatistics = false
    if normalize.attributes.sharing != nil { normalize.statistics = nil }
    operation = normalize
  }

  fileprivate var fusing: FusingNormalize? { FusingNormalize(self) }
}

/// A normalisation that takes up what follows it, as far as the bits stay the same.
///
/// Operations that run one after another round each result to the type in memory; a normalisation rounds once. For
/// float32 and float64, which it computes in, that is the same. For narrower types it is for ReLU alone, which makes no
/// difference to rounding; on GPUs it does to the sign of 0.
private struct FusingNormalize {
  private(set) var step: PlanGraph.Step
  private var normalize: Normalize

  init?(_ step: PlanGraph.Step) {
    guard let normalize = step.operation as? Normalize else { return nil }
    self.step = step
    self.normalize = normalize
  }

  var result: Int { step.result }

  /// Takes up the step that reads the result; false where that has to stay.
  mutating func take(_ next: PlanGraph.Step, _ values: [PlanGraph.Value]) -> Bool {
    let form = values[result].form
    let isWide = form.dtype == .float32 || form.dtype == .float64
    // Devices of one name may have other kernels.
    guard values[next.result].backend === values[result].backend else { return false }
    // Under another shape it would be another normalisation.
    guard next.operands.allSatisfy({ $0?.value != result || $0?.form == form }) else { return false }
    switch next.operation {
    case let pointwise as Pointwise:
      guard normalize.attributes.activation == .none else { return false }
      // A product with a slope would be rounded once, where it is rounded twice apart.
      guard case .activation(let activation) = pointwise.function, isWide || activation.negativeSlope == 0 else {
        return false
      }
      normalize.attributes.activation = activation
      if normalize.residual != nil { normalize.attributes.place = .beforeActivation }
      step.fused.append("\(pointwise.function)")
    case let binary as Binary:
      guard binary.function == .add, normalize.residual == nil, isWide else { return false }
      let isFirst = next.operands[0]?.value == result
      let other = isFirst ? binary.second : binary.first
      guard TensorForm(like: other) == form else { return false }
      normalize.residual = other
      normalize.attributes.place = .afterActivation
      // The residual is the last of a normalisation's operands.
      step.operands.append(next.operands[isFirst ? 1 : 0])
      step.fused.append("add")
    default: return false
    }
    step.operation = normalize
    step.result = next.result
    return true
  }
}
