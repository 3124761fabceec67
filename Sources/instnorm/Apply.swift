import ArgumentParser
import InstanceNorm

struct Apply: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Normalise each map of each picture by its own mean and deviation, or by shared ones.",
    discussion: """
      y = scale (x - mean) / sqrt(variance + epsilon) + bias. A result that is written as a picture is clipped to \
      0...1; without weights, scale or bias it is first shown as 0.5 + 0.25 y.
      """)

  @Argument(help: "Pictures or an .npy array of float16, float32 or float64.")
  var input: String

  @Option(name: .shortAndLong, parsing: .unconditional, help: "The file to write, a picture or an .npy array.")
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
    help: ArgumentHelp("Scale and bias, as `instnorm fit` or PyTorch writes them.", valueName: "file.safetensors"))
  var weights: String?

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
    if weights != nil && (scale != nil || bias != nil) {
      throw ValidationError("--weights: contradicts --scale and --bias")
    }
  }

  func run() throws {
    try checkOutput(output)
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
      y = try norm(source.tensor.to(device)).toHost()
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
    if !isArrayFile(output) {
      try say("\(output) shows \(hasParameters ? "y" : "0.5 + 0.25 y"), clipped to 0...1")
    }
  }

  private func layer(for source: inout Source) throws -> Normalization {
    let saved = try weights.map(layerSaved)
    if let saved { try source.expandGrey(to: saved.maps) }
    return try source.layer(norm, epsilon: epsilon, affine: !noAffine, name: saved?.name)
  }

  /// The name, if it has one, and the number of maps of the one layer in a file of weights.
  private func layerSaved(in path: String) throws -> (name: String?, maps: Int) {
    let file = try SafetensorsFile(contentsOf: path)
    let scales = file.names.filter { name in ["weight", "scale"].contains { name == $0 || name.hasSuffix("." + $0) } }
    let names = Set(scales.map { scale in scale.lastIndex(of: ".").map { String(scale[..<$0]) } })
    guard names.count <= 1 else {
      let some = names.map { $0 ?? "one without a name" }.sorted().prefix(5).joined(separator: ", ")
      throw FileError.unsupported(
        path: path,
        reason: "expected the weights of one layer, got \(names.count): \(some)\(names.count > 5 ? "..." : "")")
    }
    return (name: names.first ?? nil, maps: scales.first.flatMap { file.entries[$0]?.shape.first } ?? 0)
  }
}
