import Operations
import Tensors

/// What a discriminator's scores are trained by, and a generator through them. Scores are logits of any shape, one for
/// each picture or patch; losses are tensors of one value, the means over all of them.
///
///     let loss = AdversarialLoss.leastSquares
///     let (_, gradients) = try valueAndGradients(of: critic) {
///       try loss.discriminator(real: critic(photo), fake: critic(painted))
///     }
///
/// | case | discriminator | generator |
/// | --- | --- | --- |
/// | ``crossEntropy`` | -log p(real) - log(1 - p(fake)) | -log p(fake) |
/// | ``leastSquares`` | (real - 1)^2 + fake^2 | (fake - 1)^2 |
/// | ``hinge`` | max(0, 1 - real) + max(0, 1 + fake) | -fake |
/// | ``wasserstein`` | fake - real | -fake |
///
/// pix2pix and CycleGAN halve the discriminator's.
public enum AdversarialLoss: String, CaseIterable, Codable, Sendable {
  /// With p = sigmoid(score), and for the generator the loss that does not saturate (Goodfellow et al., "Generative
  /// adversarial nets", 2014).
  case crossEntropy
  /// Mao et al., "Least squares generative adversarial networks", 2017.
  case leastSquares
  /// Lim and Ye, "Geometric GAN", 2017.
  case hinge
  /// Arjovsky, Chintala and Bottou, "Wasserstein GAN", 2017; with ``wassersteinPenalty(real:fake:seed:critic:)``.
  case wasserstein

  /// The discriminator's loss, by its scores of pictures that are real and of such as a generator made.
  ///
  /// - Throws: `TensorError.invalidShape(_:reason:)` for no scores.
  public func discriminator(real: Tensor, fake: Tensor) throws -> Tensor {
    let (real, fake) = (try scores(real), try scores(fake))
    return switch self {
    case .crossEntropy: try (-real).softplus().mean() + fake.softplus().mean()
    case .leastSquares: try (real - 1).square().mean() + fake.square().mean()
    case .hinge: try (1 - real).relu().mean() + (1 + fake).relu().mean()
    case .wasserstein: try fake.mean() - real.mean()
    }
  }

  /// The generator's loss, by the discriminator's scores of what it made.
  ///
  /// - Throws: `TensorError.invalidShape(_:reason:)` for no scores.
  public func generator(fake: Tensor) throws -> Tensor {
    let fake = try scores(fake)
    return switch self {
    case .crossEntropy: try (-fake).softplus().mean()
    case .leastSquares: try (fake - 1).square().mean()
    case .hinge, .wasserstein: try -fake.mean()
    }
  }

  private func scores(_ scores: Tensor) throws -> Tensor {
    try requireValues(scores, "the adversarial loss")
    return try scores.to(scores.dtype.parameterDType)
  }
}

/// The penalty that keeps a critic's slopes at 1 between real pictures and others, `(|d critic(x) / dx| - 1)^2`, the mean
/// over pictures x that lie on the line from a real one to another, each at a place of its own. WGAN-GP weighs it by 10.
///
/// Source: Gulrajani et al., "Improved training of Wasserstein GANs", 2017.
///
/// - Parameters:
///   - real: (N, C, H, W), or any other shape that has the pictures first.
///   - fake: likewise. No gradient goes to what made it: the penalty is the critic's.
///   - seed: of the N places, which are spread evenly.
///   - critic: gives scores of any shape, of each picture by itself.
/// - Throws: `TensorError` or `DeviceError` when the two do not have one shape, dtype and device; what the critic throws.
public func wassersteinPenalty(
  real: Tensor, fake: Tensor, seed: UInt64, critic: (Tensor) throws -> Tensor
) throws -> Tensor {
  let operation = "the penalty of slopes"
  try real.requireLike(fake, operation)
  try requireValues(real, operation)
  let places = Shape([real.shape[0]] + real.shape.dropFirst().map { _ in 1 })
  let place = try Tensor.randomUniform(places, seed: seed, dtype: real.dtype).to(real.device)
  let mixed = try (fake + place * (real - fake)).stopGradient()
  // The root's slope is finite where a critic has none.
  let slopes = try (squaredSlopes(at: mixed, critic) + 1e-12).squareRoot()
  return try (slopes - 1).square().mean()
}

/// The penalty of a discriminator's slopes at real pictures, `|d critic(x) / dx|^2`, the mean over the pictures. R1 weighs
/// it by gamma / 2, with gamma about 10.
///
/// Source: Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?", 2018.
///
/// - Parameters:
///   - real: (N, C, H, W), or any other shape that has the pictures first.
///   - critic: gives scores of any shape, of each picture by itself.
/// - Throws: `TensorError.invalidShape(_:reason:)` for no pictures; what the critic throws.
public func r1Penalty(real: Tensor, critic: (Tensor) throws -> Tensor) throws -> Tensor {
  try requireValues(real, "the penalty of slopes")
  return try squaredSlopes(at: real.stopGradient(), critic).mean()
}

/// (N), for each picture.
private func squaredSlopes(at pictures: Tensor, _ critic: (Tensor) throws -> Tensor) throws -> Tensor {
  guard pictures.shape.rank >= 2 else {
    throw TensorError.invalidShape(pictures.shape, reason: "a batch of pictures has two axes or more")
  }
  let gradient = try gradients(of: critic(pictures).sum(), by: pictures)
  return try gradient.to(gradient.dtype.parameterDType).square().sum(over: Array(1..<pictures.shape.rank))
}
