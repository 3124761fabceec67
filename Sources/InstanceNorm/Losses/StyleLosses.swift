import Operations
import Tensors

// Of features (N, C, H, W), as a network gives them, to a style's, which are computed once. (The loss to a content's
// features is their mean squared error.) For half-width types they are computed, and are, in float32.

/// The mean squared difference of Gram matrices, of all their N C C entries.
///
///     let target = try vgg(style).gramMatrix()                 // (1, C, C)
///     let loss = try gramLoss(vgg(painted), target)
///
/// Source: Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016.
///
/// - Parameters:
///   - features: (N, C, spatial...), in either layout.
///   - target: (N, C, C), or (1, C, C) for all of them, as `gramMatrix()` gives it.
/// - Throws: `TensorError` or `DeviceError` when the two do not fit.
public func gramLoss(_ features: Tensor, _ target: Tensor) throws -> Tensor {
  try requireValues(features, "the loss of Gram matrices")
  let wide = features.dtype.parameterDType
  return try (features.to(wide).gramMatrix() - target.to(target.dtype.parameterDType)).square().mean()
}

/// The mean squared difference of the maps' means, and that of their deviations, added up.
///
///     let target = try encoder(style).moments()                // (2, 1, C)
///     let loss = try momentLoss(encoder(painted), target)
///
/// Source: Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", 2017.
///
/// - Parameters:
///   - features: (N, C, spatial...), in either layout.
///   - target: (2, N, C), or (2, 1, C) for all of them, as `moments(epsilon:)` gives it.
///   - epsilon: added to variances under the root.
/// - Throws: `TensorError` or `DeviceError` when the two do not fit.
public func momentLoss(_ features: Tensor, _ target: Tensor, epsilon: Double = 1e-5) throws -> Tensor {
  let difference = try features.moments(epsilon: epsilon) - target.to(target.dtype.parameterDType)
  return try 2 * difference.square().mean()
}

/// How much neighbouring values differ: the mean of |x(i + 1, j) - x(i, j)| and that of |x(i, j + 1) - x(i, j)|, added
/// up; the anisotropic total variation, of which a picture's size makes no difference. (That of Johnson, Alahi and
/// Fei-Fei, 2016, is a sum.)
///
/// Source: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", 1992.
///
/// - Parameter pictures: (N, C, H, W) or (C, H, W).
/// - Throws: `TensorError.invalidShape(_:reason:)` of another rank, or where no value has a neighbour.
public func totalVariation(_ pictures: Tensor) throws -> Tensor {
  let shape = pictures.shape
  guard (3...4).contains(shape.rank), pictures.count > 0, shape[shape.rank - 2] > 1 || shape[shape.rank - 1] > 1 else {
    throw TensorError.invalidShape(
      shape, reason: "the total variation is that of pictures, (N, C, H, W) or (C, H, W), of two pixels or more")
  }
  var wide = try pictures.to(pictures.dtype.parameterDType)
  if shape.rank == 3 { wide = try wide.to(.nchw) }
  // As rows that lie together, of which with the maps last each place is as many values as there are maps.
  let (height, width) = (shape[shape.rank - 2], shape[shape.rank - 1])
  let step = wide.layout == .nhwc ? shape[1] : 1
  let rows = try wide.reinterpreting(
    as: [wide.count / (height * width * step), height, width * step], layout: .nchw)
  func variation(along axis: Int, by step: Int) throws -> Tensor? {
    let extent = rows.shape[axis]
    guard extent > step else { return nil }
    return try (rows.sliced(along: axis, step..<extent) - rows.sliced(along: axis, 0..<extent - step)).absolute().mean()
  }
  let (down, across) = (try variation(along: 1, by: 1), try variation(along: 2, by: step))
  guard let down, let across else { return try down ?? across ?? wide.mean() }
  return try down + across
}
