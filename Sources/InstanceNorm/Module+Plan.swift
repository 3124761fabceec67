import Operations
import Tensors

extension Module {
  /// The module in evaluation, prepared for data of one form: without what only training needs, in less memory, fused
  /// where normalisations are followed by activations and residuals, and for any number of tasks at once.
  ///
  ///     let plan = try model.plan(for: [1, 3, 256, 256])
  ///     let y = try plan(x)                                     // from any task
  ///
  /// It gives what a call in evaluation gives, of modules without convolutions the same bits. Variables are constants in
  /// it, as they are now.
  ///
  /// - Parameters:
  ///   - shape: of the data.
  ///   - dtype: nil for the type that the module computes in.
  ///   - layout: of the data.
  ///   - device: where the data will be, and the module is.
  ///   - precision: of convolutions.
  /// - Throws: what a call of the module throws; `PlanError` where its computation does what is no operation.
  public final func plan(
    for shape: Shape, dtype: DType? = nil, layout: Layout = .nchw, on device: Device = .cpu,
    precision: Precision = .float32
  ) throws -> Plan {
    try plan(for: [TensorForm(shape, dtype ?? calcType, layout)], on: device, precision: precision)
  }

  /// The same for several inputs; of the results, the first.
  public final func plan(
    for forms: [TensorForm], on device: Device = .cpu, precision: Precision = .float32
  ) throws -> Plan {
    // Layers that take their number of maps from the first data take it from this.
    try inEvaluation {
      try Plan(for: forms, on: device, precision: precision) { inputs in
        if inputs.count == 1 { return try self(inputs[0]) }
        guard let result = try self(inputs).first else {
          throw ModuleError.inputCount(module: label, expected: 1, got: 0)
        }
        return result
      }
    }
  }
}

/// A model in evaluation that any number of tasks call at once, with data of any form: it makes a plan for each form that
/// comes, and keeps those of the last few.
///
///     let painter = SharedModel(model)                            // the model is the painter's from here on
///     let y = try painter(x)                                      // from any task
///
/// The first call for a form makes the plan, and others wait for it.
public final class SharedModel: Sendable {
  private struct State {
    let model: Module
    /// The last used ones first.
    var plans: [(form: TensorForm, device: Device, plan: Plan)] = []
  }

  private let state: Locked<State>
  private let limit: Int
  private let precision: Precision

  /// - Parameters:
  ///   - model: is put into evaluation mode, and is no longer its caller's: changes to it would not reach the plans.
  ///   - limit: for how many forms of data plans are kept, with the memory that they use.
  ///   - precision: of convolutions.
  public init(_ model: sending Module, plans limit: Int = 8, precision: Precision = .float32) {
    self.precision = precision
    model.evalMode()
    state = Locked(State(model: model))
    self.limit = max(limit, 1)
  }

  /// What the model makes of some data.
  ///
  /// - Throws: what a call of the model throws.
  public func callAsFunction(_ data: Tensor) throws -> Tensor {
    try plan(for: TensorForm(like: data), on: data.device)(data)
  }

  private func plan(for form: TensorForm, on device: Device) throws -> Plan {
    try state.withLock { state in
      if let index = state.plans.firstIndex(where: { $0.form == form && $0.device == device }) {
        if index > 0 { state.plans.insert(state.plans.remove(at: index), at: 0) }
      } else {
        let plan = try state.model.plan(for: [form], on: device, precision: precision)
        state.plans.insert((form, device, plan), at: 0)
        if state.plans.count > limit { state.plans.removeLast() }
      }
      return state.plans[0].plan
    }
  }
}
