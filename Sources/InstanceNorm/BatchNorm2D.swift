import Operations
import Tensors

/// Batch normalisation, (N, C, H, W): all pictures of a map share their mean and variance (Ioffe and Szegedy, "Batch
/// normalization", 2015). In evaluation they are those that training has seen. See ``Normalization``.
public final class BatchNorm2D: Normalization {
  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more; nil to take it from the first data.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias are trained, or fixed at 1 and 0.
  ///   - trackRunningStats: whether evaluation normalises by the mean and variance that training has seen; if not, by
  ///     the batch's own.
  ///   - momentum: how far a call in training moves these towards its own, 0 to 1; nil for the averages over all calls.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public convenience init(
    numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = true,
    momentum: Double? = 0.1, activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation,
    name: String? = nil
  ) throws {
    try self.init(
      NormalizationOptions(
        numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, trackRunningStats: trackRunningStats,
        momentum: momentum, activation: activation, residualPlace: residualPlace, name: name))
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.batch, options)
  }

  /// Here running statistics are usual, and their absence is what a blueprint has to say.
  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["trackRunningStats"] = .bool(tracksRunningStats)
    return blueprint
  }
}
