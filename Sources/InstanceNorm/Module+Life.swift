import Operations
import Tensors

// PuzzleLib's life of a module: a call keeps its data, and a backward pass takes the gradient of that call. It is a shell
// over what operations record.

/// What the last call in training left, and the backward passes since. (A class, so that to look at a part of it does
/// not copy the whole.)
final class Life {
  /// What a call was given and gave.
  struct Call {
    var inputs: [Tensor]
    /// Where gradients by the inputs end.
    var nodes: [Node]
    /// With what made them.
    var outputs: [Tensor]
    /// Modules that were called on the way, and have lives of their own.
    var parts: [Module] = []
  }

  /// A call that was one normalisation, whose graph is only made when it is asked for.
  struct Single {
    var data: Tensor
    var scale: Tensor?
    var bias: Tensor?
    var result: Tensor
  }

  var call: Call?
  var single: Single?
  var grads: [Tensor?] = []
  /// How many calls there were since the last backward pass.
  var callCount = 0
}

extension Module {
  /// The data of the last call in training.
  public final var inData: Tensor? { life.single?.data ?? life.call?.inputs.first }
  /// What it gave.
  public final var data: Tensor? { life.single?.result ?? life.call?.outputs.first?.withoutOrigin }
  /// The gradient by its data that the last backward pass gave.
  public final var grad: Tensor? { life.grads.first ?? nil }
  /// The gradients by all its inputs, in their order: of a normalisation with a residual by the data and the residual.
  public final var grads: [Tensor?] { life.grads }

  // MARK: Calling

  /// Runs the module on some data.
  ///
  /// - Returns: what ``forward(_:)-(Tensor)`` makes of it. In training it is also kept as ``data``.
  /// - Throws: ``ModuleError`` when shape or dtype are not the module's, and then nothing has changed; what the
  ///   computation throws, and then the module is as after ``reset()``.
  @discardableResult
  public final func callAsFunction(_ data: Tensor) throws -> Tensor {
    if Recording.current == nil {
      try checkDataShape(data.shape)
      try checkDataType(data.dtype)
      if let result = try callAlone(data) { return result }
      guard reachesVariables else { return try forward(data) }
      return try live([data]) { [try forward($0[0])] }[0]
    }
    return try call([data]) { [try forward($0[0])] }[0]
  }

  /// Runs the module on several inputs.
  @discardableResult
  public final func callAsFunction(_ data: [Tensor]) throws -> [Tensor] {
    try call(data) { try forward($0) }
  }

  /// What a call is, around its computation: for subclasses that have calls of their own, with other arguments.
  ///
  ///     func callAsFunction(_ content: Tensor, style: Tensor) throws -> Tensor {
  ///       try call([content, style]) { [try blend($0[0], $0[1])] }[0]
  ///     }
  ///
  /// - Parameters:
  ///   - inputs: the tensors that have gradients, the data first.
  ///   - compute: given the same tensors, as gradients know them.
  public final func call(_ inputs: [Tensor], _ compute: ([Tensor]) throws -> [Tensor]) throws -> [Tensor] {
    if let data = inputs.first {
      try checkDataShape(data.shape)
      try checkDataType(data.dtype)
    }
    guard let recording = Recording.current else {
      guard reachesVariables else { return try compute(inputs) }
      return try live(inputs, compute)
    }
    guard recording.isLife, reachesVariables else { return try compute(inputs) }
    // Part of a call that is kept.
    let entrances = try inputs.map { try recording.entrance(to: $0) }
    let outputs = try compute(entrances)
    life.call = Life.Call(inputs: inputs.map(\.withoutOrigin), nodes: entrances.compactMap(\.node), outputs: outputs)
    life.grads = []
    life.callCount += 1
    recording.parts.append(self)
    return outputs
  }

  /// Lets go of the last call's results, so that their memory can become the next one's.
  final func letGo() {
    if life.call != nil {
      for part in life.call?.parts ?? [] { part.life = Life() }
      life.call = nil
    }
    life.single = nil
    if !life.grads.isEmpty { life.grads = [] }
  }

  /// A call that nothing else records.
  private func live(_ inputs: [Tensor], _ compute: ([Tensor]) throws -> [Tensor]) throws -> [Tensor] {
    letGo()
    do {
      life.call = try Recording.record(watching: nil, isLife: true) { recording in
        let leaves = inputs.map { recording.makeLeaf(for: $0) }
        let placed = zip(inputs, leaves).map { $0.with(origin: $1) }
        let outputs = try compute(placed)
        return Life.Call(
          inputs: inputs, nodes: leaves, outputs: outputs, parts: recording.parts.compactMap { $0 as? Module })
      }
    } catch {
      reset()
      throw error
    }
    life.grads = []
    life.callCount += 1
    return life.call?.outputs.map(\.withoutOrigin) ?? []
  }

  // MARK: Backward

  /// Takes the gradient of a loss by the module's output to that by its data and, in training mode, its variables.
  ///
  /// - Parameters:
  ///   - grad: of the shape and dtype of ``data``.
  ///   - updParamGrads: whether the variables' gradients are updated. Only in training mode they are.
  ///   - scale: by what the variables' new gradients are multiplied.
  ///   - momentum: by what the old ones are, before they are added: `grad = scale new + momentum old`. With 1,
  ///     gradients add up over calls.
  /// - Returns: the gradient by the data; it is also kept as ``grad``.
  /// - Throws: ``ModuleError/backwardBeforeForward(module:)`` when no call came before,
  ///   ``ModuleError/calledAgain(module:count:)`` when there were several of which this could be the gradient, other
  ///   cases when shape or dtype are not those of its result.
  @discardableResult
  public final func backward(
    _ grad: Tensor, updParamGrads: Bool = true, scale: Double = 1, momentum: Double = 0
  ) throws -> Tensor {
    let grads = try backward(
      [grad], updParamGrads: updParamGrads, updGrad: true, scale: scale, momentum: momentum)
    return try grads.first.flatMap { $0 } ?? Tensor(zerosLike: inData ?? grad)
  }

  /// The same, with the choice not to compute the gradient by the data (for the first layer of a network, nobody
  /// needs it).
  ///
  /// - Returns: the gradient by the data; nil if `updGrad` is false.
  @discardableResult
  public final func backward(
    _ grad: Tensor, updParamGrads: Bool = true, updGrad: Bool, scale: Double = 1, momentum: Double = 0
  ) throws -> Tensor? {
    if updGrad { return try backward(grad, updParamGrads: updParamGrads, scale: scale, momentum: momentum) }
    _ = try backward([grad], updParamGrads: updParamGrads, updGrad: false, scale: scale, momentum: momentum)
    return nil
  }

  /// The same, of a module with several results.
  ///
  /// - Parameters:
  ///   - grads: for each result.
  ///   - updParamGrads: as of one result.
  ///   - updGrad: whether gradients by the inputs are computed.
  ///   - scale: as of one result.
  ///   - momentum: likewise.
  /// - Returns: the gradients by the inputs, also kept as ``grads``; empty if `updGrad` is false.
  @discardableResult
  public final func backward(
    _ grads: [Tensor], updParamGrads: Bool = true, updGrad: Bool = true, scale: Double = 1, momentum: Double = 0
  ) throws -> [Tensor?] {
    guard life.call != nil || life.single != nil else { throw ModuleError.backwardBeforeForward(module: label) }
    guard life.callCount <= 1 else { throw ModuleError.calledAgain(module: label, count: life.callCount) }
    try checkGrads(grads)
    if grads.count == 1,
      let alone = try Recording.pause({
        try backwardAlone(
          grads[0], updParamGrads: updParamGrads, updGrad: updGrad, scale: scale, momentum: momentum)
      })
    {
      life.grads = alone
      life.callCount = 0
      return alone
    }
    guard let call = try recordedCall() else { throw ModuleError.backwardBeforeForward(module: label) }
    let trained = updParamGrads ? try trainedVariables() : []
    life.grads = []
    let found = try Recording.pause {
      let seeds = try zip(call.outputs, grads).map { ($0, try $0.agreeing($1, "\(label), backward").withoutOrigin) }
      let parts = call.parts.flatMap { $0.life.call?.nodes ?? [] }
      let targets = (updGrad ? call.nodes : []) + trained.map(\.leaf) + parts
      return try goBack(from: seeds, to: targets)
    }
    var rest = found[...]
    if updGrad {
      life.grads = zip(call.inputs, rest.prefix(call.nodes.count)).map { input, grad in grad.map { $0.withoutOrigin } }
      rest = rest.dropFirst(call.nodes.count)
    }
    for (variable, new) in zip(trained, rest) {
      if let new {
        try variable.take(new, scale, momentum)
      } else if momentum != 1 {
        try variable.grad?.scale(by: momentum)
      }
    }
    rest = rest.dropFirst(trained.count)
    for part in call.parts {
      guard let count = part.life.call?.nodes.count else { continue }
      part.life.grads = Array(rest.prefix(count))
      // Of one that was called twice this was the gradient of both, which it cannot take again by itself.
      if part.life.callCount == 1 { part.life.callCount = 0 }
      rest = rest.dropFirst(count)
    }
    life.callCount = 0
    return life.grads
  }

  private func checkGrads(_ grads: [Tensor]) throws {
    if grads.count == 1, let output = life.single?.result { return try check(grads[0], of: output, isOnly: true) }
    let outputs = life.call?.outputs ?? []
    let count = life.single == nil ? outputs.count : 1
    guard grads.count == count else {
      throw ModuleError.inputCount(module: label, expected: count, got: grads.count)
    }
    for (grad, output) in zip(grads, outputs) { try check(grad, of: output, isOnly: count == 1) }
  }

  private func check(_ grad: Tensor, of output: Tensor, isOnly: Bool) throws {
    if isOnly { try checkGradShape(grad.shape) }
    try checkGradType(grad.dtype)
    guard grad.isBeside(output) else {
      throw DeviceError.mismatch(operation: "\(label), backward", expected: output.device, got: grad.device)
    }
  }

  /// The variables that a backward pass reaches, whose gradients are known to fit.
  private func trainedVariables() throws -> [Variable] {
    var trained: [Variable] = []
    for module in [self] + descendants.all(of: self) {
      for (_, variable) in module.vars where variable.isReached {
        try module.check(variable)
        trained.append(variable)
      }
    }
    return trained
  }

  /// Refuses a gradient that was given another form than its variable.
  final func check(_ variable: Variable) throws {
    guard let grad = variable.grad else { return }
    let data = variable.data
    guard grad.shape == data.shape, grad.dtype == data.dtype else {
      throw ModuleError.variable(
        module: label, name: variable.name, expected: "shape \(data.shape), \(data.dtype)",
        got: "\(grad.shape), \(grad.dtype) for its gradient")
    }
    guard grad.isBeside(data) else {
      throw DeviceError.mismatch(
        operation: "\(label), variable '\(variable.name)'", expected: data.device, got: grad.device)
    }
  }

  /// The gradient of the last call by its data alone; PuzzleLib's name for that half of a backward pass.
  @discardableResult
  public final func updateGrad(_ grad: Tensor) throws -> Tensor { try backward(grad, updParamGrads: false) }

  /// The gradients of the last call by the variables alone: `grad = scale new + momentum old`.
  public final func accGradParams(_ grad: Tensor, scale: Double = 1, momentum: Double = 0) throws {
    try backward(grad, updGrad: false, scale: scale, momentum: momentum)
  }
}

extension Variable {
  /// The gradient, where nobody else has its memory, so that a new one can be written there when all else is done.
  var gradMemory: Tensor? { grad?.isUnique() == true && data.shape.rank < 3 ? grad : nil }

  /// grad = scale new + momentum grad.
  func take(_ new: Tensor, _ scale: Double, _ momentum: Double) throws {
    if new.storage === grad?.storage { return }
    if scale == 1, grad == nil || momentum == 0, new.layout == data.layout {
      grad = new.withoutOrigin
      return
    }
    if grad == nil { grad = try Tensor(zerosLike: data) }
    try grad?.combine(scale, new, beta: momentum)
  }
}
