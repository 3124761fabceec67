import Operations
import Tensors

/// Changes a module's variables so that a loss falls, by their gradients.
///
///     let optimizer = try Adam(learnRate: 0.01)
///     try optimizer.setup(on: norm)
///     for batch in batches {
///       let (loss, gradients) = try valueAndGradients(of: norm) {
///         try meanSquaredError(norm(batch.input), batch.target)
///       }
///       try optimizer.update(gradients)
///     }
///
/// It does more where that is asked for:
///
///     optimizer.schedule = try .linearDecay(after: 10_000, over: 10_000)
///     optimizer.clipNorm = 1                                  // of all gradients together
///     optimizer.checksGradients = true                        // throws, and changes nothing, where one is not finite
///
/// A subclass says how many tensors it keeps for each variable and overrides ``step(_:state:number:)``.
open class Optimizer {
  /// How far a step goes, before ``schedule``. May be changed between steps.
  public var learnRate: Double

  /// By what ``learnRate`` is multiplied, step by step.
  public var schedule = LearnRateSchedule.constant

  /// The rate of the step to come, by which ``step(_:state:number:)`` goes.
  public final var scheduledLearnRate: Double { learnRate * schedule.factor(at: stepCount) }

  /// Where all gradients together, as one vector, are longer than this, they are scaled down to it, as by PyTorch's
  /// `clip_grad_norm_`; nil leaves them as they are.
  public var clipNorm: Double?

  /// Whether a gradient that is not finite is an error, which is found before anything changes. With ``clipNorm`` it
  /// always is.
  public var checksGradients = false

  /// How many steps have been taken since ``setup(on:)``.
  public private(set) var stepCount = 0

  private struct Slot {
    let name: String
    let variable: Variable
    var state: [Tensor]
  }

  private var slots: [Slot]?

  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` when the rate is negative or not finite.
  public init(learnRate: Double) throws {
    try Self.check("learnRate", learnRate, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    self.learnRate = learnRate
  }

  /// How many tensors of a variable's shape are kept between steps; zeros at first.
  open var stateTensorCount: Int { 0 }

  /// Changes one variable.
  ///
  /// - Parameters:
  ///   - variable: holds the values to change, and their gradient.
  ///   - state: this variable's ``stateTensorCount`` tensors.
  ///   - number: the step's number; 1 for the first.
  open func step(_ variable: Variable, state: inout [Tensor], number: Int) throws {
    throw ModuleError.notOverridden(module: "\(type(of: self))", method: "step")
  }

  /// Takes on a module's variables, its children's too, with fresh state. Again after ``Module/calcMode(_:)`` or
  /// ``Sequential/append(_:)``.
  ///
  /// - Throws: ``OptimizerError/lazy(module:)`` for a layer that has yet to see data before it has variables.
  public func setup(on module: Module) throws {
    try Self.requireVariables(of: module)
    slots = try module.variables.map { name, variable in
      let state = try (0..<max(stateTensorCount, 0)).map { _ in
        let data = variable.data
        return try Tensor(repeating: 0, shape: data.shape, dtype: data.dtype, layout: data.layout, on: data.device)
      }
      return Slot(name: name, variable: variable, state: state)
    }
    stepCount = 0
  }

  /// Takes one step by some gradients. Variables that they are not by stay as they are, and so does what backward passes
  /// left as any variable's own gradient.
  ///
  /// - Throws: as ``update()`` does.
  public func update(_ gradients: Gradients) throws {
    guard let own = slots?.map(\.variable.grad) else { throw OptimizerError.notSetUp }
    defer { for (slot, own) in zip(slots ?? [], own) { slot.variable.grad = own } }
    try update(by: slots?.map { gradients[$0.variable] } ?? [])
  }

  /// Takes one step with all variables of modules that are in training mode, and not frozen, by the gradients that their
  /// backward passes left; those without one stay as they are. Where variables have moved to another device, the
  /// optimizer's state follows.
  ///
  /// - Throws: ``OptimizerError/notSetUp`` before ``setup(on:)``; ``OptimizerError/notFinite(variable:step:)`` where
  ///   gradients are checked; `TensorError` when the variables are no longer of the shape and type that they were of
  ///   then, `DeviceError` when a gradient is not where its variable is. Then no variable has changed.
  public func update() throws {
    guard let gradients = slots?.map(\.variable.grad) else { throw OptimizerError.notSetUp }
    try update(by: gradients)
  }

  /// - Parameter gradients: for each variable; nil for one that stays as it is.
  private func update(by gradients: [Tensor?]) throws {
    guard var slots else { throw OptimizerError.notSetUp }
    try Self.check("learnRate", learnRate, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    for index in slots.indices {
      let device = slots[index].variable.data.device
      slots[index].state = try slots[index].state.map { try $0.device == device ? $0 : $0.to(device) }
    }
    // All of them before any changes, so that a step is taken whole or not at all.
    for (slot, gradient) in zip(slots, gradients) { try check(slot.variable, slot.state, gradient) }
    let taken = slots.indices.filter { slots[$0].variable.isReached && gradients[$0] != nil }
    let scale = try clipScale(of: taken.compactMap { index in gradients[index].map { (slots[index].name, $0) } })
    for (slot, gradient) in zip(slots, gradients) {
      if let gradient { slot.variable.grad = gradient }
    }
    // Taken out while it changes: a second reference would make every step a copy.
    self.slots = []
    defer { self.slots = slots }
    for index in taken {
      let variable = slots[index].variable
      if scale < 1 { try variable.grad?.scale(by: scale) }
      try step(variable, state: &slots[index].state, number: stepCount + 1)
    }
    stepCount += 1
  }

  /// By what gradients are multiplied, once they are known to be finite where that is asked for.
  private func clipScale(of gradients: [(name: String, tensor: Tensor)]) throws -> Double {
    guard clipNorm != nil || checksGradients else { return 1 }
    if let clipNorm { try Self.check("clipNorm", clipNorm, "more than 0") { $0 > 0 } }
    let norm = try GradientNorm(of: gradients.map(\.tensor))
    if let index = norm.firstNotFinite {
      throw OptimizerError.notFinite(variable: gradients[index].name, step: stepCount + 1)
    }
    return clipNorm.map { min(1, $0 / (norm.value + 1e-6)) } ?? 1
  }

  /// The gradient that ``step(_:state:number:)`` goes by.
  ///
  /// - Throws: `TensorError` when it, or the state, does not fit the variable; ``OptimizerError/argument(name:expected:got:)``
  ///   where there is none.
  public final func gradient(of variable: Variable, beside state: [Tensor]) throws -> Tensor {
    guard let gradient = variable.grad else {
      throw OptimizerError.argument(
        name: "variable", expected: "one with a gradient", got: "'\(variable.name)' without")
    }
    try check(variable, state, gradient)
    return gradient
  }

  private func check(_ variable: Variable, _ state: [Tensor], _ gradient: Tensor?) throws {
    guard state.count == max(stateTensorCount, 0) else {
      throw OptimizerError.argument(name: "state", expected: "\(stateTensorCount) tensors", got: "\(state.count)")
    }
    for tensor in state + [gradient].compactMap({ $0 }) {
      _ = try variable.data.agreeing(tensor, "the optimizer's step")
    }
  }

  static func requireVariables(of module: Module) throws {
    try module.forEachModule { _, module in
      if module.isLazy { throw OptimizerError.lazy(module: module.label) }
    }
  }

  static func check(_ name: String, _ value: Double, _ expected: String, _ isValid: (Double) -> Bool) throws {
    guard isValid(value) else {
      throw OptimizerError.argument(name: name, expected: expected, got: "\(value)")
    }
  }
}

// MARK: - Checkpoints

extension Optimizer: Resumable {
  private struct Progress: Codable {
    let optimizer: String
    let stepCount: Int
    let learnRate: Double
  }

  private static func key(_ object: String, _ variable: String, _ index: Int) -> String {
    "\(object)/\(variable)/\(index)"
  }

  /// Adds what the optimizer keeps between steps, under its variables' names, with ``stepCount`` and ``learnRate``.
  public final func save(into checkpoint: inout Checkpoint, as name: String) throws {
    guard let slots else {
      throw CheckpointError.notReady(object: "\(type(of: self))", reason: "has no state before setup(on:)")
    }
    try checkpoint.set(
      Progress(optimizer: "\(type(of: self))", stepCount: stepCount, learnRate: learnRate), for: name)
    for slot in slots {
      for (index, tensor) in slot.state.enumerated() {
        try checkpoint.add(tensor, as: Self.key(name, slot.name, index))
      }
    }
  }

  /// The optimizer has been set up on the module that the checkpoint was made with, or one like it.
  public final func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
    guard var slots else {
      throw CheckpointError.notReady(object: "\(type(of: self))", reason: "has no state before setup(on:)")
    }
    let progress = try checkpoint.value(Progress.self, for: name)
    guard progress.optimizer == "\(type(of: self))" else {
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: name, expected: "the state of \(type(of: self))", got: "of \(progress.optimizer)")
    }
    guard progress.stepCount >= 0, progress.learnRate >= 0, progress.learnRate.isFinite else {
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: name, expected: "a step count and a learn rate of 0 or more",
        got: "\(progress.stepCount) and \(progress.learnRate)")
    }
    var names: [String] = []
    for index in slots.indices {
      for part in slots[index].state.indices {
        let key = Self.key(name, slots[index].name, part)
        names.append(key)
        slots[index].state[part] = try checkpoint.tensor(named: key, like: slots[index].state[part])
      }
    }
    try checkpoint.check(only: names, of: name)
    return { [slots] in
      self.slots = slots
      self.stepCount = progress.stepCount
      self.learnRate = progress.learnRate
    }
  }

  /// Writes the optimizer's state to a file of its own.
  ///
  /// - Throws: ``CheckpointError``; `FileError`.
  public final func save(to path: String) throws { try Checkpoint(of: ["optimizer": self]).write(to: path) }

  /// Takes on the state of such a file.
  ///
  /// - Throws: `FileError`; ``CheckpointError`` when it is not the state of such an optimizer on such variables. Then
  ///   nothing has changed.
  public final func load(from path: String) throws {
    try Checkpoint(contentsOf: path).restore(["optimizer": self])
  }
}

public enum OptimizerError: Error, Equatable, Sendable, CustomStringConvertible {
  case argument(name: String, expected: String, got: String)
  case notSetUp
  /// A module without variables as yet: it infers its number of maps from the first data.
  case lazy(module: String)
  /// A gradient that is not finite, of the step that was to be taken; 1 is the first.
  case notFinite(variable: String, step: Int)

  public var description: String {
    switch self {
    case .argument(let name, let expected, let got): "optimizer: \(name): expected \(expected), got \(got)"
    case .notSetUp: "optimizer: update() needs setup(on:) before it"
    case .lazy(let module):
      "optimizer: \(module) has no variables before its first call, from which it infers its number of maps"
    case .notFinite(let variable, let step):
      "optimizer: step \(step): expected finite gradients, got one of '\(variable)' that is not"
    }
  }
}
