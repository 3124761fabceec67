import Operations
import Tensors

extension Normalization {
  /// Runs the layer on some data and a residual, which is added before or after the activation as ``residualPlace``
  /// says.
  ///
  /// - Parameters:
  ///   - data: x, as without a residual.
  ///   - residual: of the shape, dtype and device of the data. In another layout it is converted first.
  ///   - activation: nil for the layer's own.
  /// - Returns: y; in training it is also kept as ``Module/data``, and ``Module/grads`` are by data and residual.
  /// - Throws: `TensorError.shapeMismatch`, `TensorError.dtypeMismatch` or `DeviceError.mismatch` when the residual is
  ///   not like the data, and then nothing has changed; what a call without a residual throws.
  @discardableResult
  public func callAsFunction(
    _ data: Tensor, residual: Tensor, activation: Activation? = nil
  ) throws -> Tensor {
    try data.requireLike(residual, "\(label), residual")
    return try call([data, residual]) {
      [try forward($0[0], residual: $0[1], activation: activation ?? self.activation)]
    }[0]
  }

  /// Runs the layer with another activation than its own, in the same pass over memory.
  @discardableResult
  public func callAsFunction(_ data: Tensor, activation: Activation) throws -> Tensor {
    try call([data]) { [try forward($0[0], residual: nil, activation: activation)] }[0]
  }

  /// Normalises a tensor in its own memory, for inference: there is no gradient of what is no longer there.
  ///
  /// Where something else holds the tensor, y gets memory of its own. A layer in training holds on to what it gave, as
  /// ``Module/data``: for its result to be normalised in place, call its ``Module/reset()`` first.
  ///
  /// - Parameters:
  ///   - data: x, and after the call y. When memory runs out on the way, part of it may be y already; otherwise it is
  ///     unchanged when the call throws.
  ///   - residual: as in a call.
  /// - Throws: as a call does.
  public func normalize(inPlace data: inout Tensor, residual: Tensor? = nil) throws {
    try checkDataShape(data.shape)
    try checkDataType(data.dtype)
    let residual = try residual.map { try batched(data.agreeing($0, "\(label), residual")) }
    // Also lets go of the data, where it is the last call's.
    if train { reset() }
    let isUnique = data.isUnique()
    let input = try batched(data)
    let (scale, bias) = try prepare(for: input)
    guard isUnique || input.storage !== data.storage else {
      data = try unbatched(compute(input, scale, bias, residual: residual, activation: activation), like: data)
      return
    }
    data = try unbatched(
      computeInPlace(input, scale, bias, residual: residual), like: data)
  }

  /// Normalises by whatever statistics are the ones, and moves the running ones.
  func normalize(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, residual: Tensor?, activation: Activation
  ) throws -> Tensor {
    let isRecorded = Recording.current != nil
    var statistics = try startingStatistics(for: input)
    let attributes = attributes(activation)
    let result: Tensor
    if residual == nil, !isRecorded {
      result = try Normalize.applyChecked(input, scale, bias, attributes, &statistics, keepsStatistics: train)
    } else {
      var operation = Normalize(
        input, scale: scale, bias: bias, residual: residual, attributes, statistics: statistics)
      operation.keepsStatistics = train || isRecorded
      // Nobody else has their memory then.
      statistics = nil
      result = try operation.normalized()
      statistics = operation.statistics
    }
    try finish(statistics, of: input)
    return result
  }

  func attributes(_ activation: Activation) -> Normalize.Attributes {
    .init(
      usesRunningStats ? nil : sharing, epsilon: epsilon, activation: activation, place: residualPlace)
  }

  /// The running statistics, where these are the ones; else memory for a call's own, the last call's.
  func startingStatistics(for input: Tensor) throws -> Normalize.Statistics? {
    if usesRunningStats, let runningMean, let runningVar {
      return try Normalize.Statistics(
        runningMean: runningMean, runningVariance: runningVar, epsilon: epsilon, images: input.shape[0])
    }
    guard train else { return nil }
    defer { statistics = nil }
    return statistics
  }

  /// Keeps what a call in training leaves.
  func finish(_ statistics: Normalize.Statistics?, of input: Tensor) throws {
    guard train else { return }
    // A recording that no backward pass of this module goes with has its own.
    if Recording.current?.isLife ?? true { self.statistics = statistics }
    if tracksRunningStats, input.count > 0, let statistics { try track(statistics, of: input) }
  }

  /// Checks all that a call rests on, and makes the variables where the data is the first.
  ///
  /// - Returns: scale and bias: a value for each map, each plane or each element; nil for 1 and 0.
  func prepare(for data: Tensor, weights: Tensor? = nil) throws -> (scale: Tensor?, bias: Tensor?) {
    if tracksRunningStats { try checkTracking(data) }
    guard numOfMaps == nil, options.fixesMaps else { return try affineValues(for: data, weights: weights) }
    try makeVariables(maps: data.shape[1], on: data.device)
    do {
      return try affineValues(for: data, weights: weights)
    } catch {
      // Data that cannot be normalised does not decide.
      uninitialize()
      throw error
    }
  }

  /// A variable's values, once they are known to fit the data.
  func checked(_ variable: Variable?, for data: Tensor) throws -> Tensor? {
    guard let variable else { return nil }
    let values = variable.data
    let hasShape =
      variableShape.rank == 1
      ? values.shape.rank == 1 && values.shape[0] == numOfMaps : values.shape == variableShape
    guard hasShape, values.dtype == calcType.parameterDType, values.layout == .nchw else {
      // Only shapes of three extents have another layout.
      func named(_ layout: Layout) -> String { variableShape.rank < 3 ? "" : ", \(layout)" }
      throw ModuleError.variable(
        module: label, name: variable.name,
        expected: "shape \(variableShape), \(calcType.parameterDType)\(named(.nchw))",
        got: "\(values.shape), \(values.dtype)\(named(values.layout))")
    }
    guard values.isBeside(data) else {
      throw DeviceError.mismatch(
        operation: "\(label), variable '\(variable.name)'", expected: data.device, got: values.device)
    }
    return values
  }

  /// A tensor with its batch: (1, C, spatial...) of what has none.
  func batched(_ tensor: Tensor) throws -> Tensor {
    guard tensor.shape.rank == spatialRank + 1 else { return tensor }
    return try tensor.to(.nchw).reshaped(to: Shape([1] + tensor.shape.dimensions))
  }

  /// A result shaped and laid out as the data.
  func unbatched(_ tensor: Tensor, like data: Tensor) throws -> Tensor {
    guard data.shape.rank == spatialRank + 1 else { return tensor }
    return try tensor.reshaped(to: data.shape).to(data.layout)
  }
}
