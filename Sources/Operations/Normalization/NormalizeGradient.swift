import Calls
import Tensors

/// The gradient of ``Normalize`` by its input, with dn the gradient by n:
///
///     dx = invStd (scale dn - mean of (scale dn) - xhat mean of (scale dn xhat))
///
/// and on the way the sums over planes that the gradients by scale and bias are made of, and dn.
package struct NormalizeGradient: Operation {
  /// Its operands are here without what made them, so that nothing but the operands below holds on to that.
  private let bareCall: Normalize
  var gradient: Tensor
  // The operands of the call, as they are operands here too.
  var input: Tensor
  var scale: Tensor?
  var bias: Tensor?
  var residual: Tensor?

  init(of call: Normalize, _ gradient: Tensor) {
    self.gradient = gradient
    input = call.input
    scale = call.scale
    bias = call.bias
    residual = call.residual
    var bare = call
    bare.forEachOperand { $0 = $0.withoutOrigin }
    bareCall = bare
  }

  private var attributes: Normalize.Attributes { bareCall.attributes }

  private var call: Normalize {
    var call = bareCall
    (call.input, call.scale, call.bias, call.residual) = (input, scale, bias, residual)
    return call
  }

  package func form() throws -> TensorForm {
    try input.requireSame(gradient, "the gradient of a normalisation")
    return TensorForm(like: input)
  }

  package mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&gradient)
    try body(&input)
    if scale != nil { try body(&scale!) }
    if bias != nil { try body(&bias!) }
    if residual != nil { try body(&residual!) }
  }

  package mutating func run(into result: inout Tensor) throws {
    guard let statistics = bareCall.statistics else { return }
    var outputs = Outputs()
    outputs.input = result
    try Self.run(gradient, input, scale, bias, residual, attributes, statistics, outputs)
  }

  // MARK: All at once

  /// What a walk over memory gives.
  package struct Outputs {
    package var input: Tensor?
    package var scale: Tensor?
    package var bias: Tensor?
    /// dn.
    package var residual: Tensor?

    package init() {}
  }

  private static func run(
    _ gradient: Tensor, _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, _ residual: Tensor?,
    _ attributes: Normalize.Attributes, _ statistics: Normalize.Statistics, _ outputs: Outputs
  ) throws {
    // The record has addresses alone.
    defer { withExtendedLifetime((gradient, input, scale, bias, residual, statistics, outputs)) {} }
    let planes = Planes(input)
    let backend = input.storage.backend
    try withSums(of: planes, on: backend) { sums in
      try NormGradientCall(
        planes: planes, gradient: gradient.storage.address, input: input.storage.address,
        scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0),
        activation: attributes.activation, residual: residual?.storage.address, place: attributes.place,
        sharing: attributes.sharing, mean: UnsafePointer(statistics.mean.doubles),
        invStd: UnsafePointer(statistics.invStd.doubles), sums: sums,
        inputGradient: outputs.input?.storage.address, residualGradient: outputs.residual?.storage.address,
        scaleGradient: outputs.scale?.storage.address, biasGradient: outputs.bias?.storage.address
      ).run(on: backend)
    }
  }

  /// Calls `body` with room for the sums over planes: on the stack for few, as taking memory would be much of a small
  /// call.
  private static func withSums(
    of planes: Planes, on backend: any Backend, _ body: (UnsafeMutablePointer<Double>) throws -> Void
  ) throws {
    let few = 64
    if planes.count <= few, backend.isHostMemory {
      return try withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * few) { try body($0.baseAddress!) }
    }
    let sums = try Storage(byteCount: 16 * planes.count, on: backend)
    try withExtendedLifetime(sums) { try body(sums.address.assumingMemoryBound(to: Double.self)) }
  }

  /// Takes the gradients by input, scale and bias, of a call without a residual that nothing records, without an
  /// operation being made.
  ///
  /// - Parameters:
  ///   - outputs: receives them. Memory that is there for scale and bias is written to; it is unchanged when the call
  ///     throws.
  ///   - byInput: whether that one is asked for.
  ///   - byParameters: whether those are.
  package static func take(
    _ outputs: inout Outputs, _ gradient: Tensor, _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?,
    _ attributes: Normalize.Attributes, _ statistics: Normalize.Statistics, byInput: Bool, byParameters: Bool
  ) throws {
    try input.requireSame(gradient, "the gradient of a normalisation")
    guard byInput || byParameters else { return }
    if byInput { outputs.input = try Tensor(uninitializedLike: input) }
    if byParameters { try outputs.addParameters(scale, bias) }
    try run(gradient, input, scale, bias, nil, attributes, statistics, outputs)
  }

  /// Adds all gradients that are needed, by one walk over memory.
  func add(to sums: inout GradientSums) throws {
    _ = try form()
    guard let statistics = bareCall.statistics else { return }
    let isMasked = attributes.place == .beforeActivation && attributes.activation != .none
    let needsMasked = isMasked && sums.needs(residual)
    let needsParameters = sums.needs(scale) || sums.needs(bias)
    if sums.needs(residual), !isMasked { try sums.add(gradient, to: residual) }
    guard sums.needs(input) || needsMasked || needsParameters else { return }
    var outputs = Outputs()
    if sums.needs(input) || needsMasked { outputs.input = try Tensor(uninitializedLike: input) }
    if needsMasked { outputs.residual = try Tensor(uninitializedLike: input) }
    if needsParameters { try outputs.addParameters(scale, bias) }
    try Self.run(gradient, input, scale, bias, residual, attributes, statistics, outputs)
    if let dx = outputs.input { try sums.add(dx, to: input) }
    if let dn = outputs.residual { try sums.add(dn, to: residual) }
    if let dscale = outputs.scale { try sums.add(dscale, to: scale) }
    if let dbias = outputs.bias { try sums.add(dbias, to: bias) }
  }

  // MARK: Gradients of gradients

  /// Adds the gradients as operations that are recorded.
  func addRecorded(to sums: inout GradientSums) throws {
    if sums.needs(input) { try sums.add(result(), to: input) }
    guard sums.needs(residual) || sums.needs(scale) || sums.needs(bias) else { return }
    let formula = try NormalizationFormula(call)
    let dn = try formula.masked(gradient)
    if let residual { try sums.add(attributes.place == .beforeActivation ? dn : gradient, to: residual) }
    if let scale { try sums.add(formula.sum(dn.to(formula.dtype) * formula.xhat, like: scale), to: scale) }
    if let bias { try sums.add(formula.sum(dn.to(formula.dtype), like: bias), to: bias) }
  }

  package func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    // dx once more in operations that have gradients; and of these, the gradients.
    var call = call
    let operands = [input, self.gradient] + [scale].compactMap { $0 }
    let (again, nodes) = try Recording.record(watching: nil) { recording in
      let entrances = try operands.map { try recording.entrance(to: $0) }
      call.input = entrances[0]
      if scale != nil { call.scale = entrances[2] }
      let again = try NormalizationFormula(call).inputGradient(entrances[1])
      return (again, entrances.map(\.node))
    }
    // Of constants there is no node.
    let reached = zip(operands, nodes).compactMap { $1 == nil ? nil : $0 }
    for (operand, found) in zip(reached, try goBack(from: [(again, gradient)], to: nodes.compactMap { $0 })) {
      if let found { try sums.add(found, to: operand) }
    }
  }
}

extension NormalizeGradient.Outputs {
  /// Asks for the gradients of a scale and a bias; by element they come together, whoever wants them.
  fileprivate mutating func addParameters(_ scale: Tensor?, _ bias: Tensor?) throws {
    if self.scale == nil, let like = scale ?? Self.byElement(bias) { self.scale = try Tensor(uninitializedLike: like) }
    if self.bias == nil, let like = bias ?? Self.byElement(scale) { self.bias = try Tensor(uninitializedLike: like) }
  }

  private static func byElement(_ parameter: Tensor?) -> Tensor? {
    parameter.flatMap { $0.shape.rank > 2 ? $0 : nil }
  }
}
