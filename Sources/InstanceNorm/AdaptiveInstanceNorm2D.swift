import Operations
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
/// each. There is nothing to train; gradients are by content and style.
public final class AdaptiveInstanceNorm2D: Normalization {
  /// From 0, which leaves the content as it is, to 1. Beyond, the style is exaggerated.
  public var strength: Double { options.strength ?? 1 }

  /// The tensor whose statistics calls without one take on.
  public private(set) var style: Tensor?

  /// - Parameters:
  ///   - epsilon: added to both variances under the root, 0 or more.
  ///   - strength: how far the content goes towards the style.
  ///   - name: what the layer is called in a model.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public convenience init(epsilon: Double = 1e-5, strength: Double = 1, name: String? = nil) throws {
    var options = NormalizationOptions(epsilon: epsilon, name: name)
    options.affine = false
    options.strength = strength
    try self.init(options)
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.instance, options)
  }

  override var hasChoice: Bool { false }

  /// Sets the style of the calls that follow.
  ///
  /// - Parameter style: (N, C, H, W) or (C, H, W), of at least one value a map, of the type that the module computes in.
  /// - Throws: ``ModuleError`` when shape or dtype are others; then nothing has changed.
  public func setStyle(_ style: Tensor) throws {
    try check(style)
    self.style = style
  }

  private func check(_ style: Tensor) throws {
    try checkDataType(style.dtype)
    try checkDataShape(style.shape)
    guard style.count > 0 else {
      throw ModuleError.argument(
        module: label, name: "style", expected: "at least one value for each map", got: "shape \(style.shape)")
    }
  }

  /// Gives some data the style of another tensor. ``Module/grads`` are by the data and the style.
  ///
  /// - Throws: ``ModuleError`` when the shapes or dtypes are not the layer's.
  @discardableResult
  public func callAsFunction(_ data: Tensor, style: Tensor) throws -> Tensor {
    try check(style)
    try check(style, for: data)
    return try call([data, style]) { [try blend($0[0], style: $0[1])] }[0]
  }

  private func check(_ style: Tensor, for data: Tensor) throws {
    let isSingle = data.shape.rank == 3
    let (images, maps) = (isSingle ? 1 : data.shape.first ?? 0, data.shape.dropFirst(isSingle ? 0 : 1).first ?? 0)
    let (rows, styleMaps) = style.shape.rank == 3 ? (1, style.shape[0]) : (style.shape[0], style.shape[1])
    guard rows == 1 || rows == images, styleMaps == maps else {
      throw ModuleError.argument(
        module: label, name: "style",
        expected: "(\(images == 1 ? "1" : "1 or \(images)"), \(maps), H, W) for data of shape \(data.shape)",
        got: "\(style.shape)")
    }
    guard style.isBeside(data) else {
      throw DeviceError.mismatch(operation: "\(label), style", expected: data.device, got: style.device)
    }
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    guard let style else { throw ModuleError.noStyle(module: label) }
    try checkDataShape(data.shape)
    try check(style, for: data)
    return try blend(data, style: style)
  }

  private func blend(_ data: Tensor, style: Tensor) throws -> Tensor {
    let input = try batched(data)
    let (images, maps) = (input.shape[0], input.shape[1])
    let statistics = try PlaneStatistics(batched(style), epsilon: epsilon).result()
    func row(_ index: Int) throws -> Tensor {
      let row = try statistics.sliced(along: 0, index..<index + 1)
      return try row.reshaped(to: [row.shape[1], maps]).broadcast(to: [images, maps])
    }
    var y = try normalize(input, row(1), row(0), residual: nil, activation: .none)
    if strength != 1 { y = try strength * y + (1 - strength) * input }
    guard data.shape.rank == 3 else { return y }
    return try y.reshaped(to: data.shape).to(data.layout)
  }

  override func compute(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, residual: Tensor?, activation: Activation
  ) throws -> Tensor {
    guard let style else { throw ModuleError.noStyle(module: label) }
    try check(style, for: input)
    var y = try blend(input, style: style)
    if activation != .none { y = try y.applying(.activation(activation)) }
    return try residual.map { try y + $0 } ?? y
  }

  override func computeInPlace(
    _ input: Tensor, _ scale: Tensor?, _ bias: Tensor?, residual: Tensor?
  ) throws -> Tensor {
    // The content is needed once more, or may be.
    try compute(input, scale, bias, residual: residual, activation: activation)
  }

  public override func calcMode(_ dtype: DType) throws {
    try super.calcMode(dtype)
    style = nil
  }

  public override func to(_ device: Device) throws {
    try super.to(device)
    style = nil
  }
}
