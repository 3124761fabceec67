import Tensors

/// Normalisation: what batch, layer, group and instance normalisation have in common, which is all but one thing.
///
/// For data x of shape (N, C, spatial...), picture t and map i,
///
///     n = scale (x - mean[t,i]) / sqrt(var[t,i] + epsilon) + bias
///     y = activation(n)
///
/// with mean and biased variance over the values of the plane (t, i) and of those that share their moments with it.
/// Which these are is the type's ``sharing``, and nothing else tells one type from another:
///
/// | type | planes that share |
/// | --- | --- |
/// | ``InstanceNorm2D`` | none |
/// | ``LayerNorm2D`` | all maps i of one picture t |
/// | ``GroupNorm2D`` | a group of maps i of one picture t |
/// | ``BatchNorm2D`` | all pictures t of one map i |
///
/// A type that ``tracksRunningStats`` uses, in evaluation, the mean and variance that it has seen in training.
///
/// A call may add a residual before or after the activation (``callAsFunction(_:residual:)``). Both come in the same
/// pass over memory, forward and backward.
///
/// Data is of the type that the module computes in (``Module/calcMode(_:)``), of any layout. y has the layout of x.
/// Data without a batch, (C, spatial...), is taken as a batch of one.
public class Normalization: Module {
  /// Which planes share their mean and variance.
  public let sharing: MomentSharing
  /// How many dimensions follow N and C.
  public let spatialRank: Int
  /// C; nil until the first data tells, where the constructor did not.
  public private(set) final var numOfMaps: Int?
  public let epsilon: Double
  /// Whether scale and bias are trained; if not, they are 1 and 0.
  public let affine: Bool
  /// What each value of the result goes through.
  public let activation: Activation
  /// Where a residual is added.
  public let residualPlace: ResidualPlace
  /// Whether calls in training move ``runningMean`` and ``runningVar``, and those in evaluation normalise by them.
  public let tracksRunningStats: Bool
  /// How far a call moves the running statistics towards its own: `running = (1 - momentum) running + momentum new`.
  /// With nil, they are the averages over all calls.
  public let momentum: Double?

  private let mapsWereGiven: Bool

  /// Where variables are made that a file brings.
  private var place = Device.cpu

  /// The gradient by the residual that the last ``Module/backward(_:updParamGrads:scale:momentum:)`` took beside that
  /// by the data, ``Module/grad``; nil where that is nil, and when the call before it had no residual.
  public var residualGrad: Tensor? { grad == nil ? nil : lastResidualGrad }
  private var lastResidualGrad: Tensor?

  /// The means that the last call's planes were normalised by: (N, C), float64, since float32 cannot hold a mean a
  /// million times the deviation closely enough. Planes that share have the same.
  public private(set) var saveMean: Tensor?
  /// 1 / sqrt(var + epsilon) likewise: (N, C), float64. (It is the inverse of the deviation; PuzzleLib named it so.)
  public private(set) var saveInvVar: Tensor?

  /// What the last call had beside its data, for the gradient.
  private struct Call {
    /// The data that the statistics are of.
    var origin: Origin
    /// Whether they were its own, and not running ones.
    var isOwn: Bool
    var activation: Activation
    /// In the data's layout.
    var residual: Tensor?
    /// Scale and bias, where they are not variables'.
    var affine: (scale: Tensor?, bias: Tensor?)?
  }
  private var lastCall: Call?

  /// The sums over each plane that ``updateGrad(_:)`` took, for ``accGradParams(_:scale:momentum:)`` after it.
  private var kept: (sums: Tensor, origin: Origin, variablesVersion: Int)?

  /// - Parameters:
  ///   - sharing: which planes share their moments.
  ///   - spatialRank: how many dimensions follow N and C.
  ///   - numOfMaps: C; nil to take it from the first data.
  ///   - momentum: of running statistics; nil for none of these.
  init(
    _ sharing: MomentSharing, spatialRank: Int = 2, numOfMaps: Int?, epsilon: Double, affine: Bool = true,
    tracksRunningStats: Bool = false, momentum: Double? = 0.1, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String?
  ) throws {
    self.sharing = sharing
    self.spatialRank = spatialRank
    self.numOfMaps = numOfMaps
    self.epsilon = epsilon
    self.affine = affine
    self.tracksRunningStats = tracksRunningStats
    self.momentum = momentum
    self.activation = activation
    self.residualPlace = residualPlace
    mapsWereGiven = numOfMaps != nil
    super.init(name: name)
    guard epsilon >= 0, epsilon.isFinite else {
      throw argument("epsilon", expected: "a finite number, 0 or more", got: epsilon)
    }
    if case .leakyReLU(let slope) = activation, !slope.isFinite {
      throw argument("activation", expected: "a finite slope", got: slope)
    }
    if let momentum, !(0...1).contains(momentum) {
      throw argument("momentum", expected: "a number from 0 to 1, or nil", got: momentum)
    }
    try checkArguments()
    if let numOfMaps {
      guard numOfMaps > 0 else { throw argument("numOfMaps", expected: "1 or more", got: numOfMaps) }
      try checkMaps(numOfMaps)
      try makeVariables(maps: numOfMaps)
    }
  }

  final func argument<T>(_ name: String, expected: String, got: T) -> ModuleError {
    .argument(module: label, name: name, expected: expected, got: "\(got)")
  }

  // MARK: Variables

  /// (C), ones at first; nil unless ``affine``. (C, H, W) where a ``LayerNorm2D`` has values for elements, (S, C)
  /// where a ``ConditionalInstanceNorm2D`` has S styles.
  public private(set) final var scale: Variable?
  /// Shaped likewise, zeros at first; nil unless ``affine``.
  public private(set) final var bias: Variable?

  /// (C), float64, zeros at first; nil unless ``tracksRunningStats``.
  public final var runningMean: Tensor? { attrs["runningMean"] }
  /// (C), float64, of unbiased variances; ones at first; nil unless ``tracksRunningStats``.
  public final var runningVar: Tensor? { attrs["runningVar"] }
  /// How many calls have moved the running statistics.
  public final var numOfBatches: Int {
    Int(exactly: (try? attrs["numOfBatches"]?.array(of: Double.self).first) ?? 0) ?? 0
  }

  override func varsDidChange() {
    scale = vars["scale"]
    bias = vars["bias"]
  }

  /// The shape of scale and bias, once there are any.
  private var variableShape: Shape = []

  /// The shape of scale and bias: (C) where they have a value for each map.
  func parameterShape(maps: Int) -> Shape { [maps] }

  /// The number of maps that such a scale has values for.
  func maps(ofParameter shape: Shape) -> Int? { shape.first }

  /// Refuses arguments of the constructor that only this type has.
  func checkArguments() throws {}

  /// Refuses numbers of maps that the type cannot have.
  func checkMaps(_ maps: Int) throws {}

  /// Makes the variables for so many maps.
  private func makeVariables(maps: Int, on device: Device = .cpu) throws {
    if affine {
      let (shape, dtype) = (parameterShape(maps: maps), calcType.parameterDType)
      variableShape = shape
      let scale = try Variable(name: "scale", data: Tensor(repeating: 1, shape: shape, dtype: dtype, on: device))
      setVar(try Variable(name: "bias", data: Tensor(repeating: 0, shape: shape, dtype: dtype, on: device)))
      setVar(scale)
    }
    if tracksRunningStats {
      let variance = try Tensor(repeating: 1, shape: [maps], dtype: .float64, on: device)
      setAttr("runningMean", try Tensor(repeating: 0, shape: [maps], dtype: .float64, on: device))
      setAttr("runningVar", variance)
      setAttr("numOfBatches", try Tensor([0.0], shape: []))
    }
    numOfMaps = maps
  }

  final override var isLazy: Bool { numOfMaps == nil && (affine || tracksRunningStats) }

  final override func initialize(fromFile shape: (String) throws -> Shape) throws {
    let name = affine ? "scale" : "runningMean"
    let found = try shape(name)
    guard let maps = affine ? maps(ofParameter: found) : found.first, maps > 0 else {
      throw ModuleError.variable(
        module: label, name: name, expected: "a number for each map", got: "shape \(found)")
    }
    try checkMaps(maps)
    try makeVariables(maps: maps, on: place)
  }

  public override func to(_ device: Device) throws {
    try super.to(device)
    place = device
  }

  final override func uninitialize() {
    removeVars()
    removeAttrs()
    numOfMaps = nil
  }

  public override var supportedTypes: [DType] { DType.allCases }
  public override var fileNames: [String: String] {
    [
      "scale": "weight", "runningMean": "running_mean", "runningVar": "running_var",
      "numOfBatches": "num_batches_tracked",
    ]
  }

  override var countAttrs: Set<String> { ["numOfBatches"] }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["numOfMaps"] = mapsWereGiven ? numOfMaps.map(Blueprint.Argument.int) ?? .null : .null
    blueprint.scheme["epsilon"] = .double(epsilon)
    blueprint.scheme["affine"] = .bool(affine)
    // A layer without them has PuzzleLib's blueprint.
    switch activation {
    case .none: break
    case .relu: blueprint.scheme["activation"] = .string("relu")
    case .leakyReLU(let slope):
      blueprint.scheme["activation"] = .string("leakyReLU")
      blueprint.scheme["slope"] = .double(slope)
    }
    if residualPlace != .afterActivation { blueprint.scheme["residualPlace"] = .string(residualPlace.rawValue) }
    if tracksRunningStats {
      blueprint.scheme["trackRunningStats"] = .bool(true)
      blueprint.scheme["momentum"] = momentum.map(Blueprint.Argument.double) ?? .null
    }
    return blueprint
  }

  /// The constructor's arguments that only this type has, as the description shows them.
  var ownArguments: String { "" }

  public override var description: String {
    let maps = numOfMaps.map { "\($0)" } ?? "inferred"
    let running =
      tracksRunningStats ? ", trackRunningStats: true, momentum: \(momentum.map { "\($0)" } ?? "nil")" : ""
    let fused = activation == .none ? "" : ", activation: \(activation)"
    let place = residualPlace == .afterActivation ? "" : ", residualPlace: \(residualPlace)"
    return "\(super.description)(\(ownArguments)numOfMaps: \(maps), epsilon: \(epsilon), affine: \(affine)"
      + "\(running)\(fused)\(place))"
  }

  // MARK: Shapes

  public override func checkDataShape(_ shape: Shape) throws {
    let isSingle = shape.rank == spatialRank + 1
    guard isSingle || shape.rank == spatialRank + 2 else { throw wrongShape(shape) }
    let maps = shape[isSingle ? 0 : 1]
    if let numOfMaps {
      guard maps == numOfMaps else { throw wrongShape(shape) }
    } else {
      guard maps > 0 else { throw wrongShape(shape) }
      try checkMaps(maps)
    }
  }

  /// What errors say of the dimensions that follow N and C.
  var spatialNames: String { ["L", "H, W", "D, H, W"][spatialRank - 1] }

  final func wrongShape(_ shape: Shape) -> ModuleError {
    let expected = "\(numOfMaps.map { "\($0)" } ?? "C"), \(spatialNames))"
    return .dataShape(module: label, expected: "(N, \(expected) or (\(expected)", got: shape)
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return shape
  }

  /// A tensor with its batch: (1, C, spatial...) of what has none.
  final func batched(_ tensor: Tensor) throws -> Tensor {
    guard tensor.shape.rank == spatialRank + 1 else { return tensor }
    return try tensor.to(.nchw).reinterpreted(as: Shape([1] + tensor.shape.dimensions))
  }

  /// A result shaped and laid out as the data.
  final func unbatched(_ tensor: Tensor, like data: Tensor) throws -> Tensor {
    guard data.shape.rank == spatialRank + 1 else { return tensor }
    return try tensor.reinterpreted(as: data.shape).to(data.layout)
  }

  // MARK: Forward

  /// Runs the layer on some data and a residual, which is added before or after the activation as ``residualPlace``
  /// says.
  ///
  /// - Parameters:
  ///   - data: x, as without a residual.
  ///   - residual: of the shape, dtype and device of the data. In another layout it is converted first.
  /// - Returns: y; it is also kept as ``Module/data``.
  /// - Throws: `TensorError.shapeMismatch`, `TensorError.dtypeMismatch` or `DeviceError.mismatch` when the residual is
  ///   not like the data, and then nothing has changed; what a call without a residual throws.
  @discardableResult
  public final func callAsFunction(_ data: Tensor, residual: Tensor) throws -> Tensor {
    let residual = try data.agreeing(residual, "\(label), residual")
    return try call(data) { try forward($0, residual: residual, activation: activation) }
  }

  /// Runs the layer with the activation that follows it in a ``Sequential``.
  final func call(_ data: Tensor, fusing activation: Activation) throws -> Tensor {
    try call(data) { try forward($0, residual: nil, activation: activation) }
  }

  /// Whether an activation that follows may become part of the layer.
  var canFuse: Bool { activation == .none }

  /// Normalises a tensor in its own memory, for inference: there is no gradient of what is no longer there.
  ///
  /// Where something else holds the tensor, y gets memory of its own. A layer holds on to what it gave, as
  /// ``Module/data``: for its result to be normalised in place, call its ``Module/reset()`` first.
  ///
  /// - Parameters:
  ///   - data: x, and after the call y. When memory runs out on the way, part of it may be y already; otherwise it is
  ///     unchanged when the call throws.
  ///   - residual: as in a call.
  /// - Throws: as a call does.
  public final func normalize(inPlace data: inout Tensor, residual: Tensor? = nil) throws {
    try checkDataShape(data.shape)
    try checkDataType(data.dtype)
    let residual = try residual.map { try batched(data.agreeing($0, "\(label), residual")) }
    let (images, scale, bias) = try prepare(for: data)
    var (mean, invStd) = try statistics(for: data, images: images)
    // Also lets go of the data, where it is the last call's.
    reset()
    let isUnique = data.isUnique()
    let input = try batched(data)
    // What was converted to have a batch is nobody else's.
    var output = isUnique || input.storage !== data.storage ? input : try Tensor(uninitializedLike: input)
    let epilogue = Epilogue(activation: activation, residual: residual, place: residualPlace)
    try compute(input, scale, bias, epilogue, into: &output, mean: &mean, invStd: &invStd)
    saveMean = mean
    saveInvVar = invStd
    data = try unbatched(output, like: data)
  }

  public override func updateData(_ data: Tensor) throws -> Tensor {
    try forward(data, residual: nil, activation: activation)
  }

  private func forward(_ data: Tensor, residual: Tensor?, activation: Activation) throws -> Tensor {
    // Open methods can be called past the parent's checks, and what lies below relies on them.
    try checkDataShape(data.shape)
    try checkDataType(data.dtype)
    if data.shape.rank == spatialRank + 1 {
      let output = try forward(batched: batched(data), residual: residual.map(batched), activation: activation)
      lastCall?.origin = Origin(tensor: data)
      return try unbatched(output, like: data)
    }
    return try forward(batched: data, residual: residual, activation: activation)
  }

  private func forward(batched data: Tensor, residual: Tensor?, activation: Activation) throws -> Tensor {
    let (images, scale, bias) = try prepare(for: data)
    var (mean, invStd) = try statistics(for: data, images: images)
    forgetCall()
    var output = try Tensor(uninitializedLike: data)
    try compute(
      data, scale, bias, Epilogue(activation: activation, residual: residual, place: residualPlace), into: &output,
      mean: &mean, invStd: &invStd)
    saveMean = mean
    saveInvVar = invStd
    lastCall = Call(
      origin: Origin(tensor: data), isOwn: !usesRunningStats, activation: activation, residual: residual,
      affine: makesAffineValues ? (scale, bias) : nil)
    return output
  }

  /// Checks all that a call rests on, and makes the variables where the data is the first.
  private func prepare(for data: Tensor) throws -> (images: Int, scale: Tensor?, bias: Tensor?) {
    let isSingle = data.shape.rank == spatialRank + 1
    let images = isSingle ? 1 : data.shape[0]
    if tracksRunningStats { try checkTracking(data, images: images) }
    guard numOfMaps == nil, fixesMaps else {
      let (scale, bias) = try affineValues(for: data, images: images)
      return (images, scale, bias)
    }
    try makeVariables(maps: data.shape[isSingle ? 0 : 1], on: data.device)
    do {
      let (scale, bias) = try affineValues(for: data, images: images)
      return (images, scale, bias)
    } catch {
      // Data that cannot be normalised does not decide.
      uninitialize()
      throw error
    }
  }

  private func checkTracking(_ data: Tensor, images: Int) throws {
    if train, data.count > 0 {
      let maps = data.shape[data.shape.rank - spatialRank - 1]
      let width = PlaneSets(sharing, images: images, maps: maps).width
      guard width * (data.count / (images * maps)) > 1 else {
        throw ModuleError.dataShape(
          module: label,
          expected: "with more than one value for each mean, as a single one has no variance to track", got: data.shape)
      }
    }
    guard let maps = numOfMaps else { return }
    for name in ["runningMean", "runningVar"] {
      guard let tensor = attrs[name], tensor.shape.rank == 1, tensor.shape[0] == maps, tensor.dtype == .float64 else {
        throw ModuleError.variable(
          module: label, name: name, expected: "shape (\(maps),), float64",
          got: attrs[name].map { "\($0.shape), \($0.dtype)" } ?? "nothing")
      }
      guard tensor.isBeside(data) else {
        throw DeviceError.mismatch(operation: "\(label), \(name)", expected: data.device, got: tensor.device)
      }
    }
  }

  /// Whether the first data decides the number of maps for good.
  var fixesMaps: Bool { true }

  /// Whether calls normalise by running statistics.
  private var usesRunningStats: Bool { tracksRunningStats && !train }

  /// Normalises, by whatever statistics are the ones, and moves the running ones.
  func compute(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, _ epilogue: Epilogue, into output: inout Tensor,
    mean: inout Tensor, invStd: inout Tensor
  ) throws {
    let backend = input.storage.backend
    if usesRunningStats, let runningMean, let runningVar {
      try backend.recall(mean: runningMean, variance: runningVar, epsilon: epsilon, intoMean: &mean, invStd: &invStd)
      try backend.normalize(
        input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, into: &output)
    } else {
      try backend.normalize(
        input, over: sharing, scale: scale, bias: bias, epsilon: epsilon, epilogue: epilogue, into: &output,
        mean: &mean, invStd: &invStd)
      if tracksRunningStats, input.count > 0 { try track(input, mean: mean, invStd: invStd) }
    }
  }

  private func track(_ input: Tensor, mean: Tensor, invStd: Tensor) throws {
    guard var runningMean, var runningVar else { return }
    let planes = Planes(input)
    let number = numOfBatches + 1
    try input.storage.backend.track(
      mean: mean, invStd: invStd, epsilon: epsilon,
      count: PlaneSets(sharing, images: planes.images, maps: planes.maps).width * planes.size,
      momentum: momentum ?? 1 / Double(number), runningMean: &runningMean, runningVariance: &runningVar)
    setAttr("runningMean", runningMean)
    setAttr("runningVar", runningVar)
    setAttr("numOfBatches", try Tensor([Double(number)], shape: []))
  }

  /// Room for the means and deviations of some data's planes: the last call's, where nobody else has them.
  private func statistics(for data: Tensor, images: Int) throws -> (mean: Tensor, invStd: Tensor) {
    let maps = data.shape[data.shape.rank - spatialRank - 1]
    if saveMean?.isUnique() == true, saveInvVar?.isUnique() == true, let saveMean, let saveInvVar,
      saveMean.storage.backendIdentity == data.storage.backendIdentity, saveMean.shape[0] == images,
      saveMean.shape[1] == maps
    {
      return (saveMean, saveInvVar)
    }
    let planes: Shape = [images, maps]
    return (
      try Tensor(uninitialized: planes, dtype: .float64, on: data.device),
      try Tensor(uninitialized: planes, dtype: .float64, on: data.device)
    )
  }

  /// Whether scale and bias are made for each call, and are not variables' own values. Then a gradient is taken with
  /// those that its call had.
  var makesAffineValues: Bool { false }

  /// Scale and bias of a call, once they are known to fit the data: a value for each map, each plane or each element;
  /// nil for 1 and 0.
  ///
  /// - Parameter images: N.
  func affineValues(for data: Tensor, images: Int) throws -> (scale: Tensor?, bias: Tensor?) {
    (try checked(scale, for: data), try checked(bias, for: data))
  }

  /// A variable's values, once they are known to fit the data.
  final func checked(_ variable: Variable?, for data: Tensor) throws -> Tensor? {
    guard let variable else { return nil }
    let values = variable.data
    try check(values, variable, data)
    try check(variable.grad, variable, data)
    return values
  }

  @inline(__always)
  private func check(_ tensor: Tensor, _ variable: Variable, _ data: Tensor) throws {
    let hasShape =
      variableShape.rank == 1
      ? tensor.shape.rank == 1 && tensor.shape[0] == numOfMaps : tensor.shape == variableShape
    guard hasShape, tensor.dtype == calcType.parameterDType, tensor.layout == .nchw else {
      // Only shapes of three extents have another layout.
      func named(_ layout: Layout) -> String { variableShape.rank < 3 ? "" : ", \(layout)" }
      throw ModuleError.variable(
        module: label, name: variable.name,
        expected: "shape \(variableShape), \(calcType.parameterDType)\(named(.nchw))",
        got: "\(tensor.shape), \(tensor.dtype)\(named(tensor.layout))")
    }
    guard tensor.isBeside(data) else {
      throw DeviceError.mismatch(
        operation: "\(label), variable '\(variable.name)'", expected: data.device, got: tensor.device)
    }
  }

  public override func reset() {
    super.reset()
    forgetCall()
  }

  private func forgetCall() {
    saveMean = nil
    saveInvVar = nil
    lastCall = nil
    lastResidualGrad = nil
    kept = nil
  }

  // MARK: Backward

  public override func updateGrad(_ grad: Tensor) throws -> Tensor {
    kept = nil
    lastResidualGrad = nil
    let call = try gradientCall(grad)
    var result = try Tensor(uninitializedLike: call.input)
    // A residual's gradient is dy itself but where the activation comes after.
    let residual = call.epilogue.residual
    let isMasked = residual != nil && residualPlace == .beforeActivation && call.epilogue.activation != .none
    var residualGrad = isMasked ? try Tensor(uninitializedLike: call.input) : nil
    var sums = try Tensor(uninitialized: call.sumsShape, dtype: .float64, on: call.input.device)
    try call.input.storage.backend.normalizeGradient(
      call.grad, input: call.input, over: call.isOwn ? sharing : nil, mean: call.mean, invStd: call.invStd,
      scale: call.scale, bias: call.bias, epilogue: call.epilogue, sums: &sums, into: &result,
      residualGradient: &residualGrad)
    if residual != nil { lastResidualGrad = try unbatched(residualGrad ?? call.grad, like: call.data) }
    if keepsSums { kept = (sums, Origin(tensor: grad), variablesVersion) }
    return try unbatched(result, like: call.data)
  }

  public override func accGradParams(_ grad: Tensor, scale factor: Double, momentum: Double) throws {
    // Modules made of modules may call this past the parent's look at the mode.
    guard train else { return }
    // With the sums at hand, nothing looks at the gradient in the data's layout.
    let call = try gradientCall(grad, inLayout: keptSums(grad) == nil || needsGradient)
    guard let scale, let bias else { return }
    try scale.grad.makeUnique()
    try bias.grad.makeUnique()
    try accumulate(factor, call, grad, momentum, scale: scale, bias: bias)
    kept = nil
  }

  /// `grad = factor new + momentum old` for both variables.
  func accumulate(
    _ factor: Double, _ call: GradientCall, _ grad: Tensor, _ momentum: Double, scale: Variable, bias: Variable
  ) throws {
    let backend = call.input.storage.backend
    let sums = try sums(call, grad)
    try backend.accumulate(factor, sums, row: 0, momentum, &bias.grad)
    try backend.accumulate(factor, sums, row: 1, momentum, &scale.grad)
  }

  /// Whether ``accumulate(_:_:_:_:scale:bias:)`` takes more than the sums.
  var needsGradient: Bool { false }

  /// Whether a gradient by the data leaves its sums for what follows it.
  var keepsSums: Bool { train && affine }

  /// What the gradient by the data left, if that was of this gradient and these variables.
  private func keptSums(_ grad: Tensor) -> Tensor? {
    guard let kept, kept.origin.isSame(as: grad), kept.variablesVersion == variablesVersion else { return nil }
    return kept.sums
  }

  /// The sums of dn and of dn xhat over each plane, (2, N, C): what the gradient by the data left, or anew.
  final func sums(_ call: GradientCall, _ grad: Tensor) throws -> Tensor {
    if let kept = keptSums(grad) { return kept }
    var sums = try Tensor(uninitialized: call.sumsShape, dtype: .float64, on: call.input.device)
    try call.input.storage.backend.gradientSums(
      call.grad, input: call.input, mean: call.mean, invStd: call.invStd, scale: call.scale, bias: call.bias,
      epilogue: call.epilogue, sums: &sums)
    return sums
  }

  /// What a gradient is taken of, once the gradient and the variables are known to fit it.
  struct GradientCall {
    /// As it was given.
    let data: Tensor
    /// With its batch.
    let input: Tensor
    let mean: Tensor
    let invStd: Tensor
    /// In the input's layout.
    let grad: Tensor
    let scale: Tensor?
    let bias: Tensor?
    let epilogue: Epilogue
    /// Whether the statistics depend on the input.
    let isOwn: Bool

    /// The two sums of each plane.
    var sumsShape: Shape { [2, mean.shape[0], mean.shape[1]] }
  }

  /// - Parameter inLayout: whether the gradient is brought to the data's layout.
  final func gradientCall(_ grad: Tensor, inLayout: Bool = true) throws -> GradientCall {
    guard let inData, let saveMean, let saveInvVar, let lastCall, lastCall.origin.isSame(as: inData) else {
      throw ModuleError.backwardBeforeForward(module: label)
    }
    let grad = inLayout ? try batched(inData.agreeing(grad, "\(label), backward")) : grad
    let (scale, bias) = try lastCall.affine ?? affineValues(for: inData, images: saveMean.shape[0])
    return GradientCall(
      data: inData, input: try batched(inData), mean: saveMean, invStd: saveInvVar, grad: grad, scale: scale,
      bias: bias,
      epilogue: Epilogue(activation: lastCall.activation, residual: lastCall.residual, place: residualPlace),
      isOwn: lastCall.isOwn)
  }
}

/// The tensor that something was computed from. It is held on to, so that a write to it makes a copy and this stays
/// what it was.
private struct Origin {
  let tensor: Tensor

  func isSame(as other: Tensor) -> Bool {
    tensor.storage === other.storage && tensor.shape == other.shape && tensor.layout == other.layout
  }
}
