import Operations
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
/// A call may add a residual before or after the activation (``callAsFunction(_:residual:activation:)``). Both come in
/// the same pass over memory, forward and backward.
///
/// Data is of the type that the module computes in (``Module/calcMode(_:)``), of any layout. y has the layout of x.
/// Data without a batch, (C, spatial...), is taken as a batch of one.
public class Normalization: Module {
  /// The constructor's arguments.
  public final let options: NormalizationOptions
  /// Which planes share their mean and variance.
  public final let sharing: MomentSharing
  /// How many dimensions follow N and C.
  public final let spatialRank: Int
  /// C; nil until the first data tells, where the constructor did not.
  public private(set) final var numOfMaps: Int?

  public final var epsilon: Double { options.epsilon }
  /// Whether scale and bias are trained; if not, they are 1 and 0.
  public final var affine: Bool { options.affine }
  /// What each value of the result goes through.
  public final var activation: Activation { options.activation }
  /// Where a residual is added.
  public final var residualPlace: ResidualPlace { options.residualPlace }
  /// Whether calls in training move ``runningMean`` and ``runningVar``, and those in evaluation normalise by them.
  public final var tracksRunningStats: Bool { options.trackRunningStats }
  /// How far a call moves the running statistics towards its own: `running = (1 - momentum) running + momentum new`.
  /// With nil, they are the averages over all calls.
  public final var momentum: Double? { options.momentum }

  /// Where variables are made that a file brings.
  final var place = Device.cpu

  /// What the last call in training normalised by.
  final var statistics: Normalize.Statistics?

  /// The means that the last call in training normalised by: (N, C), float64, since float32 cannot hold a mean a
  /// million times the deviation closely enough. Planes that share have the same.
  public final var saveMean: Tensor? { try? statistics?.meanOfEach }
  /// 1 / sqrt(var + epsilon) likewise: (N, C), float64. (It is the inverse of the deviation; PuzzleLib named it so.)
  public final var saveInvVar: Tensor? { try? statistics?.invStdOfEach }

  /// - Parameters:
  ///   - sharing: which planes share their moments.
  ///   - spatialRank: how many dimensions follow N and C.
  ///   - options: the arguments of the type's constructor.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  init(_ sharing: MomentSharing, spatialRank: Int = 2, _ options: NormalizationOptions) throws {
    self.sharing = sharing
    self.spatialRank = spatialRank
    self.options = options
    numOfMaps = options.numOfMaps
    super.init(name: options.name)
    try options.check(label)
    if let numOfMaps { try makeVariables(maps: numOfMaps) }
  }

  // MARK: Variables

  /// (C), ones at first; nil unless ``affine``. (C, H, W) where a ``LayerNorm2D`` has values for elements, (S, C)
  /// where a ``ConditionalInstanceNorm2D`` has S styles.
  public private(set) final var scale: Variable?
  /// Shaped likewise, zeros at first; nil unless ``affine``.
  public private(set) final var bias: Variable?

  final override func varsDidChange() {
    scale = vars["scale"]
    bias = vars["bias"]
  }

  /// The shape of scale and bias, once there are any.
  final var variableShape: Shape = []

  /// Makes the variables for so many maps.
  final func makeVariables(maps: Int, on device: Device = .cpu) throws {
    if affine {
      let (shape, dtype) = (options.parameterShape(maps: maps), calcType.parameterDType)
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
    guard let maps = affine ? options.maps(ofParameter: found) : found.first, maps > 0 else {
      throw ModuleError.variable(
        module: label, name: name, expected: "a number for each map", got: "shape \(found)")
    }
    try options.check(maps: maps, label)
    try makeVariables(maps: maps, on: place)
  }

  final override func uninitialize() {
    removeVars()
    removeAttrs()
    numOfMaps = nil
  }

  public override func to(_ device: Device) throws {
    try super.to(device)
    place = device
  }

  final override func forgetCall() {
    super.forgetCall()
    statistics = nil
  }

  public override var supportedTypes: [DType] { DType.allCases }
  /// None. (Known, and not looked for: calls forget the last one, and looking takes longer than a small call.)
  public final override var namedChildren: [(name: String, module: Module)] { [] }
  public override var fileNames: [String: String] {
    [
      "scale": "weight", "runningMean": "running_mean", "runningVar": "running_var",
      "numOfBatches": "num_batches_tracked",
    ]
  }

  override var countAttrs: Set<String> { ["numOfBatches"] }
  override var varsLeftOut: [String] { affine || !hasChoice ? [] : ["scale", "bias"] }
  override var varsToLeaveOut: [String] { affine && hasChoice ? ["scale", "bias"] : [] }
  /// Whether layers of this type can be made with scale and bias and without.
  var hasChoice: Bool { true }

  public override var blueprint: Blueprint { Blueprint(classname: className, options) }

  public override var description: String { super.description + options.description(numOfMaps: numOfMaps) }

  // MARK: Shapes

  public override func checkDataShape(_ shape: Shape) throws {
    let isSingle = shape.rank == spatialRank + 1
    guard isSingle || shape.rank == spatialRank + 2 else { throw wrongShape(shape) }
    let maps = shape[isSingle ? 0 : 1]
    if let numOfMaps {
      guard maps == numOfMaps else { throw wrongShape(shape) }
    } else {
      guard maps > 0 else { throw wrongShape(shape) }
      try options.check(maps: maps, label)
    }
    if let size = options.perElement, shape.suffix(2) != [size.height, size.width] { throw wrongShape(shape) }
  }

  final func wrongShape(_ shape: Shape) -> ModuleError {
    let spatial =
      options.perElement.map { "\($0.height), \($0.width)" } ?? ["L", "H, W", "D, H, W"][spatialRank - 1]
    let expected = "\(numOfMaps.map { "\($0)" } ?? "C"), \(spatial))"
    return .dataShape(module: label, expected: "(N, \(expected) or (\(expected)", got: shape)
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return shape
  }

  // MARK: Calls

  final lazy var ownAttributes = Normalize.Attributes(
    sharing, epsilon: epsilon, activation: activation, place: residualPlace)

  public override func forward(_ data: Tensor) throws -> Tensor {
    try forward(data, residual: nil, activation: activation)
  }

  /// - Parameter weights: of styles, where the type has these.
  final func forward(
    _ data: Tensor, residual: Tensor?, activation: Activation, weights: Tensor? = nil
  ) throws -> Tensor {
    // It can be called past the parent's checks, and what lies below relies on them.
    try checkDataShape(data.shape)
    try checkDataType(data.dtype)
    // The statistics are then no longer those of the last call.
    if train, Recording.current == nil { reset() }
    let input = try batched(data)
    let residual = try residual.map { try batched(data.agreeing($0, "\(label), residual")) }
    let (scale, bias) = try prepare(for: input, weights: weights)
    return try unbatched(
      compute(input, scale, bias, residual: residual, activation: activation), like: data)
  }

  /// What a call computes of (N, C, spatial...), once all is checked.
  func compute(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, residual: Tensor?, activation: Activation
  ) throws -> Tensor {
    try normalize(input, scale, bias, residual: residual, activation: activation)
  }

  final override func callAlone(_ data: Tensor) throws -> Tensor? {
    guard options.isOneOperation, data.shape.rank == spatialRank + 2 else { return nil }
    guard train else {
      let (scale, bias) = try prepare(for: data)
      return try normalize(data, scale, bias, residual: nil, activation: activation)
    }
    letGo()
    do {
      let (scale, bias) = try prepare(for: data)
      let result: Tensor
      if tracksRunningStats {
        result = try normalize(data, scale, bias, residual: nil, activation: activation)
      } else {
        result = try Normalize.applyChecked(data, scale, bias, ownAttributes, &statistics, keepsStatistics: true)
      }
      life.single = Life.Single(data: data, scale: scale, bias: bias, result: result)
      life.callCount += 1
      return result
    } catch {
      reset()
      throw error
    }
  }

  final override func backwardAlone(
    _ grad: Tensor, updParamGrads: Bool, updGrad: Bool, scale factor: Double, momentum: Double
  ) throws -> [Tensor?]? {
    guard life.single != nil, let statistics else { return nil }
    // Taken out meanwhile, which counts no references.
    var taken: Life.Single?
    swap(&taken, &life.single)
    defer { swap(&taken, &life.single) }
    guard let single = taken else { return nil }
    func trained(_ variable: Variable?) throws -> Variable? {
      guard updParamGrads, let variable, variable.isReached else { return nil }
      try check(variable)
      return variable
    }
    let (scale, bias) = (try trained(scale), try trained(bias))
    var found = NormalizeGradient.Outputs()
    if factor == 1, momentum == 0 { (found.scale, found.bias) = (scale?.gradMemory, bias?.gradMemory) }
    try NormalizeGradient.take(
      &found, single.data.agreeing(grad, "\(label), backward"), single.data, single.scale, single.bias, ownAttributes,
      statistics, byInput: updGrad, byParameters: scale != nil || bias != nil)
    if let scale, let new = found.scale { try scale.take(new, factor, momentum) }
    if let bias, let new = found.bias { try bias.take(new, factor, momentum) }
    return updGrad ? [found.input] : []
  }

  final override func recordedCall() throws -> Life.Call? {
    guard let single = life.single else { return try super.recordedCall() }
    var operation = Normalize(
      single.data.withoutOrigin, scale: single.scale, bias: single.bias, attributes(activation), statistics: statistics)
    let leaf = operation.record(input: single.data)
    let call = Life.Call(inputs: [single.data], nodes: [leaf], outputs: [single.result.made(by: operation)])
    life.call = call
    life.single = nil
    return call
  }

  /// Whether an activation that follows may become part of the layer.
  final var canFuse: Bool { activation == .none && (options.strength ?? 1) == 1 }

  /// What ``compute(_:_:_:residual:activation:)`` gives, in the input's memory, which nobody else has.
  func computeInPlace(_ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, residual: Tensor?) throws -> Tensor {
    var operation = Normalize(
      input, scale: scale, bias: bias, residual: residual, attributes(activation),
      statistics: try startingStatistics(for: input))
    _ = try operation.form()
    var output = input
    try operation.run(into: &output)
    try finish(operation.statistics, of: input)
    return output.withoutOrigin
  }

  /// Scale and bias of a call, once they are known to fit the data.
  func affineValues(for data: Tensor, weights: Tensor?) throws -> (scale: Tensor?, bias: Tensor?) {
    (try checked(scale, for: data), try checked(bias, for: data))
  }
}
