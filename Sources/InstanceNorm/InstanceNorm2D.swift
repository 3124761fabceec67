import Operations
import Tensors

/// Instance normalisation of pictures and feature maps, (N, C, H, W): each plane by its own mean and variance (Ulyanov,
/// Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016).
///
/// The statistics are those of the data in training and in evaluation alike, unless running ones are tracked. See
/// ``Normalization``.
public final class InstanceNorm2D: Normalization {
  /// - Parameters:
  ///   - numOfMaps: C, the number of maps, 1 or more; nil to take it from the first data.
  ///   - epsilon: added to the variance under the root, 0 or more.
  ///   - affine: whether scale and bias are trained, or fixed at 1 and 0 so that the layer only normalises.
  ///   - trackRunningStats: whether evaluation normalises by the mean and variance that training has seen.
  ///   - momentum: how far a call in training moves these towards its own, 0 to 1; nil for the averages over all calls.
  ///   - activation: what each value of the result goes through.
  ///   - residualPlace: where a residual that is given to a call is added.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public convenience init(
    numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = false,
    momentum: Double? = 0.1, activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation,
    name: String? = nil
  ) throws {
    try self.init(
      NormalizationOptions(
        numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, trackRunningStats: trackRunningStats,
        momentum: momentum, activation: activation, residualPlace: residualPlace, name: name))
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.instance, options)
  }
}

/// Instance normalisation of signals and sequences, (N, C, L). See ``InstanceNorm2D``.
public final class InstanceNorm1D: Normalization {
  /// Parameters as
  /// ``InstanceNorm2D/init(numOfMaps:epsilon:affine:trackRunningStats:momentum:activation:residualPlace:name:)``.
  public convenience init(
    numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = false,
    momentum: Double? = 0.1, activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation,
    name: String? = nil
  ) throws {
    try self.init(
      NormalizationOptions(
        numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, trackRunningStats: trackRunningStats,
        momentum: momentum, activation: activation, residualPlace: residualPlace, name: name))
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.instance, spatialRank: 1, options)
  }
}

/// Instance normalisation of volumes, (N, C, D, H, W). See ``InstanceNorm2D``.
public final class InstanceNorm3D: Normalization {
  /// Parameters as
  /// ``InstanceNorm2D/init(numOfMaps:epsilon:affine:trackRunningStats:momentum:activation:residualPlace:name:)``.
  public convenience init(
    numOfMaps: Int? = nil, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = false,
    momentum: Double? = 0.1, activation: Activation = .none, residualPlace: ResidualPlace = .afterActivation,
    name: String? = nil
  ) throws {
    try self.init(
      NormalizationOptions(
        numOfMaps: numOfMaps, epsilon: epsilon, affine: affine, trackRunningStats: trackRunningStats,
        momentum: momentum, activation: activation, residualPlace: residualPlace, name: name))
  }

  init(_ options: NormalizationOptions) throws {
    try super.init(.instance, spatialRank: 3, options)
  }
}
