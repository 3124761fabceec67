import ArgumentParser
import InstanceNorm
import Text

struct Transfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give a picture the colours of another.",
    discussion: """
      Normalises each channel of the content and gives it the mean and deviation of that channel of the style: \
      adaptive instance normalisation (Huang and Belongie 2017) on pixels, which is the colour transfer of Reinhard et \
      al. 2001. With a strength below 1, the result goes only that far from the content towards it.
      """)

  @Argument(help: "The picture (or .npy array) whose shapes to keep.")
  var content: String

  @Argument(help: "The picture (or .npy array) whose colours to take.")
  var style: String

  @Option(name: .shortAndLong, parsing: .unconditional, help: "The file to write, a picture or an .npy array.")
  var output: String

  @Option(
    parsing: .unconditional, help: "How far to go: 0 is the content, 1 the style's colours, more exaggerates them.")
  var strength = 1.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The page or frame to read of a style that has several, counted from 0.", valueName: "n"))
  var stylePage: Int?

  @OptionGroup var reading: Reading

  @OptionGroup var place: Place

  func validate() throws {
    guard strength >= 0, strength.isFinite else {
      throw ValidationError("--strength: expected a finite number, 0 or more; got \(strength)")
    }
    if let stylePage, stylePage < 0 { throw ValidationError("--style-page: expected 0 or more; got \(stylePage)") }
  }

  func run() throws {
    try checkOutput(output)
    var content = try Source(content, reading: reading)
    var style = try Source(style, reading: reading.with(page: stylePage))
    guard content.tensor.shape.rank == 4 else {
      throw FileError.unsupported(
        path: content.path, reason: "expected pictures (N, C, H, W), got shape \(content.tensor.shape)")
    }
    guard style.tensor.shape.rank == 4, style.tensor.shape[0] == 1 else {
      throw FileError.unsupported(
        path: style.path,
        reason: "expected one picture (1, C, H, W), got shape \(style.tensor.shape)"
          + (style.picture == nil ? "" : "; --style-page chooses one"))
    }
    try content.expandGrey(to: style.maps)
    try style.expandGrey(to: content.maps)
    guard content.maps == style.maps else {
      throw FileError.unsupported(
        path: style.path, reason: "has \(style.maps) channels, \(content.path) has \(content.maps)")
    }

    guard style.tensor.count > 0 else { throw FileError.unsupported(path: style.path, reason: "it holds no values") }
    // An array of no values may have more planes than can be gone over.
    guard content.tensor.count > 0 else { return try content.write(content.tensor, to: output) }

    // No epsilon, so that the result's deviation is the style's even where the content's is close to 0. A channel that
    // is constant becomes the style's mean.
    let norm = try AdaptiveInstanceNorm2D(epsilon: 0, strength: strength)
    // In the wider of the two types, since the content's may not hold all colours of the style.
    let calcType = [content.tensor.dtype, style.tensor.dtype].contains(.float64) ? DType.float64 : .float32
    let device = try place.device(computingIn: calcType)
    try norm.calcMode(calcType)
    let result = try norm(content.tensor.to(calcType).to(device), style: style.tensor.to(calcType).to(device))
    let shown = try result.toHost().to(content.tensor.dtype)
    try content.write(shown, to: output)
    guard !isArrayFile(output) else { return }
    let values = try shown.array(of: Float.self)
    let clipped = values.count { $0 < 0 || $0 > 1 }
    if clipped > 0 {
      try say("\(output): \(short(100 * Double(clipped) / Double(values.count))) % of its values are clipped to 0...1")
    }
  }
}
