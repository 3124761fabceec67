import Operations
import Tensors

/// Layer normalisation, (N, C, H, W): all maps of a picture share one mean and variance (Ba, Kiros and Hinton, "Layer
/// normalization", 2016). See ``Normalization``.
///
/// Scale and bias have a value for each map or, with `perElement`, for each place of a picture, as PyTorch's
/// `LayerNorm` of (C, H, W) has them; then only pictures of that height and width can be taken.
public final class LayerNorm2D: Normalization {
  /// The height and width that scale and bias have values for; nil where they have one for each map.
  public var perElement: (height: Int, width: Int)? { options.perElement.map { ($0.height, $0.width) } }

  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more; nil to take it from the first data.
  ///   - perElement: the height and width of the pictures, for scale and bias of shape (C, H, W); nil for (C).
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias are trained, or fixed at 1 and 0.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public convenience init(
    numOfMaps: Int? = nil, perElement: (height: Int, width: Int)? = nil, epsilon: Double = 1e-5, affine: Bool = true,
    activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    var options = NormalizationOptions(numOfMaps: numOfMaps, epsilon: epsilon, name: name)
    options.affine = affine
    options.activation = activation
    options.residualPlace = residualPlace
    options.perElement = perElement.map { .init(height: $0.height, width: $0.width) }
    try self.init(options)
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.layer, options)
  }
}
