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
    let outputs = try Outputs(for: self, input: result)
    try run(outputs)
  }

  // MARK: All at once

  /// What the kernels write.
  private struct Outputs {
    /// (2, N, C), float64: over each plane of dn, and of dn xhat.
    var sums: Tensor
    var input: Tensor?
    /// dn.
    var residual: Tensor?
    /// Of a scale and a bias by element.
    var elements: (scale: Tensor, bias: Tensor)?

    init(for gradient: NormalizeGradient, input: Tensor? = nil) throws {
      let shape = gradient.input.shape
      sums = try Tensor(uninitialized: [2, shape[0], shape[1]], dtype: .float64, on: gradient.input.device)
      self.input = input
    }
  }

  private func run(_ outputs: Outputs) throws {
    guard let statistics = bareCall.statistics else { return }
    var record = NormGradientCall(
      planes: Planes(input), gradient: gradient.storage.address, input: input.storage.address,
      scale: ParameterValues(scale, absent: 1), bias: ParameterValues(bias, absent: 0),
      activation: attributes.activation, residual: residual?.storage.address, place: attributes.place,
      sharing: attributes.sharing, mean: UnsafePointer(statistics.mean.doubles),
      invStd: UnsafePointer(statistics.invStd.doubles), sums: outputs.sums.doubles,
      inputGradient: outputs.input?.storage.address, residualGradient: outputs.residual?.storage.address)
    record.elementGradients = outputs.elements.map { ($0.scale.storage.address, $0.bias.storage.address) }
    try withExtendedLifetime((self, outputs)) { try record.run(on: input.storage.backend) }
  }

  /// Adds all gradients that are needed, by one walk over memory.
  func add(to sums: inout GradientSums) throws {
    _ = try form()
    let isMasked = attributes.place == .beforeActivation && attributes.activation != .none
    let needsMasked = isMasked && sums.needs(residual)
    let isByElement = (scale ?? bias)?.shape.rank ?? 0 > 2
    let needsParameters = sums.needs(scale) || sums.needs(bias)
    if sums.needs(residual), !isMasked { try sums.add(gradient, to: residual) }
    guard sums.needs(input) || needsMasked || needsParameters else { return }
    var outputs = try Outputs(
      for: self, input: sums.needs(input) || needsMasked ? Tensor(uninitializedLike: input) : nil)
    if needsMasked { outputs.residual = try Tensor(uninitializedLike: input) }
    if isByElement, needsParameters, let like = scale ?? bias {
      outputs.elements = (try Tensor(uninitializedLike: like), try Tensor(uninitializedLike: like))
    }
    try run(outputs)
    if let dx = outputs.input { try sums.add(dx, to: input) }
    if let dn = outputs.residual { try sums.add(dn, to: residual) }
    if let elements = outputs.elements {
      try sums.add(elements.scale, to: scale)
      try sums.add(elements.bias, to: bias)
    } else {
      if let scale { try sums.add(outputs.sums.row(1, like: scale), to: scale) }
      if let bias { try sums.add(outputs.sums.row(0, like: bias), to: bias) }
    }
  }

  /// The gradients by input, scale and bias, of a call that nothing records, without a walk through a graph.
  ///
  /// - Parameters:
  ///   - byInput: whether that one is asked for.
  ///   - byParameters: whether those are.
  package static func gradients(
    of call: Normalize, _ gradient: Tensor, byInput: Bool, byParameters: Bool
  ) throws -> (input: Tensor?, scale: Tensor?, bias: Tensor?) {
    let operation = NormalizeGradient(of: call, gradient)
    _ = try operation.form()
    let isByElement = (call.scale ?? call.bias)?.shape.rank ?? 0 > 2
    var outputs = try Outputs(for: operation, input: byInput ? Tensor(uninitializedLike: call.input) : nil)
    if isByElement, byParameters, let like = call.scale ?? call.bias {
      outputs.elements = (try Tensor(uninitializedLike: like), try Tensor(uninitializedLike: like))
    }
    guard byInput || byParameters else { return (nil, nil, nil) }
    try operation.run(outputs)
    guard byParameters else { return (outputs.input, nil, nil) }
    if let elements = outputs.elements { return (outputs.input, elements.scale, elements.bias) }
    return (
      outputs.input, try call.scale.map { try outputs.sums.row(1, like: $0) },
      try call.bias.map { try outputs.sums.row(0, like: $0) }
    )
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

extension Tensor {
  /// A row of (2, N, C) sums, added up to the form of a scale or bias.
  fileprivate func row(_ row: Int, like parameter: Tensor) throws -> Tensor {
    let (images, maps) = (shape[1], shape[2])
    var result = try Tensor(uninitializedLike: parameter)
    let strides: (image: Int, map: Int) = (maps, 1)
    let address = storage.address + row * images * maps * 8
    guard result.count > 0 else { return result }
    try withExtendedLifetime((self, result)) {
      if parameter.shape.rank == 2 {
        try RearrangeCall(
          extents: [result.count], input: View(address, .float64, strides: [1]),
          output: View(result.storage.address, result.dtype, strides: [1])
        ).run(on: storage.backend)
      } else if images == 0 {
        try result.fill(with: 0)
      } else {
        try ReductionCall(
          .sum, kept: [maps], reduced: [images],
          input: View(address, .float64, strides: [strides.map, strides.image]),
          output: View(result.storage.address, result.dtype, strides: [1])
        ).run(on: storage.backend)
      }
    }
    return result
  }
}
