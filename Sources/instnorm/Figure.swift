import ArgumentParser
import ArrayFiles
import Drawing
import Foundation
import InstanceNorm

struct Figure: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw which planes share their mean and variance, from a run of each type of layer.",
    discussion: """
      Batch, layer, instance and group normalisation side by side, after the figure of Wu and He 2018. Each type is run; \
      pieces without gaps are planes that it gave the same mean and variance (colours recur), and the dots below are the means and \
      deviations of the planes before and after.
      """)

  @Option(name: .shortAndLong, parsing: .unconditional, help: "The file to write, .svg or .png.")
  var output: String

  @Option(
    help: ArgumentHelp(
      "An .npy array (N, C, H, W) or a picture to run on. (default: random pictures)", valueName: "file"))
  var tensor: String?

  @Flag(help: "Light on dark.")
  var dark = false

  private var format: String { (output as NSString).pathExtension.lowercased() }

  func validate() throws {
    guard ["svg", "png"].contains(format) else {
      throw ValidationError("--output: expected a name that ends in .svg or .png; got '\(output)'")
    }
  }

  func run() throws {
    try AtomicFile.check(output)
    let x = try tensor.map(Self.pictures) ?? Self.randomPictures()
    let comparison: Comparison
    do {
      comparison = try Comparison(of: x)
    } catch let error as Comparison.Fault {
      throw FileError.unsupported(path: tensor ?? "the random pictures", reason: "\(error)")
    }
    let drawing = NormalizationFigure(of: comparison, theme: dark ? .dark : .light).drawing
    if format == "svg" {
      try Array(drawing.document.utf8).withUnsafeBytes { try AtomicFile.write($0, to: output) }
      return
    }
    do {
      // Twice the size, for screens that show two pixels where others show one.
      try Picture(svg: drawing.document, scale: 2).write(to: output)
    } catch let error as DrawingError {
      throw FileError.notWritten(path: output, reason: "\(error)")
    }
  }

  private static func pictures(from path: String) throws -> Tensor {
    let tensor = try Source(path).tensor
    guard tensor.shape.rank == 4 else {
      throw FileError.unsupported(path: path, reason: "expected pictures (N, C, H, W), got shape \(tensor.shape)")
    }
    return tensor
  }

  /// (4, 6, 16, 16): pictures of different brightness and contrast, with maps that differ in the same way, so that
  /// every type does something else to them.
  private static func randomPictures() throws -> Tensor {
    let shape: Shape = [4, 6, 16, 16]
    let (brightness, contrast) = ([-1.4, 0.3, 1.5, 0.4], [0.6, 1.5, 0.9, 0.4])
    let (offset, gain) = ([-0.8, 0.5, -0.1, 0.9, -0.4, 0.2], [1.2, 0.6, 1.0, 0.8, 0.5, 1.4])
    let size = shape[2] * shape[3]
    let wobble = try Tensor.randomNormal([shape[0], shape[1]], deviation: 0.08, seed: 2018).array(of: Double.self)
    let noise = try Tensor.randomNormal(shape, seed: 2016).array(of: Float.self)
    let values = noise.enumerated().map { index, value in
      let plane = index / size
      let (t, i) = (plane / shape[1], plane % shape[1])
      return Float(brightness[t] + contrast[t] * (offset[i] + wobble[plane] + gain[i] * Double(value)))
    }
    return try Tensor(values, shape: shape)
  }
}
