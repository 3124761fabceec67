import Operations
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
///
/// Gradients are by the data and by weights that are given to a call, in training also by the rows.
public final class ConditionalInstanceNorm2D: Normalization {
  /// S.
  public var numOfStyles: Int { options.numOfStyles ?? 1 }
  /// (1, S), for all pictures, or (N, S), for each: how much of each style calls without weights have. The first style
  /// alone, at first.
  public private(set) var weights: Tensor

  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more; nil to take it from the first data.
  ///   - numOfStyles: S, the number of rows of scale and bias, 1 or more.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public convenience init(
    numOfMaps: Int? = nil, numOfStyles: Int, epsilon: Double = 1e-5, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    var options = NormalizationOptions(numOfMaps: numOfMaps, epsilon: epsilon, name: name)
    options.numOfStyles = numOfStyles
    options.activation = activation
    options.residualPlace = residualPlace
    try self.init(options)
  }

  init(_ options: NormalizationOptions) throws {
    weights = try Self.row(0, of: max(options.numOfStyles ?? 1, 1))
    try super.init(.instance, options)
  }

  private static func row(_ style: Int, of count: Int) throws -> Tensor {
    try Tensor((0..<count).map { $0 == style ? 1.0 : 0.0 }, shape: [1, count])
  }

  /// Gives one style to all pictures of the calls that follow.
  ///
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when there is no such style.
  public func select(style: Int) throws { weights = try row(style) }

  /// Gives the calls that follow a blend of styles.
  ///
  /// - Parameter weights: (1, S) for all pictures or (N, S) for each, of any dtype, on any device.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when the shape is another.
  public func select(weights: Tensor) throws {
    try check(weights)
    self.weights = weights
  }

  private func row(_ style: Int) throws -> Tensor {
    guard (0..<numOfStyles).contains(style) else {
      throw ModuleError.argument(
        module: label, name: "style", expected: "0 to \(numOfStyles - 1)", got: "\(style)")
    }
    return try Self.row(style, of: numOfStyles)
  }

  private func check(_ weights: Tensor, images: Int? = nil) throws {
    guard weights.shape.rank == 2, weights.shape[1] == numOfStyles else {
      throw ModuleError.argument(
        module: label, name: "weights", expected: "shape (1, \(numOfStyles)) or (N, \(numOfStyles))",
        got: "\(weights.shape)")
    }
    guard let images, weights.shape[0] != 1, weights.shape[0] != images else { return }
    let each = images == 1 ? "" : " or (\(images), \(numOfStyles))"
    throw ModuleError.argument(
      module: label, name: "weights", expected: "shape (1, \(numOfStyles))\(each)", got: "\(weights.shape)")
  }

  /// Runs the layer with one style.
  @discardableResult
  public func callAsFunction(_ data: Tensor, style: Int) throws -> Tensor { try self(data, weights: row(style)) }

  /// Runs the layer with a blend of styles, (1, S) or (N, S). ``Module/grads`` are by the data and the weights.
  @discardableResult
  public func callAsFunction(_ data: Tensor, weights: Tensor) throws -> Tensor {
    try check(weights)
    return try call([data, weights]) { [try forward($0[0], weights: $0[1])] }[0]
  }

  private func forward(_ data: Tensor, weights: Tensor) throws -> Tensor {
    try forward(data, residual: nil, activation: activation, weights: weights)
  }

  override var hasChoice: Bool { false }

  override func affineValues(for data: Tensor, weights: Tensor?) throws -> (scale: Tensor?, bias: Tensor?) {
    let weights = weights ?? self.weights
    let images = data.shape[0]
    try check(weights, images: images)
    let placed = try weights.to(calcType.parameterDType).to(data.device)
    func blend(_ variable: Variable?) throws -> Tensor? {
      guard let rows = try checked(variable, for: data) else { return nil }
      return try placed.matmul(rows).broadcast(to: [images, rows.shape[1]])
    }
    return (try blend(scale), try blend(bias))
  }
}
