import ArgumentParser
import InstanceNorm
import Text

struct Transfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give pictures the colours of another.",
    discussion: """
      Normalises each channel of the content and gives it the mean and deviation of that channel of the style: \
      adaptive instance normalisation (Huang and Belongie 2017) on pixels, which is the colour transfer of Reinhard et \
      al. 2001. With a strength below 1, the result goes only that far from the content towards it.
      """)

  @Argument(
    help: ArgumentHelp(
      """
      The pictures whose shapes to keep: files, folders of them, .npy arrays, or - for standard input. The last is the \
      picture (or .npy array) whose colours to take.
      """, valueName: "content ... style"))
  var pictures: [String]

  @Option(name: .shortAndLong, parsing: .unconditional, help: ArgumentHelp(PictureJobs.outputHelp))
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
    guard pictures.count > 1 else {
      throw ValidationError("expected pictures and, last, the one whose colours to take; got \(pictures.count)")
    }
    guard strength >= 0, strength.isFinite else {
      throw ValidationError("--strength: expected a finite number, 0 or more; got \(strength)")
    }
    if let stylePage, stylePage < 0 { throw ValidationError("--style-page: expected 0 or more; got \(stylePage)") }
  }

  func run() throws {
    let jobs = try PictureJobs(pictures.dropLast(), to: output)
    let style = try Source(pictures[pictures.count - 1], reading: reading.with(page: stylePage))
    try jobs.run { content, output in
      let clipped = try transfer(from: style, to: content, writing: output)
      guard !jobs.areMany, clipped > 0, output != PictureJobs.stream else { return }
      try say("\(output): \(short(100 * clipped)) % of its values are clipped to 0...1")
    }
  }

  /// - Returns: the part of a picture's values that are clipped.
  private func transfer(from style: Source, to content: String, writing output: String) throws -> Double {
    var style = style
    var content = try Source(content, reading: reading)
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
    guard content.tensor.count > 0 else {
      try content.write(content.tensor, to: output)
      return 0
    }

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
    guard !isArrayFile(output) else { return 0 }
    let values = try shown.array(of: Float.self)
    return Double(values.count { $0 < 0 || $0 > 1 }) / Double(values.count)
  }
}
