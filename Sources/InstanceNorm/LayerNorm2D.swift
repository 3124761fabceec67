import Tensors

/// Layer normalisation, (N, C, H, W): all maps of a picture share one mean and variance (Ba, Kiros and Hinton, "Layer
/// normalization", 2016). See ``Normalization``.
///
/// Scale and bias have a value for each map or, with `perElement`, for each place of a picture, as PyTorch's
/// `LayerNorm` of (C, H, W) has them; then only pictures of that height and width can be taken.
public final class LayerNorm2D: Normalization {
  /// The height and width that scale and bias have values for; nil where they have one for each map.
  public let perElement: (height: Int, width: Int)?

  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more; nil to take it from the first data.
  ///   - perElement: the height and width of the pictures, for scale and bias of shape (C, H, W); nil for (C).
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias are trained, or fixed at 1 and 0.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    numOfMaps: Int? = nil, perElement: (height: Int, width: Int)? = nil, epsilon: Double = 1e-5, affine: Bool = true,
    activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    self.perElement = perElement
    try super.init(
      .layer, numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, activation: activation,
      residualPlace: residualPlace, name: name)
  }

  override func checkArguments() throws {
    if let perElement, perElement.height < 1 || perElement.width < 1 {
      throw argument("perElement", expected: "a height and a width of 1 or more", got: perElement)
    }
  }

  override func parameterShape(maps: Int) -> Shape {
    perElement.map { [maps, $0.height, $0.width] } ?? [maps]
  }

  override var spatialNames: String { perElement.map { "\($0.height), \($0.width)" } ?? super.spatialNames }

  public override func checkDataShape(_ shape: Shape) throws {
    try super.checkDataShape(shape)
    if let perElement, shape.suffix(2) != [perElement.height, perElement.width] { throw wrongShape(shape) }
  }

  override func accumulate(
    _ factor: Double, _ call: GradientCall, _ grad: Tensor, _ momentum: Double, scale: Variable, bias: Variable
  ) throws {
    guard perElement != nil else {
      return try super.accumulate(factor, call, grad, momentum, scale: scale, bias: bias)
    }
    try call.input.storage.backend.accumulateByElement(
      factor, call.grad, input: call.input, mean: call.mean, invStd: call.invStd, scale: call.scale, bias: call.bias,
      epilogue: call.epilogue, momentum, scaleGradient: &scale.grad, biasGradient: &bias.grad)
  }

  override var needsGradient: Bool { perElement != nil }
  override var keepsSums: Bool { perElement == nil && super.keepsSums }

  override var ownArguments: String {
    perElement.map { "perElement: (\($0.height), \($0.width)), " } ?? ""
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    if let perElement {
      blueprint.scheme["height"] = .int(perElement.height)
      blueprint.scheme["width"] = .int(perElement.width)
    }
    return blueprint
  }
}
