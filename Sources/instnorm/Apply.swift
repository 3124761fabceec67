import ArgumentParser
import InstanceNorm

struct Apply: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Normalise each map of each picture by its own mean and deviation, or by shared ones.",
    discussion: """
      y = scale (x - mean) / sqrt(variance + epsilon) + bias. A result that is written as a picture is clipped to \
      0...1; without weights, scale or bias it is first shown as 0.5 + 0.25 y.
      """)

  @Argument(help: ArgumentHelp(PictureJobs.inputHelp, valueName: "input"))
  var inputs: [String]

  @Option(name: .shortAndLong, parsing: .unconditional, help: ArgumentHelp(PictureJobs.outputHelp))
  var output: String

  @Option(help: ArgumentHelp(NormKind.help, valueName: "type"))
  var norm = NormKind.instance

  @Option(parsing: .unconditional, help: "Added to the variance under the root; 0 or more.")
  var epsilon = 1e-5

  @Flag(name: .customLong("no-affine"), help: "Only normalise: scale 1 and bias 0.")
  var noAffine = false

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Scale of each map, or one number for all.", valueName: "a,b,c"))
  var scale: NumberList?

  @Option(parsing: .unconditional, help: ArgumentHelp("Bias of each map, or one number for all.", valueName: "a,b,c"))
  var bias: NumberList?

  @Option(
    help: ArgumentHelp(
      """
      Scale and bias, as `instnorm fit` or PyTorch writes them; for --norm batch also the running statistics, where the \
      file has them. A .safetensors file, or what torch.save wrote.
      """, valueName: "file"))
  var weights: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Which layer's weights, in the file of a whole network. (default: the only layer of normalisation in it)",
      valueName: "model.2"))
  var layer: String?

  @Option(help: "The order of an .npy array's axes, in and out: nchw, or nhwc with the maps last.")
  var layout = Layout.nchw

  @OptionGroup var reading: Reading

  @OptionGroup var place: Place

  private var hasParameters: Bool { scale != nil || bias != nil || weights != nil }

  func validate() throws {
    guard epsilon >= 0, epsilon.isFinite else {
      throw ValidationError("--epsilon: expected a finite number, 0 or more; got \(epsilon)")
    }
    if noAffine && hasParameters {
      throw ValidationError("--no-affine: contradicts --scale, --bias and --weights")
    }
    if layer != nil && weights == nil { throw ValidationError("--layer: names a layer in the file of --weights") }
    if weights != nil && (scale != nil || bias != nil) {
      throw ValidationError("--weights: contradicts --scale and --bias")
    }
  }

  func run() throws {
    let jobs = try PictureJobs(inputs, to: output)
    try jobs.run { input, output in
      try normalize(input, to: output)
      guard !jobs.areMany, !isArrayFile(output), output != PictureJobs.stream else { return }
      try say("\(output.shown) shows \(hasParameters ? "y" : "0.5 + 0.25 y"), clipped to 0...1")
    }
  }

  private func normalize(_ input: String, to output: String) throws {
    var source = try Source(input, layout: layout, reading: reading)
    let device = try place.device(computingIn: source.tensor.dtype)
    let norm = try layer(for: &source)
    try norm.calcMode(source.tensor.dtype)
    if let scale {
      norm.scale?.data = try scale.tensor(maps: source.maps, for: source.tensor.dtype, option: "--scale")
    }
    if let bias { norm.bias?.data = try bias.tensor(maps: source.maps, for: source.tensor.dtype, option: "--bias") }
    if let weights { try norm.load(from: weights) }
    try norm.to(device)
    norm.evalMode()

    let y: Tensor
    do {
      // An array of no values may have more planes than can be gone over.
      y = source.tensor.count == 0 ? source.tensor : try norm(source.tensor.to(device)).toHost()
    } catch let error as TensorError {
      throw FileError.unreadable(path: input, reason: "\(error)")
    }
    if isArrayFile(output) || hasParameters {
      try source.write(y, to: output)
    } else {
      var shown = try Tensor(repeating: 0.5, shape: y.shape, dtype: y.dtype, layout: y.layout)
      try shown.combine(0.25, y)
      try source.write(shown, to: output)
    }
  }

  private func layer(for source: inout Source) throws -> Normalization {
    let saved = try weights.map { try SavedLayer(in: $0, named: layer) }
    if let saved { try source.expandGrey(to: saved.maps) }
    return try source.layer(
      norm, epsilon: epsilon, affine: saved?.isAffine ?? !noAffine,
      trackRunningStats: norm.hasRunningStatistics && saved?.hasRunningStatistics == true, name: saved?.name)
  }
}
