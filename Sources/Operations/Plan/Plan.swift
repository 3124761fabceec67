import Tensors

/// A computation prepared for inputs of given forms, for inference.
///
///     let plan = try Plan(for: [TensorForm([1, 3, 256, 256], .float32)]) { try network($0[0]) }
///     let y = try plan(x)
///
/// The body is called once, when the plan is made, and tells what operations there are; none is run then, except your own
/// (``Operation``), on zeros. When the plan runs, it gives what the
/// body would give, with less to do:
///
/// - What does not depend on the inputs is computed already, and convolutions have their weights at hand as they want
///   them.
/// - An activation and a residual that follow a normalisation, in either order, are computed in the same pass over
///   memory as that, where that does not change the bits: see ``fusedCount``.
/// - What stands between two convolutions is done as these walk over memory: statistics of a result are taken while it is
///   written; it is normalised, activated, upsampled and padded while the next convolution reads it.
/// - Memory is given out again as soon as nobody reads what is in it, and kept for the next run. After the first run
///   none is taken from the system.
///
/// The bits are those that the body would give, except where an instance normalisation follows a convolution: its sums are
/// then taken in another order, and the results differ by float32's rounding.
///
/// Any number of tasks may run one plan at once. Each that runs at the same time as another has memory of its own,
/// ``workspaceByteCount`` bytes.
///
/// Variables and other tensors from outside are constants, which the plan has as they were when it was made: later
/// training does not change it. The body must not read or change values except by operations, nor take gradients;
/// where it does, an error is thrown. Random numbers that it draws are constants too.
///
/// A plan has no gradient.
public final class Plan: Sendable {
  /// What the inputs have to be.
  public let inputs: [TensorForm]
  /// What the result is.
  public let output: TensorForm
  /// Where the inputs have to be.
  public let device: Device

  /// What is to be done; nil where the body gives a constant.
  let graph: PlanGraph?
  let memory: PlanMemory?
  /// What the body gives if that does not depend on the inputs.
  private let constant: Tensor?
  /// Those that no run uses now.
  private let workspaces = Locked<[Workspace]>([])

  /// - Parameters:
  ///   - inputs: the forms of the tensors that the plan will be run on.
  ///   - device: where these will be.
  ///   - precision: of convolutions.
  ///   - body: the computation. It is called once, with tensors whose values it cannot read.
  /// - Throws: what the body throws; ``PlanError/notForPlans(_:)`` or `TensorError.traced(shape:)` where that does what
  ///   is no operation.
  public init(
    for inputs: [TensorForm], on device: Device = .cpu, precision: Precision = .float32,
    _ body: (_ inputs: [Tensor]) throws -> Tensor
  ) throws {
    let tracer = Tracer()
    defer { tracer.finish() }
    // Gradients that are being recorded have nothing to do with it.
    let result = try Recording.pause {
      let placeholders = try inputs.map { try Tensor(uninitialized: $0, on: device) }
      for input in placeholders { tracer.register(input) }
      return try Recording.record(tracer: tracer) { _ in try body(placeholders) }
    }
    self.inputs = inputs
    self.device = device
    output = TensorForm(like: result)
    guard let value = tracer.value(of: result) else {
      (graph, memory, constant) = (nil, nil, result.withoutOrigin)
      return
    }
    let graph = PlanGraph(
      values: tracer.values, inputCount: inputs.count, steps: tracer.steps,
      output: PlanGraph.Operand(value: value, form: output), isExact: precision == .exact)
    (self.graph, memory, constant) = (graph, PlanMemory(graph), nil)
  }

  // MARK: Running

  /// The result for some inputs.
  ///
  /// - Throws: `TensorError` or `DeviceError` when the inputs are not of the plan's number, forms and device, which names
  ///   what was expected and what came.
  public func callAsFunction(_ inputs: Tensor...) throws -> Tensor { try self(inputs) }

  /// The result for some inputs.
  public func callAsFunction(_ inputs: [Tensor]) throws -> Tensor {
    try check(inputs)
    // Gradients and plans that are being recorded take it as one operation.
    if Recording.current != nil { return try PlanCall(plan: self, inputs: inputs).result() }
    return try run(inputs)
  }

  fileprivate func run(_ inputs: [Tensor]) throws -> Tensor {
    guard let graph, let memory else {
      guard let constant else { throw PlanError.notForPlans("nothing") }
      return constant
    }
    let workspace = try workspaces.withLock { $0.popLast() } ?? Workspace(graph, memory)
    // One whose run has failed still has that run's tensors, and is not used again.
    guard let result = try workspace.run(inputs, to: graph.output.value) else {
      throw PlanError.notForPlans("nothing")
    }
    workspaces.withLock { $0.append(workspace) }
    return TensorForm(like: result) == output
      ? result.withoutOrigin : result.reinterpreted(as: output.shape, layout: output.layout)
  }

  private func check(_ tensors: [Tensor]) throws {
    guard tensors.count == inputs.count else {
      throw TensorError.argument(
        name: "a plan's inputs", expected: "\(inputs.count) tensor\(inputs.count == 1 ? "" : "s")",
        got: "\(tensors.count)")
    }
    for (index, (tensor, form)) in zip(tensors, inputs).enumerated() {
      guard tensor.shape == form.shape else {
        throw TensorError.shapeMismatch(
          operation: "a plan, input \(index)", expected: form.shape, got: tensor.shape)
      }
      guard tensor.dtype == form.dtype else {
        throw TensorError.dtypeMismatch(
          operation: "a plan, input \(index)", expected: form.dtype, got: tensor.dtype)
      }
      guard tensor.layout == form.layout else {
        throw TensorError.layoutMismatch(
          operation: "a plan, input \(index)", expected: form.layout, got: tensor.layout)
      }
      guard tensor.storage.backend === device.backend || tensor.device == device else {
        throw DeviceError.mismatch(operation: "a plan, input \(index)", expected: device, got: tensor.device)
      }
    }
  }

  /// Gives the memory back that is kept for the next run.
  public func trim() {
    let unused = workspaces.withLock { workspaces in
      defer { workspaces = [] }
      return workspaces
    }
    withExtendedLifetime(unused) {}
  }
}

/// A plan as an operation, for other plans and for gradients, to which it is a constant.
private struct PlanCall: Operation {
  let plan: Plan
  var inputs: [Tensor]

  func form() -> TensorForm { plan.output }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    for index in inputs.indices { try body(&inputs[index]) }
  }
  mutating func run(into result: inout Tensor) throws { result = try plan.run(inputs) }
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    throw PlanError.noGradient
  }
}
