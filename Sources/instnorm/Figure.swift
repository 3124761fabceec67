import ArgumentParser
import ArrayFiles
import Figures
import Foundation
import InstanceNorm

struct Figure: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw which planes share their mean and variance, from a run of each type of layer.",
    discussion: """
      Batch, layer, instance and group normalisation side by side, after the figure of Wu and He 2018. Each type is run: \
      a piece without gaps is made of planes that were given the same mean and variance (colours recur), and the dots \
      below it are the planes' means and deviations before and after.
      """)

  @Option(name: .shortAndLong, parsing: .unconditional, help: "The file to write, .svg or .png.")
  var output: String

  @Option(
    help: ArgumentHelp(
      "An .npy array (N, C, H, W) or a picture to run on. (default: random pictures)", valueName: "file"))
  var tensor: String?

  @OptionGroup var reading: Reading

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
    let x = try tensor.map(pictures) ?? Comparison.samplePictures()
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
      // Twice the size, for screens with twice the pixels.
      try Picture(svg: drawing.document, scale: 2).write(to: output)
    } catch let error as DrawingError {
      throw FileError.notWritten(path: output, reason: "\(error)")
    }
  }

  private func pictures(from path: String) throws -> Tensor {
    let tensor = try Source(path, reading: reading).tensor
    guard tensor.shape.rank == 4 else {
      throw FileError.unsupported(path: path, reason: "expected pictures (N, C, H, W), got shape \(tensor.shape)")
    }
    return tensor
  }
}
