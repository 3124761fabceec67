import Tensors

/// Group normalisation, (N, C, H, W): the maps of a picture share their mean and variance in groups of neighbours (Wu
/// and He, "Group normalization", 2018). One group is layer normalisation, C groups are instance normalisation. See
/// ``Normalization``.
public final class GroupNorm2D: Normalization {
  /// How many groups a picture's maps are in.
  public let groups: Int

  /// - Parameters:
  ///   - groups: how many groups of equally many maps there are, 1 or more.
  ///   - numOfMaps: C, a multiple of `groups`; nil to take it from the first data.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias, a value for each map, are trained, or fixed at 1 and 0.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    groups: Int, numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, activation: Activation = .none,
    residualPlace: ResidualPlace = .afterActivation, name: String? = nil
  ) throws {
    self.groups = groups
    try super.init(
      .group(groups), numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, activation: activation,
      residualPlace: residualPlace, name: name)
  }

  override func checkArguments() throws {
    if groups < 1 { throw argument("groups", expected: "1 or more", got: groups) }
  }

  override func checkMaps(_ maps: Int) throws {
    guard maps % groups == 0 else {
      throw argument("numOfMaps", expected: "a multiple of the \(groups) groups", got: maps)
    }
  }

  override var ownArguments: String { "groups: \(groups), " }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["groups"] = .int(groups)
    return blueprint
  }
}
