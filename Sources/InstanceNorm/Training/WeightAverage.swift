import Operations
import Tensors

/// The moving average of a module's variables, which often does better than the last of them.
///
///     let average = try WeightAverage(of: generator, decay: 0.999)
///     for batch in batches {
///       ...
///       try optimizer.update(gradients)
///       try average.update()
///     }
///     try average.withAverages { try generator.save(to: "generator.safetensors") }
///
/// After update t, the average is `decay average + (1 - decay) data`, from the data that there was at first; or, with
/// `correctsBias`, the mean of what updates have seen, each weighing `decay` of the one after it, as ``Adam`` corrects
/// its averages.
public final class WeightAverage {
  public let decay: Double
  public let correctsBias: Bool
  /// How many times ``update()`` has been called.
  public private(set) var updateCount = 0

  private struct Slot {
    let name: String
    let variable: Variable
    var average: Tensor
  }

  private var slots: [Slot]

  /// - Parameters:
  ///   - module: what is averaged, its children too.
  ///   - decay: 0 or more, less than 1.
  ///   - correctsBias: whether the data that there was at first does not count.
  /// - Throws: ``OptimizerError/argument(name:expected:got:)``, ``OptimizerError/lazy(module:)``.
  public init(of module: Module, decay: Double = 0.999, correctsBias: Bool = true) throws {
    try Optimizer.check("decay", decay, "0 or more, less than 1") { $0 >= 0 && $0 < 1 }
    try Optimizer.requireVariables(of: module)
    self.decay = decay
    self.correctsBias = correctsBias
    slots = module.variables.map { Slot(name: $0, variable: $1, average: $1.data.withoutOrigin) }
  }

  /// Takes the variables as they are now into the average.
  ///
  /// - Throws: `TensorError` when a variable is no longer of the shape and type that it was of.
  public func update() throws {
    let weight = correctsBias ? (1 - decay) / (1 - AdamStep.power(decay, updateCount + 1)) : 1 - decay
    for index in slots.indices {
      let data = slots[index].variable.data
      if slots[index].average.device != data.device {
        slots[index].average = try slots[index].average.to(data.device)
      }
      try slots[index].average.combine(weight, data, beta: 1 - weight)
    }
    updateCount += 1
  }

  /// Gives a module, the same or one with the same variables, copies of the averages.
  ///
  /// - Throws: ``ModuleError/variable(module:name:expected:got:)`` when its variables are others; then nothing has
  ///   changed.
  public func apply(to module: Module) throws {
    let variables = module.variables
    guard variables.map(\.name) == slots.map(\.name) else {
      let name = zip(variables.map(\.name), slots.map(\.name)).first { $0 != $1 }?.0 ?? ""
      throw ModuleError.variable(
        module: module.label, name: name, expected: "the \(slots.count) variables of the module that is averaged",
        got: "\(variables.count) variables")
    }
    let averages = try zip(variables, slots).map { target, slot in
      guard slot.average.shape == target.variable.data.shape, slot.average.dtype == target.variable.data.dtype else {
        throw ModuleError.variable(
          module: module.label, name: target.name, expected: "shape \(slot.average.shape), \(slot.average.dtype)",
          got: "\(target.variable.data.shape), \(target.variable.data.dtype)")
      }
      return try slot.average.to(target.variable.data.layout).to(target.variable.data.device)
    }
    for (target, average) in zip(variables, averages) { target.variable.data = average }
  }

  /// Does something with the averages in the variables' place, which are what they were when it is done.
  ///
  /// - Throws: what the body throws.
  public func withAverages<Result>(_ body: () throws -> Result) throws -> Result {
    let data = slots.map(\.variable.data)
    let averages = try zip(slots, data).map { try $0.average.to($1.device) }
    for (slot, average) in zip(slots, averages) { slot.variable.data = average }
    defer { for (slot, data) in zip(slots, data) { slot.variable.data = data } }
    return try body()
  }
}

extension WeightAverage: Resumable {
  public func save(into checkpoint: inout Checkpoint, as name: String) throws {
    try checkpoint.set(updateCount, for: name)
    for slot in slots { try checkpoint.add(slot.average, as: "\(name)/\(slot.name)") }
  }

  public func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
    let count = try checkpoint.value(Int.self, for: name)
    guard count >= 0 else {
      throw CheckpointError.mismatch(path: checkpoint.path, name: name, expected: "0 or more", got: "\(count)")
    }
    let averages = try slots.map { try checkpoint.tensor(named: "\(name)/\($0.name)", like: $0.average) }
    try checkpoint.check(only: slots.map { "\(name)/\($0.name)" }, of: name)
    return {
      for (index, average) in averages.enumerated() { self.slots[index].average = average }
      self.updateCount = count
    }
  }
}
