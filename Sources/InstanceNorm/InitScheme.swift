import Operations
import Tensors

/// What the weights of a layer are at first, times its `wscale`. The fan-in is the second extent of the weights times the
/// size of the window, the fan-out the first, as in PyTorch.
public enum InitScheme: String, CaseIterable, Hashable, Sendable {
  /// Evenly from -1 / sqrt(fan-in) to 1 / sqrt(fan-in), the bias too: PyTorch's layers.
  case kaiming
  /// Evenly from -sqrt(6 / (fan-in + fan-out)) to that (Glorot and Bengio, "Understanding the difficulty of training deep
  /// feedforward neural networks", 2010). The bias is 0, and so in the rest.
  case xavier
  /// Normal, of deviation sqrt(2 / fan-in) (He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015).
  case he
  /// Normal, of deviation 1: with a `wscale` of 0.02 what CycleGAN and pix2pix begin with.
  case gaussian
  /// Evenly from -1 to 1.
  case uniform
}

/// Where the numbers come from that layers begin with.
enum InitialValues {
  /// A generator that layers draw seeds from, one after another.
  typealias Seeds = Locked<SeededGenerator>

  /// nil for zeros.
  @TaskLocal fileprivate static var seeds: Seeds? = Seeds(SeededGenerator(seed: 0))

  /// What all layers begin with in place of their own; nil for that.
  @TaskLocal fileprivate static var chosen: (scheme: InitScheme, factor: Double)?

  /// Random weights and their bias.
  static func make(
    _ shape: Shape, biases: Int?, _ scheme: InitScheme, _ factor: Double
  ) throws -> (weight: Tensor, bias: Tensor?) {
    let (scheme, factor) = chosen ?? (scheme, factor)
    func zeros() throws -> Tensor? { try biases.map { try .zeros([$0]) } }
    guard let seed = seeds?.withLock({ $0.next() }) else { return (try .zeros(shape), try zeros()) }
    func even(_ shape: Shape, _ bound: Double, _ seed: UInt64) throws -> Tensor {
      try .randomUniform(shape, in: -bound..<bound, seed: seed)
    }
    func normal(_ deviation: Double) throws -> Tensor { try .randomNormal(shape, deviation: deviation, seed: seed) }
    let window = shape.dropFirst(2).reduce(1.0) { $0 * Double($1) }
    let (into, out) = (Double(shape[1]) * window, Double(shape[0]) * window)
    switch scheme {
    case .kaiming:
      let bound = 1 / into.squareRoot()
      return (try even(shape, factor * bound, seed), try biases.map { try even([$0], bound, ~seed) })
    case .xavier: return (try even(shape, factor * (6 / (into + out)).squareRoot(), seed), try zeros())
    case .he: return (try normal(factor * (2 / into).squareRoot()), try zeros())
    case .gaussian: return (try normal(factor), try zeros())
    case .uniform: return (try even(shape, factor, seed), try zeros())
    }
  }
}

/// Makes layers whose weights at first come from a seed: the same ones, for the same layers made in the same order.
///
///     let model = try withInitialValues(seed: 7) { try Generator() }
///
/// Without it they come from a generator that the program has for all layers, so that a program that makes the same layers
/// in the same order has the same weights each time that it runs.
///
/// - Parameters:
///   - seed: of the weights.
///   - scheme: of all layers' weights, in place of what they were given: `.gaussian` and a `wscale` of 0.02 for CycleGAN
///     and pix2pix. nil leaves it to the layers.
///   - wscale: what the scheme's numbers are multiplied by.
///   - body: makes the layers.
public func withInitialValues<Result>(
  seed: UInt64, scheme: InitScheme? = nil, wscale: Double = 1, _ body: () throws -> Result
) rethrows -> Result {
  try InitialValues.$chosen.withValue(scheme.map { ($0, wscale) }) {
    try InitialValues.$seeds.withValue(.init(SeededGenerator(seed: seed)), operation: body)
  }
}

/// Makes layers whose weights are 0 at first, as a file will be read into them.
public func withoutInitialValues<Result>(_ body: () throws -> Result) rethrows -> Result {
  try InitialValues.$seeds.withValue(nil, operation: body)
}
