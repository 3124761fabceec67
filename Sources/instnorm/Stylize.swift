import ArgumentParser
import ArrayFiles
import Generators
import ImageFiles
import Text

struct Stylize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Paint pictures with a trained network.",
    discussion: """
      The network is found out from the names and shapes in the model's file: a style of pytorch/examples \
      (fast_neural_style), a generator of CycleGAN or pix2pix, AdaIN, or what this library saved. The result has the \
      picture's size and its transparency. An .npy array, as input or output, has the network's own values, (1, 3, H, W).
      """)

  @Argument(help: ArgumentHelp(PictureJobs.inputHelp, valueName: "input"))
  var inputs: [String]

  @Option(name: .shortAndLong, parsing: .unconditional, help: ArgumentHelp(PictureJobs.outputHelp))
  var output: String

  @Option(
    help: ArgumentHelp("The network's weights: a .safetensors file, or what torch.save wrote.", valueName: "file"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "Which network the model is of. (default: as its names and shapes tell)", valueName: "name"))
  var architecture: Architecture?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of a network with several styles the number of one, counted from 0; of AdaINNet a picture.",
      valueName: "number or picture"))
  var style: String?

  @Option(
    help: ArgumentHelp(
      "AdaINNet's encoder, where it is a file of its own; the model is the decoder then.", valueName: "file"))
  var encoder: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The longer side in pixels that pictures are brought to before. (default: their own)", valueName: "n"))
  var size: Int?

  @Flag(help: "Take brightness alone from the painting, and keep the picture's colours.")
  var keepColors = false

  @Option(parsing: .unconditional, help: "How much of the painting: 0 is the picture, 1 the painting.")
  var strength = 1.0

  @Option(help: "How convolutions are computed on the CPU: float32, or exact, which takes twice the time.")
  var precision = Precision.float32

  @OptionGroup var reading: Reading

  @OptionGroup var place: Place

  func validate() throws {
    if let size, !(1...65_536).contains(size) {
      throw ValidationError("--size: expected 1 to 65536; got \(size)")
    }
    guard (0...1).contains(strength) else {
      throw ValidationError("--strength: expected 0 to 1; got \(strength)")
    }
    if encoder != nil, let architecture, architecture != .adaINNet {
      throw ValidationError("--encoder: is of an AdaINNet, and --architecture says \(architecture.rawValue)")
    }
  }

  func run() throws {
    guard let model else {
      throw ValidationError(
        "--model: which network is to paint? Styles that pytorch/examples (fast_neural_style) trained, its "
          + "download_saved_models.py fetches; .pth and .safetensors files are read")
    }
    let jobs = try PictureJobs(inputs, to: output)
    let painter = try Painter(
      model, architecture, encoder: encoder, style: style, strength: strength, precision: precision, reading: reading,
      on: place.device())
    try jobs.run { try paint($0, to: $1, with: painter) }
  }

  private func paint(_ input: String, to output: String, with painter: Painter) throws {
    var source = try Source(input, reading: reading)
    try source.expandGrey(to: painter.inMaps)
    guard source.tensor.shape.rank == 4, source.maps == painter.inMaps else {
      throw FileError.unsupported(
        path: input, reason: "the network takes (N, \(painter.inMaps), H, W), got shape \(source.tensor.shape)")
    }
    guard source.tensor.count > 0 else { throw FileError.unsupported(path: input, reason: "it holds no values") }
    let range = painter.valueRange
    var content = try resized(source.tensor.to(.float32))
    if source.picture != nil { content = try range.values(of: content) }
    // One at a time: the pages of a file can be many, and memory is for one.
    let painted = try Tensor.concatenated(
      (0..<content.shape[0]).map { try painter.paint(content.sliced(along: 0, $0..<$0 + 1)) }, along: 0)
    let result = try mixed(content, painted, by: painter)
    if output != PictureJobs.stream, isArrayFile(output) { return try NPY.write(result, to: output) }

    let picture = source.picture
    let shown = try Picture(
      colors: range.picture(of: result), alpha: picture?.alpha.map(resized), is16Bit: picture?.is16Bit ?? false,
      timing: picture?.timing)
    if output == PictureJobs.stream {
      try shown.write(to: "/dev/stdout", as: "png")
    } else {
      try shown.write(to: output)
    }
  }

  private func resized(_ pictures: Tensor) throws -> Tensor {
    guard let size else { return pictures }
    let (height, width) = (pictures.shape[2], pictures.shape[3])
    let longer = max(height, width)
    func side(_ side: Int) -> Int { max(Int((Double(side) * Double(size) / Double(longer)).rounded()), 1) }
    return try pictures.resized(to: [side(height), side(width)], mode: .smooth)
  }

  /// What is shown of a picture and its painting.
  private func mixed(_ content: Tensor, _ painted: Tensor, by painter: Painter) throws -> Tensor {
    let strength = painter.mixesByItself ? 1 : strength
    guard keepColors || strength < 1 else { return painted }
    guard content.shape == painted.shape else {
      throw ValidationError("--strength and --keep-colors: the network gives \(painted.shape) for \(content.shape)")
    }
    // What is brighter than white is shown as white.
    let range = painter.valueRange
    let painted = keepColors ? try painted.clamped(to: range.black...range.white) : painted
    var change = try painted - content
    if keepColors {
      // The luma of BT.601: colours differ in the other two coordinates (Gatys, Bethge, Hertzmann and Shechtman,
      // "Preserving color in neural artistic style transfer", 2016).
      let weights = try Tensor([0.299, 0.587, 0.114] as [Float], shape: [1, 3, 1, 1])
      change = try (change * weights).sum(over: [1], keepingAxes: true)
    }
    return try content + strength * change
  }
}

extension Architecture: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
