import Tensors

/// Instance normalisation over any number of spatial dimensions: what ``InstanceNorm1D``, ``InstanceNorm2D`` and
/// ``InstanceNorm3D`` are.
///
/// Each plane (t, i), batch element t's map i, is normalised by its own mean and biased variance, in training and
/// evaluation alike:
///
///     mean[t,i] = 1/(H W)  sum over m,n of  x[t,i,m,n]
///     var[t,i]  = 1/(H W)  sum over m,n of (x[t,i,m,n] - mean[t,i])^2
///     n         = scale[i] (x - mean) / sqrt(var + epsilon) + bias[i]
///     y         = n, activation(n), activation(n) + residual or activation(n + residual)
///
/// An activation, and the sum with a residual that is given to ``callAsFunction(_:residual:)``, are part of the
/// layer, so that they cost no pass over memory of their own. y is n as long as neither is asked for.
///
/// Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization",
/// 2016.
///
/// - A constant plane gives exactly the bias, and so does a plane of one value.
/// - NaN or infinity in a plane makes that plane NaN, and no other.
/// - A plane's result has the same bits in any batch and for any number of threads.
public class InstanceNormND: Module {
  public let numOfMaps: Int
  public let epsilon: Double
  /// Whether scale and bias are trained; if not, they are 1 and 0.
  public let affine: Bool
  /// What each value of the result goes through.
  public let activation: Activation
  /// Where a residual is added.
  public let residualPlace: ResidualPlace
  /// How many dimensions follow N and C.
  public let spatialRank: Int

  /// The gradient by the residual that the last ``Module/backward(_:updParamGrads:scale:momentum:)`` took beside that
  /// by the data, ``Module/grad``; nil where that is nil, and when the call before it had no residual.
  public var residualGrad: Tensor? { grad == nil ? nil : lastResidualGrad }
  private var lastResidualGrad: Tensor?

  /// The residual of the last call, in its data's layout.
  private var residual: Tensor?

  /// The means of the last call's planes: (N, C), float64, since float32 cannot hold a mean a million times the
  /// deviation closely enough.
  public private(set) var saveMean: Tensor?
  /// 1 / sqrt(var + epsilon) of the last call's planes: (N, C), float64. (It is the inverse of the deviation;
  /// PuzzleLib named it so.)
  public private(set) var saveInvVar: Tensor?

  /// The data that ``saveMean`` and ``saveInvVar`` are of.
  private var statisticsOrigin: Origin?

  /// The sums over each plane that ``updateGrad(_:)`` took, for ``accGradParams(_:scale:momentum:)`` after it.
  private var kept: (sums: Tensor, origin: Origin)?

  /// The tensor that something was computed from. It is held on to, so that a write to it makes a copy and this stays
  /// what it was.
  private struct Origin {
    let tensor: Tensor

    func isSame(as other: Tensor) -> Bool {
      tensor.storage === other.storage && tensor.shape == other.shape && tensor.layout == other.layout
    }
  }

  init(
    spatialRank: Int, numOfMaps: Int, epsilon: Double, affine: Bool, activation: Activation,
    residualPlace: ResidualPlace, name: String?
  ) throws {
    self.spatialRank = spatialRank
    self.activation = activation
    self.residualPlace = residualPlace
    self.numOfMaps = numOfMaps
    self.epsilon = epsilon
    self.affine = affine
    super.init(name: name)
    guard numOfMaps > 0 else {
      throw ModuleError.argument(module: className, name: "numOfMaps", expected: "1 or more", got: "\(numOfMaps)")
    }
    guard epsilon >= 0, epsilon.isFinite else {
      throw ModuleError.argument(
        module: className, name: "epsilon", expected: "a finite number, 0 or more", got: "\(epsilon)")
    }
    if case .leakyReLU(let slope) = activation, !slope.isFinite {
      throw ModuleError.argument(
        module: className, name: "activation", expected: "a finite slope", got: "\(slope)")
    }
    if affine {
      setVar(try Variable(name: "scale", data: .ones([numOfMaps])))
      setVar(try Variable(name: "bias", data: .zeros([numOfMaps])))
    }
  }

  /// (C), ones at first; nil unless ``affine``.
  public private(set) final var scale: Variable?
  /// (C), zeros at first; nil unless ``affine``.
  public private(set) final var bias: Variable?

  override func varsDidChange() {
    scale = vars["scale"]
    bias = vars["bias"]
  }

  public override var supportedTypes: [DType] { DType.allCases }
  public override var fileNames: [String: String] { ["scale": "weight"] }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["numOfMaps"] = .int(numOfMaps)
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
    return blueprint
  }

  public override var description: String {
    let fused = activation == .none ? "" : ", activation: \(activation)"
    let place = residualPlace == .afterActivation ? "" : ", residualPlace: \(residualPlace)"
    return "\(super.description)(numOfMaps: \(numOfMaps), epsilon: \(epsilon), affine: \(affine)\(fused)\(place))"
  }

  public override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank == spatialRank + 2, shape[1] == numOfMaps else {
      let spatial = ["L", "H, W", "D, H, W"][spatialRank - 1]
      throw ModuleError.dataShape(module: className, expected: "(N, \(numOfMaps), \(spatial))", got: shape)
    }
  }

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
    let residual = try data.agreeing(residual, "\(className), residual")
    return try call(data) { try forward($0, residual: residual) }
  }

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
    let residual = try residual.map { try data.agreeing($0, "\(className), residual") }
    let (scale, bias) = (try parameter(scale, for: data), try parameter(bias, for: data))
    var (mean, invStd) = try statistics(for: data)
    // Also lets go of the data, where it is the last call's.
    reset()
    var output = data.isUnique() ? data : try Tensor(uninitializedLike: data)
    try data.storage.backend.instanceNorm(
      data, scale: scale, bias: bias, epsilon: epsilon, epilogue: epilogue(residual), into: &output, mean: &mean,
      invStd: &invStd)
    saveMean = mean
    saveInvVar = invStd
    data = output
  }

  private func epilogue(_ residual: Tensor?) -> Epilogue {
    Epilogue(activation: activation, residual: residual, place: residualPlace)
  }

  public override func updateData(_ data: Tensor) throws -> Tensor {
    try forward(data, residual: nil)
  }

  private func forward(_ data: Tensor, residual: Tensor?) throws -> Tensor {
    // Open methods can be called past the parent's checks, and what lies below relies on them.
    try checkDataShape(data.shape)
    try checkDataType(data.dtype)
    let scale = try parameter(scale, for: data)
    let bias = try parameter(bias, for: data)
    var (mean, invStd) = try statistics(for: data)
    forgetStatistics()
    var output = try Tensor(uninitializedLike: data)
    try data.storage.backend.instanceNorm(
      data, scale: scale, bias: bias, epsilon: epsilon, epilogue: epilogue(residual), into: &output, mean: &mean,
      invStd: &invStd)
    saveMean = mean
    saveInvVar = invStd
    self.residual = residual
    statisticsOrigin = Origin(tensor: data)
    return output
  }

  public override func updateGrad(_ grad: Tensor) throws -> Tensor {
    kept = nil
    lastResidualGrad = nil
    let call = try lastCall(grad)
    var result = try Tensor(uninitializedLike: call.input)
    // A residual's gradient is dy itself but where the activation comes after.
    let isMasked = residual != nil && residualPlace == .beforeActivation && activation != .none
    var residualGrad = isMasked ? try Tensor(uninitializedLike: call.input) : nil
    var sums = try Tensor(uninitialized: call.sumsShape, dtype: .float64, on: call.input.device)
    try call.input.storage.backend.instanceNormGradient(
      call.grad, input: call.input, mean: call.mean, invStd: call.invStd, scale: call.scale, bias: call.bias,
      epilogue: epilogue(residual),
      sums: &sums, into: &result, residualGradient: &residualGrad)
    lastResidualGrad = isMasked ? residualGrad : residual == nil ? nil : call.grad
    if train && affine { kept = (sums, Origin(tensor: grad)) }
    return result
  }

  public override func accGradParams(_ grad: Tensor, scale factor: Double, momentum: Double) throws {
    let call = try lastCall(grad)
    guard let scale, let bias else { return }
    let backend = call.input.storage.backend
    var sums: Tensor
    if let kept, kept.origin.isSame(as: grad) {
      sums = kept.sums
    } else {
      sums = try Tensor(uninitialized: call.sumsShape, dtype: .float64, on: call.input.device)
      try backend.instanceNormSums(
        call.grad, input: call.input, mean: call.mean, invStd: call.invStd, scale: call.scale, bias: call.bias,
        epilogue: epilogue(residual), sums: &sums)
    }
    kept = nil
    try bias.grad.makeUnique()
    try scale.grad.makeUnique()
    try backend.accumulate(factor, sums, row: 0, momentum, &bias.grad)
    try backend.accumulate(factor, sums, row: 1, momentum, &scale.grad)
  }

  public override func reset() {
    super.reset()
    forgetStatistics()
  }

  /// Room for the means and deviations of some data's planes: the last call's, where nobody else has them.
  private func statistics(for data: Tensor) throws -> (mean: Tensor, invStd: Tensor) {
    if saveMean?.isUnique() == true, saveInvVar?.isUnique() == true, let saveMean, let saveInvVar,
      saveMean.storage.backendIdentity == data.storage.backendIdentity, saveMean.shape[0] == data.shape[0]
    {
      return (saveMean, saveInvVar)
    }
    let planes: Shape = [data.shape[0], numOfMaps]
    return (
      try Tensor(uninitialized: planes, dtype: .float64, on: data.device),
      try Tensor(uninitialized: planes, dtype: .float64, on: data.device)
    )
  }

  private func forgetStatistics() {
    saveMean = nil
    saveInvVar = nil
    statisticsOrigin = nil
    residual = nil
    lastResidualGrad = nil
    kept = nil
  }

  /// What a gradient is taken of, once the gradient and the variables are known to fit it.
  private struct Call {
    let input: Tensor
    let mean: Tensor
    let invStd: Tensor
    /// In the input's layout.
    let grad: Tensor
    let scale: Tensor?
    let bias: Tensor?

    /// The two sums of each plane.
    var sumsShape: Shape { [2, mean.shape[0], mean.shape[1]] }
  }

  private func lastCall(_ grad: Tensor) throws -> Call {
    guard let inData, let saveMean, let saveInvVar, statisticsOrigin?.isSame(as: inData) == true else {
      throw ModuleError.backwardBeforeForward(module: className)
    }
    return Call(
      input: inData, mean: saveMean, invStd: saveInvVar, grad: try inData.agreeing(grad, "\(className), backward"),
      scale: try parameter(scale, for: inData), bias: try parameter(bias, for: inData))
  }

  /// A variable's values, once they are known to fit the data.
  private func parameter(_ variable: Variable?, for data: Tensor) throws -> Tensor? {
    guard let variable else { return nil }
    let values = variable.data
    try check(values, variable, data)
    try check(variable.grad, variable, data)
    return values
  }

  @inline(__always)
  private func check(_ tensor: Tensor, _ variable: Variable, _ data: Tensor) throws {
    guard tensor.shape.rank == 1, tensor.shape[0] == numOfMaps, tensor.dtype == calcType.parameterDType else {
      throw ModuleError.variable(
        module: className, name: variable.name, expected: "shape (\(numOfMaps),), \(calcType.parameterDType)",
        got: "\(tensor.shape), \(tensor.dtype)")
    }
    guard tensor.isBeside(data) else {
      throw DeviceError.mismatch(
        operation: "\(className), variable '\(variable.name)'", expected: data.device, got: tensor.device)
    }
  }
}

/// Instance normalisation of signals and sequences, (N, C, L). See ``InstanceNormND``.
public final class InstanceNorm1D: InstanceNormND {
  /// Parameters as ``InstanceNorm2D/init(numOfMaps:epsilon:affine:activation:residualPlace:name:)``.
  public init(
    numOfMaps: Int, epsilon: Double = 1e-5, affine: Bool = true, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    try super.init(
      spatialRank: 1, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, activation: activation,
      residualPlace: residualPlace, name: name)
  }
}

/// Instance normalisation of pictures and feature maps, (N, C, H, W). See ``InstanceNormND``.
public final class InstanceNorm2D: InstanceNormND {
  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias are trained, or fixed at 1 and 0 so that the layer only normalises.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    numOfMaps: Int, epsilon: Double = 1e-5, affine: Bool = true, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    try super.init(
      spatialRank: 2, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, activation: activation,
      residualPlace: residualPlace, name: name)
  }
}

/// Instance normalisation of volumes, (N, C, D, H, W). See ``InstanceNormND``.
public final class InstanceNorm3D: InstanceNormND {
  /// Parameters as ``InstanceNorm2D/init(numOfMaps:epsilon:affine:activation:residualPlace:name:)``.
  public init(
    numOfMaps: Int, epsilon: Double = 1e-5, affine: Bool = true, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    try super.init(
      spatialRank: 3, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, activation: activation,
      residualPlace: residualPlace, name: name)
  }
}
