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
/// A subclass says how many tensors it keeps for each variable and overrides ``step(_:state:number:)``.
open class Optimizer {
  /// How far a step goes. May be changed between steps.
  public var learnRate: Double

  /// How many steps have been taken since ``setup(on:)``.
  public private(set) var stepCount = 0

  private var slots: [(variable: Variable, state: [Tensor])]?

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
    try module.forEachModule { _, module in
      if module.isLazy { throw OptimizerError.lazy(module: module.label) }
    }
    slots = try module.variables.map { _, variable in
      let state = try (0..<max(stateTensorCount, 0)).map { _ in
        let grad = variable.grad
        return try Tensor(repeating: 0, shape: grad.shape, dtype: grad.dtype, layout: grad.layout, on: grad.device)
      }
      return (variable, state)
    }
    stepCount = 0
  }

  /// Takes one step by some gradients, which become the variables' own. Variables that they are not by stay as they are.
  ///
  /// - Throws: as ``update()`` does.
  public func update(_ gradients: Gradients) throws {
    guard let slots else { throw OptimizerError.notSetUp }
    for (variable, _) in slots {
      if let gradient = gradients[variable] { variable.grad = gradient }
    }
    try update { gradients[$0] != nil }
  }

  /// Takes one step with all variables of modules that are in training mode, and not frozen, by the gradients that their
  /// backward passes left. Where these have moved to another device,
  /// the optimizer's state follows.
  ///
  /// - Throws: ``OptimizerError/notSetUp`` before ``setup(on:)``; `TensorError` when the variables are no longer of the
  ///   shape and type that they were of then, `DeviceError` when a gradient is not where its variable is.
  public func update() throws { try update { _ in true } }

  private func update(where isMeant: (Variable) -> Bool) throws {
    guard var slots else { throw OptimizerError.notSetUp }
    try Self.check("learnRate", learnRate, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    for index in slots.indices {
      let device = slots[index].variable.data.device
      slots[index].state = try slots[index].state.map { try $0.device == device ? $0 : $0.to(device) }
    }
    // All of them before any changes, so that a step is taken whole or not at all.
    for (variable, state) in slots { try check(variable, state) }
    // Taken out while it changes: a second reference would make every step a copy.
    self.slots = []
    defer { self.slots = slots }
    for index in slots.indices where slots[index].variable.isReached && isMeant(slots[index].variable) {
      let variable = slots[index].variable
      try step(variable, state: &slots[index].state, number: stepCount + 1)
    }
    stepCount += 1
  }

  /// Refuses a gradient or state that does not fit the variable.
  final func check(_ variable: Variable, _ state: [Tensor]) throws {
    guard state.count == max(stateTensorCount, 0) else {
      throw OptimizerError.argument(name: "state", expected: "\(stateTensorCount) tensors", got: "\(state.count)")
    }
    for tensor in state + [variable.grad] { _ = try variable.data.agreeing(tensor, "the optimizer's step") }
  }

  static func check(_ name: String, _ value: Double, _ expected: String, _ isValid: (Double) -> Bool) throws {
    guard isValid(value) else {
      throw OptimizerError.argument(name: name, expected: expected, got: "\(value)")
    }
  }
}

public enum OptimizerError: Error, Equatable, Sendable, CustomStringConvertible {
  case argument(name: String, expected: String, got: String)
  case notSetUp
  /// A module without variables as yet: it infers its number of maps from the first data.
  case lazy(module: String)

  public var description: String {
    switch self {
    case .argument(let name, let expected, let got): "optimizer: \(name): expected \(expected), got \(got)"
    case .notSetUp: "optimizer: update() needs setup(on:) before it"
    case .lazy(let module):
      "optimizer: \(module) has no variables before its first call, from which it infers its number of maps"
    }
  }
}
