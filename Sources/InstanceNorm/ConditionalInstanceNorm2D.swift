import Tensors

/// Instance normalisation with a scale and a bias for each of several styles, (N, C, H, W) (Dumoulin, Shlens and
/// Kudlur, "A learned representation for artistic style", 2017).
///
/// Each picture t has a weight for each style s, and is given the blend of their rows:
///
///     y[t,i] = scale[t,i] (x - mean) / sqrt(var + epsilon) + bias[t,i]
///     scale[t,i] = sum over s of  weight[t,s] scale[s,i]                  and the bias likewise
///
/// Weights are set for the calls that follow or given to a call:
///
///     let norm = try ConditionalInstanceNorm2D(numOfMaps: 64, numOfStyles: 10)
///     try norm.select(style: 3)
///     let y = try norm(x)
///     let blend = try norm(x, weights: Tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0], shape: [1, 10]))
public final class ConditionalInstanceNorm2D: Normalization {
  /// S.
  public let numOfStyles: Int
  /// (1, S), for all pictures, or (N, S), for each: how much of each style. The first style alone, at first.
  public private(set) var weights: Tensor

  /// Those that the last call had.
  private var calledWeights: Tensor

  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more; nil to take it from the first data.
  ///   - numOfStyles: S, the number of rows of scale and bias, 1 or more.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    numOfMaps: Int? = nil, numOfStyles: Int, epsilon: Double = 1e-5, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    self.numOfStyles = numOfStyles
    weights = try Self.row(0, of: max(numOfStyles, 1))
    calledWeights = weights
    try super.init(
      .instance, numOfMaps: numOfMaps, epsilon: epsilon, activation: activation, residualPlace: residualPlace,
      name: name)
  }

  override func checkArguments() throws {
    if numOfStyles < 1 { throw argument("numOfStyles", expected: "1 or more", got: numOfStyles) }
  }

  private static func row(_ style: Int, of count: Int) throws -> Tensor {
    try Tensor((0..<count).map { $0 == style ? 1.0 : 0.0 }, shape: [1, count])
  }

  /// Gives one style to all pictures of the calls that follow.
  ///
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when there is no such style.
  public func select(style: Int) throws {
    guard (0..<numOfStyles).contains(style) else {
      throw argument("style", expected: "0 to \(numOfStyles - 1)", got: style)
    }
    weights = try Self.row(style, of: numOfStyles)
  }

  /// Gives the calls that follow a blend of styles.
  ///
  /// - Parameter weights: (1, S) for all pictures or (N, S) for each, of any dtype, on any device.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when the shape is another.
  public func select(weights: Tensor) throws {
    guard weights.shape.rank == 2, weights.shape[1] == numOfStyles else {
      throw argument("weights", expected: "shape (1, \(numOfStyles)) or (N, \(numOfStyles))", got: weights.shape)
    }
    self.weights = weights
  }

  /// Runs the layer with one style.
  @discardableResult
  public func callAsFunction(_ data: Tensor, style: Int) throws -> Tensor {
    try withStyle(data) { try select(style: style) }
  }

  /// Runs the layer with a blend of styles, (1, S) or (N, S).
  @discardableResult
  public func callAsFunction(_ data: Tensor, weights: Tensor) throws -> Tensor {
    try withStyle(data) { try select(weights: weights) }
  }

  /// A call after a change of the style, which is taken back where the call fails.
  private func withStyle(_ data: Tensor, _ change: () throws -> Void) throws -> Tensor {
    let before = weights
    do {
      try change()
      return try self(data)
    } catch {
      weights = before
      throw error
    }
  }

  override func parameterShape(maps: Int) -> Shape { [numOfStyles, maps] }
  override func maps(ofParameter shape: Shape) -> Int? { shape.last }

  /// The weights of each picture, (N, S), float64.
  private func repeated(_ weights: Tensor, images: Int) throws -> Tensor {
    let rows = weights.shape[0]
    guard rows == 1 || rows == images else {
      let each = images == 1 ? "" : " or (\(images), \(numOfStyles))"
      throw argument("weights", expected: "shape (1, \(numOfStyles))\(each)", got: weights.shape)
    }
    let values = try weights.array(of: Double.self)
    return try Tensor(shape: [images, numOfStyles]) { (all: UnsafeMutableBufferPointer<Double>) in
      for index in all.indices { all[index] = values[index % values.count] }
    }
  }

  override var makesAffineValues: Bool { true }

  override func affineValues(for data: Tensor, images: Int) throws -> (scale: Tensor?, bias: Tensor?) {
    calledWeights = weights
    let weights = Matrix(try repeated(weights, images: images).to(data.device))
    func blend(_ variable: Variable?) throws -> Tensor? {
      guard let rows = try checked(variable, for: data) else { return nil }
      var blended = try Tensor(uninitialized: [images, rows.shape[1]], dtype: rows.dtype, on: rows.device)
      try data.storage.backend.multiply(1, weights, Matrix(rows), 0, &blended)
      return blended
    }
    return (try blend(scale), try blend(bias))
  }

  override func accumulate(
    _ factor: Double, _ call: GradientCall, _ grad: Tensor, _ momentum: Double, scale: Variable, bias: Variable
  ) throws {
    let weights = try repeated(calledWeights, images: call.mean.shape[0]).to(call.input.device)
    let byStyle = Matrix(weights, isTransposed: true)
    let backend = call.input.storage.backend
    let sums = try sums(call, grad)
    try backend.multiply(factor, byStyle, Matrix(sums, slice: 0), momentum, &bias.grad)
    try backend.multiply(factor, byStyle, Matrix(sums, slice: 1), momentum, &scale.grad)
  }

  /// The gradient by the weights that the last call had, whose ``Module/backward(_:updParamGrads:scale:momentum:)``
  /// was given `grad`.
  ///
  /// - Returns: shaped as the weights, float64.
  /// - Throws: as a backward pass does.
  public func weightsGrad(_ grad: Tensor) throws -> Tensor {
    let call = try gradientCall(grad)
    guard let scale, let bias else { throw ModuleError.backwardBeforeForward(module: label) }
    let sums = try sums(call, grad)
    let images = call.mean.shape[0]
    let backend = call.input.storage.backend
    var result = try Tensor(uninitialized: [images, numOfStyles], dtype: .float64, on: call.input.device)
    try backend.multiply(1, Matrix(sums, slice: 0), Matrix(bias.data, isTransposed: true), 0, &result)
    try backend.multiply(1, Matrix(sums, slice: 1), Matrix(scale.data, isTransposed: true), 1, &result)
    guard calledWeights.shape[0] == 1, images != 1 else { return result }
    // One row that all pictures had.
    var total = try Tensor(uninitialized: [1, numOfStyles], dtype: .float64, on: call.input.device)
    let ones = try Tensor(repeating: 1, shape: [1, images], dtype: .float64, on: call.input.device)
    try backend.multiply(1, Matrix(ones), Matrix(result), 0, &total)
    return total
  }

  override var ownArguments: String { "numOfStyles: \(numOfStyles), " }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["affine"] = nil
    blueprint.scheme["numOfStyles"] = .int(numOfStyles)
    return blueprint
  }
}
