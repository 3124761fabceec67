import Tensors

/// Instance normalisation over any number of spatial dimensions: what ``InstanceNorm1D``, ``InstanceNorm2D`` and
/// ``InstanceNorm3D`` are.
///
/// Each plane (t, i), batch element t's map i, is normalised by its own mean and biased variance, in training and
/// evaluation alike:
///
///     mean[t,i] = 1/(H W)  sum over m,n of  x[t,i,m,n]
///     var[t,i]  = 1/(H W)  sum over m,n of (x[t,i,m,n] - mean[t,i])^2
///     y         = scale[i] (x - mean) / sqrt(var + epsilon) + bias[i]
///
/// Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization",
/// 2016.
///
/// - A constant plane gives exactly the bias, and so does a plane of one value.
/// - NaN or infinity in a plane makes that plane NaN, and no other.
/// - A plane's result has the same bits in any batch, layout and alignment, and for any number of threads.
open class InstanceNormND: Module {
  public let numOfMaps: Int
  public let epsilon: Double
  /// Whether scale and bias are trained; if not, they are 1 and 0.
  public let affine: Bool
  /// How many dimensions follow N and C.
  public let spatialRank: Int

  /// The means of the last call's planes: (N, C), float64, since float32 cannot hold a mean a million times the
  /// deviation closely enough.
  public private(set) var saveMean: Tensor?
  /// 1 / sqrt(var + epsilon) of the last call's planes: (N, C), float64. (It is the inverse of the deviation;
  /// PuzzleLib named it so.)
  public private(set) var saveInvVar: Tensor?

  /// The sums over each plane that ``updateGrad(_:)`` took, for ``accGradParams(_:scale:momentum:)`` after it.
  private var sums: (Tensor, of: Tensor)?

  init(spatialRank: Int, numOfMaps: Int, epsilon: Double, affine: Bool, name: String?) throws {
    self.spatialRank = spatialRank
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
    if affine {
      setVar(try Variable(name: "scale", data: .ones([numOfMaps])))
      setVar(try Variable(name: "bias", data: .zeros([numOfMaps])))
    }
  }

  /// (C), ones at first; nil unless ``affine``.
  public final var scale: Variable? { vars["scale"] }
  /// (C), zeros at first; nil unless ``affine``.
  public final var bias: Variable? { vars["bias"] }

  open override var supportedTypes: [DType] { DType.allCases }
  open override var fileNames: [String: String] { ["scale": "weight"] }

  open override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["numOfMaps"] = .int(numOfMaps)
    blueprint.scheme["epsilon"] = .double(epsilon)
    blueprint.scheme["affine"] = .bool(affine)
    return blueprint
  }

  open override var description: String {
    "\(super.description)(numOfMaps: \(numOfMaps), epsilon: \(epsilon), affine: \(affine))"
  }

  open override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank == spatialRank + 2, shape[1] == numOfMaps else {
      let spatial = ["L", "H, W", "D, H, W"][spatialRank - 1]
      throw ModuleError.dataShape(module: className, expected: "(N, \(numOfMaps), \(spatial))", got: shape)
    }
  }

  open override func updateData(_ data: Tensor) throws -> Tensor {
    let scale = try parameter(scale, for: data)
    let bias = try parameter(bias, for: data)
    forgetStatistics()
    let planes: Shape = [data.shape[0], numOfMaps]
    var output = try Tensor(uninitializedLike: data)
    var mean = try Tensor(uninitialized: planes, dtype: .float64, on: data.device)
    var invStd = try Tensor(uninitialized: planes, dtype: .float64, on: data.device)
    try data.storage.backend.instanceNorm(
      data, scale: scale, bias: bias, epsilon: epsilon, into: &output, mean: &mean, invStd: &invStd)
    saveMean = mean
    saveInvVar = invStd
    return output
  }

  open override func updateGrad(_ grad: Tensor) throws -> Tensor {
    guard let inData else { throw ModuleError.backwardBeforeForward(module: className) }
    sums = nil
    var inputGradient: Tensor? = try Tensor(uninitializedLike: inData)
    let planeSums = try gradientSums(grad, &inputGradient)
    if train && affine { sums = (planeSums, of: grad) }
    guard let result = inputGradient else { throw ModuleError.backwardBeforeForward(module: className) }
    return result
  }

  open override func accGradParams(_ grad: Tensor, scale factor: Double, momentum: Double) throws {
    guard let scale, let bias else { return }
    var planeSums: Tensor
    if let (kept, of) = sums, of.storage === grad.storage {
      planeSums = kept
    } else {
      var none: Tensor?
      planeSums = try gradientSums(grad, &none)
    }
    sums = nil
    let backend = planeSums.storage.backend
    try bias.grad.makeUnique()
    try backend.accumulate(factor, planeSums, row: 0, momentum, &bias.grad)
    try scale.grad.makeUnique()
    try backend.accumulate(factor, planeSums, row: 1, momentum, &scale.grad)
  }

  open override func reset() {
    super.reset()
    forgetStatistics()
  }

  private func forgetStatistics() {
    saveMean = nil
    saveInvVar = nil
    sums = nil
  }

  /// (2, N, C): the sums of dy and of dy xhat over each plane; and dx, if there is a tensor for it.
  private func gradientSums(_ grad: Tensor, _ inputGradient: inout Tensor?) throws -> Tensor {
    guard let inData, let saveMean, let saveInvVar else {
      throw ModuleError.backwardBeforeForward(module: className)
    }
    // The hooks are open, so callers may have come past the parent's checks.
    let grad = try inData.agreeing(grad, "\(className), backward")
    let scale = try parameter(scale, for: inData)
    _ = try parameter(bias, for: inData)
    var sums = try Tensor(uninitialized: [2, inData.shape[0], numOfMaps], dtype: .float64, on: inData.device)
    try inData.storage.backend.instanceNormGradient(
      grad, input: inData, mean: saveMean, invStd: saveInvVar, scale: scale,
      sums: &sums, inputGradient: &inputGradient)
    return sums
  }

  /// A variable's values, once they are known to fit the data.
  private func parameter(_ variable: Variable?, for data: Tensor) throws -> Tensor? {
    guard let variable else { return nil }
    for tensor in [variable.data, variable.grad] {
      guard tensor.shape == [numOfMaps], tensor.dtype == calcType.parameterDType else {
        throw ModuleError.variable(
          module: className, name: variable.name, expected: "shape (\(numOfMaps),), \(calcType.parameterDType)",
          got: "\(tensor.shape), \(tensor.dtype)")
      }
      guard tensor.device == data.device else {
        throw DeviceError.mismatch(
          operation: "\(className), variable '\(variable.name)'", expected: data.device, got: tensor.device)
      }
    }
    return variable.data
  }
}

/// Instance normalisation of signals and sequences, (N, C, L). See ``InstanceNormND``.
public final class InstanceNorm1D: InstanceNormND {
  /// Parameters as ``InstanceNorm2D/init(numOfMaps:epsilon:affine:name:)``.
  public init(numOfMaps: Int, epsilon: Double = 1e-5, affine: Bool = true, name: String? = nil) throws {
    try super.init(spatialRank: 1, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, name: name)
  }
}

/// Instance normalisation of pictures and feature maps, (N, C, H, W). See ``InstanceNormND``.
public final class InstanceNorm2D: InstanceNormND {
  /// - Parameters:
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(numOfMaps: Int, epsilon: Double = 1e-5, affine: Bool = true, name: String? = nil) throws {
    try super.init(spatialRank: 2, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, name: name)
  }
}

/// Instance normalisation of volumes, (N, C, D, H, W). See ``InstanceNormND``.
public final class InstanceNorm3D: InstanceNormND {
  /// Parameters as ``InstanceNorm2D/init(numOfMaps:epsilon:affine:name:)``.
  public init(numOfMaps: Int, epsilon: Double = 1e-5, affine: Bool = true, name: String? = nil) throws {
    try super.init(spatialRank: 3, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, name: name)
  }
}
