import Operations
import Tensors

/// Group normalisation, (N, C, H, W): the maps of a picture share their mean and variance in groups of neighbours (Wu
/// and He, "Group normalization", 2018). One group is layer normalisation, C groups are instance normalisation. See
/// ``Normalization``.
public final class GroupNorm2D: Normalization {
  /// How many groups a picture's maps are in.
  public var groups: Int { options.groups ?? 1 }

  /// - Parameters:
  ///   - groups: how many groups of equally many maps there are, 1 or more.
  ///   - numOfMaps: C, a multiple of `groups`; nil to take it from the first data.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias, a value for each map, are trained, or fixed at 1 and 0.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public convenience init(
    groups: Int, numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    var options = NormalizationOptions(numOfMaps: numOfMaps, epsilon: epsilon, name: name)
    options.affine = affine
    options.activation = activation
    options.residualPlace = residualPlace
    options.groups = groups
    try self.init(options)
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.group(options.groups ?? 1), options)
  }
}
