import Tensors

/// Instance normalisation that gives each map the mean and deviation that it has in another tensor, the style (N, C,
/// H, W) (Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", 2017):
///
///     y = deviation(style) (x - mean(x)) / deviation(x) + mean(style)           deviation = sqrt(var + epsilon)
///
/// With a ``strength`` below 1, y is that much of the way from x to it.
///
///     let adain = try AdaptiveInstanceNorm2D()
///     let y = try adain(content, style: style)
///
/// The style may have another height and width than the content, and one picture for all of the content's or one for
/// each. There is nothing to train.
public final class AdaptiveInstanceNorm2D: Normalization {
  /// From 0, which leaves the content as it is, to 1. Beyond, the style is exaggerated.
  public let strength: Double

  /// The tensor whose statistics the calls that follow take on.
  public var style: Tensor? { next?.tensor }

  /// A style, and its statistics: (1, C) or (N, C), float64.
  private struct Style {
    var tensor: Tensor
    var mean: Tensor
    var invStd: Tensor
  }
  private var next: Style?
  /// That of the last call.
  private var called: Style?

  /// - Parameters:
  ///   - epsilon: added to both variances under the root, 0 or more.
  ///   - strength: how far the content goes towards the style.
  ///   - name: what the layer is called in a model.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(epsilon: Double = 1e-5, strength: Double = 1, name: String? = nil) throws {
    self.strength = strength
    try super.init(.instance, numOfMaps: nil, epsilon: epsilon, affine: false, name: name)
  }

  override func checkArguments() throws {
    if !strength.isFinite { throw argument("strength", expected: "a finite number", got: strength) }
  }

  override var fixesMaps: Bool { false }

  /// Sets the style of the calls that follow.
  ///
  /// - Parameter style: (N, C, H, W) or (C, H, W), of at least one value a map, of the type that the module computes in.
  /// - Throws: ``ModuleError`` when shape or dtype are others; then nothing has changed.
  public func setStyle(_ style: Tensor) throws {
    try checkDataType(style.dtype)
    try checkDataShape(style.shape)
    guard style.count > 0 else {
      throw argument("style", expected: "at least one value for each map", got: "shape \(style.shape)")
    }
    let pictures = try batched(style)
    let planes: Shape = [pictures.shape[0], pictures.shape[1]]
    var mean = try Tensor(uninitialized: planes, dtype: .float64, on: style.device)
    var invStd = try Tensor(uninitialized: planes, dtype: .float64, on: style.device)
    try style.storage.backend.statistics(
      of: pictures, over: .instance, epsilon: epsilon, mean: &mean, invStd: &invStd)
    next = Style(tensor: style, mean: mean, invStd: invStd)
  }

  /// Gives some data the style of another tensor, which is kept for calls without one.
  @discardableResult
  public func callAsFunction(_ data: Tensor, style: Tensor) throws -> Tensor {
    let before = next
    do {
      try setStyle(style)
      return try self(data)
    } catch {
      next = before
      throw error
    }
  }

  override var makesAffineValues: Bool { true }

  override func affineValues(for data: Tensor, images: Int) throws -> (scale: Tensor?, bias: Tensor?) {
    guard let style = next else { throw ModuleError.noStyle(module: label) }
    called = style
    let maps = data.shape[data.shape.rank - 3]
    let (rows, styleMaps) = (style.mean.shape[0], style.mean.shape[1])
    guard rows == 1 || rows == images, styleMaps == maps else {
      throw argument(
        "style", expected: "(\(images == 1 ? "1" : "1 or \(images)"), \(maps), H, W) for data of shape \(data.shape)",
        got: style.tensor.shape)
    }
    guard style.tensor.isBeside(data) else {
      throw DeviceError.mismatch(operation: "\(label), style", expected: data.device, got: style.tensor.device)
    }
    func repeated(_ values: [Double]) throws -> Tensor {
      let all = try Tensor(shape: [images, maps]) { (all: UnsafeMutableBufferPointer<Double>) in
        for index in all.indices { all[index] = values[index % values.count] }
      }
      return try all.to(data.dtype.parameterDType).to(data.device)
    }
    return (
      try repeated(style.invStd.array(of: Double.self).map { $0 == 0 ? 0 : 1 / $0 }),
      try repeated(style.mean.array(of: Double.self))
    )
  }

  override func compute(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, _ epilogue: Epilogue, into output: inout Tensor,
    mean: inout Tensor, invStd: inout Tensor
  ) throws {
    if strength == 1 {
      return try super.compute(input, scale, bias, epilogue, into: &output, mean: &mean, invStd: &invStd)
    }
    // The content is needed once more, also where the output takes its place.
    var result = try Tensor(uninitializedLike: input)
    try super.compute(input, scale, bias, .none, into: &result, mean: &mean, invStd: &invStd)
    try result.combine(1 - strength, input, beta: strength)
    if let residual = epilogue.residual { try result.combine(1, residual) }
    output = result
  }

  public override func updateGrad(_ grad: Tensor) throws -> Tensor {
    var result = try super.updateGrad(grad)
    if strength != 1 { try result.combine(1 - strength, grad, beta: strength) }
    return result
  }

  override var canFuse: Bool { strength == 1 }
  override var keepsSums: Bool { true }

  /// The gradient by the style that the last call had, whose ``Module/backward(_:updParamGrads:scale:momentum:)`` was
  /// given `grad`.
  ///
  /// - Returns: shaped and laid out as the style.
  /// - Throws: as a backward pass does.
  public func styleGrad(_ grad: Tensor) throws -> Tensor {
    let call = try gradientCall(grad)
    guard let style = called else { throw ModuleError.noStyle(module: label) }
    // By the style's deviation and mean; these change with a value s of the style's plane by its own xhat / (H W) and
    // 1 / (H W). So the gradient is a normalisation of the style, by its statistics, with a scale and a bias.
    let (images, maps) = (style.mean.shape[0], style.mean.shape[1])
    let sums = try sums(call, grad).array(of: Double.self)
    let count = sums.count / 2
    let pictures = try batched(style.tensor)
    let part = strength / Double(style.tensor.count / (images * maps))
    func row(_ first: Int) throws -> Tensor {
      var values = Array(repeating: 0.0, count: images * maps)
      for plane in 0..<count { values[plane % values.count] += sums[first + plane] * part }
      return try Tensor(values, shape: style.mean.shape).to(pictures.dtype.parameterDType).to(pictures.device)
    }
    var result = try Tensor(uninitializedLike: pictures)
    try pictures.storage.backend.normalize(
      pictures, mean: style.mean, invStd: style.invStd, scale: try row(count), bias: try row(0), epilogue: .none,
      into: &result)
    return try unbatched(result, like: style.tensor)
  }

  public override func calcMode(_ dtype: DType) throws {
    try super.calcMode(dtype)
    forgetStyle()
  }

  public override func to(_ device: Device) throws {
    try super.to(device)
    forgetStyle()
  }

  private func forgetStyle() {
    next = nil
    called = nil
  }

  override var ownArguments: String { "strength: \(strength), " }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["affine"] = nil
    blueprint.scheme["numOfMaps"] = nil
    blueprint.scheme["strength"] = .double(strength)
    return blueprint
  }
}
