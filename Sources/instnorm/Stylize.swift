import ArgumentParser
import ArrayFiles
import Generators
import ImageFiles
import Text

struct Stylize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Paint pictures with a trained network.",
    discussion: """
      Without --model it is one that comes with the package, which paints in the styles that `instnorm styles` lists: \
      --style swirls, or a blend, --style swirls:0.7,glass:0.3. A model's network is found out from the names and shapes \
      in the model's file: a style of pytorch/examples (fast_neural_style), a generator of CycleGAN or pix2pix, AdaIN, or what this library saved. The result has the \
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
      """
      Of a network with several styles a name, a number from 0, or a blend, a:0.7,b:0.3; of AdaINNet a picture. \
      (default: the first style)
      """, valueName: "style"))
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

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      How much noise a picture has before it is painted, in 255ths of its range: 0 to 64. Strokes begin on it where the \
      picture is smooth. (default: 2 for the styles that come with the package, 0 for a model)
      """, valueName: "n"))
  var grain: Double?

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
    if let grain, !(0...64).contains(grain) { throw ValidationError("--grain: expected 0 to 64; got \(grain)") }
    if model == nil, let option = encoder != nil ? "--encoder" : architecture != nil ? "--architecture" : nil {
      throw ValidationError("\(option): says something of a model, and there is no --model")
    }
    if encoder != nil, let architecture, architecture != .adaINNet {
      throw ValidationError("--encoder: is of an AdaINNet, and --architecture says \(architecture.rawValue)")
    }
  }

  func run() throws {
    let jobs = try PictureJobs(inputs, to: output)
    let painter = try Painter(
      model, architecture, encoder: encoder, style: style, strength: strength, grain: grain, precision: precision,
      reading: reading, on: place.device())
    let brush = Brush(size: size, keepColors: keepColors, strength: strength, reading: reading)
    try jobs.run { try brush.paint($0, to: $1, with: painter) }
  }
}

extension Architecture: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
