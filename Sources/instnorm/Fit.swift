import ArgumentParser
import ArrayFiles
import InstanceNorm
import Text

struct Fit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Learn the scale and bias that bring the normalised input closest to a target.",
    discussion: """
      Minimises the mean squared error by gradient descent. `instnorm apply --weights` uses what was learnt.
      """)

  enum Method: String, CaseIterable, ExpressibleByArgument {
    case adam, sgd
  }

  @Argument(help: "A picture or an .npy array.")
  var input: String

  @Argument(help: "A picture or an .npy array of the same shape.")
  var target: String

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The file to write.", valueName: "weights.safetensors"))
  var output: String

  @Option(parsing: .unconditional, help: "How many steps to take, 1 or more.")
  var steps = 200

  @Option(parsing: .unconditional, help: "How far a step goes; more than 0.")
  var learnRate = 0.1

  @Option(help: "How gradients become steps.")
  var optimizer = Method.adam

  @Option(parsing: .unconditional, help: "Seed of the random values where learning starts, near scale 1 and bias 0.")
  var seed: UInt64 = 0

  @OptionGroup var reading: Reading

  @OptionGroup var place: Place

  func validate() throws {
    if steps < 1 { throw ValidationError("--steps: expected 1 or more; got \(steps)") }
    guard learnRate > 0, learnRate.isFinite else {
      throw ValidationError("--learn-rate: expected a finite number, more than 0; got \(learnRate)")
    }
    guard output.lowercased().hasSuffix(".safetensors") else {
      throw ValidationError("--output: expected a name that ends in .safetensors; got '\(output)'")
    }
  }

  func run() throws {
    try AtomicFile.check(output)
    var source = try Source(input, reading: reading)
    var goal = try Source(target, reading: reading)
    try source.expandGrey(to: goal.maps)
    try goal.expandGrey(to: source.maps)
    guard source.tensor.shape == goal.tensor.shape else {
      throw FileError.unsupported(
        path: target, reason: "has shape \(goal.tensor.shape), \(input) has \(source.tensor.shape)")
    }
    guard source.tensor.count > 0 else { throw FileError.unsupported(path: input, reason: "it holds no values") }
    // Half-width gradients would round away the last steps; learning is in float32 or wider.
    let dtype = source.tensor.dtype.parameterDType
    let device = try place.device(computingIn: dtype)
    let (x, goalValues) = (try source.tensor.to(dtype).to(device), try goal.tensor.to(dtype).to(device))

    let norm = try source.layer()
    try norm.calcMode(dtype)
    norm.scale?.data = try .randomNormal([source.maps], mean: 1, deviation: 0.02, seed: seed, dtype: dtype)
    norm.bias?.data = try .randomNormal([source.maps], mean: 0, deviation: 0.02, seed: seed &+ 1, dtype: dtype)
    try norm.to(device)

    let optimizer: Optimizer =
      switch self.optimizer {
      case .adam: try Adam(learnRate: learnRate)
      case .sgd: try SGD(learnRate: learnRate)
      }
    try optimizer.setup(on: norm)

    var progress = ProgressBar(total: steps)
    func measured() throws -> (loss: Double, gradients: Gradients) {
      let (loss, gradients) = try valueAndGradients(of: norm) { try meanSquaredError(norm(x), goalValues) }
      return (try loss.scalar(), gradients)
    }
    var (loss, gradients) = try measured()
    let first = loss
    for step in 0..<steps {
      guard loss.isFinite else { break }
      try optimizer.update(gradients)
      (loss, gradients) = try measured()
      progress.show(step + 1, "loss \(short(loss))")
    }
    progress.finish()
    guard first.isFinite else {
      throw NoMinimum(
        description:
          "\(input) or \(target): the loss is \(short(first)) from the start; are there values that are not finite?"
      )
    }
    guard loss.isFinite else {
      throw NoMinimum(description: "--learn-rate: the loss grew to \(short(loss)); a smaller rate may help")
    }
    try norm.save(to: output)

    try say("loss \(short(first)) before, \(short(loss)) after \(counted(steps, "step"))")
    for (name, variable) in norm.vars.sorted(by: { $0.key > $1.key }) { try say("\(name) \(variable.data)") }
  }

  private struct NoMinimum: Error, CustomStringConvertible {
    let description: String
  }
}
