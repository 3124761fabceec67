import ArgumentParser
import ArrayFiles
import Foundation
import Generators

struct Styles: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the styles that come with the package, and show them.",
    discussion: """
      With --output a picture painted in each style is written to a folder: a small one that the package has, or the one \
      that is given.
      """)

  @Argument(help: "A picture to paint in all styles.")
  var input: String?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The folder to write to; it is made where there is none.", valueName: "folder"))
  var output: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The longer side in pixels that the picture is brought to before.", valueName: "n"))
  var size = 512

  @OptionGroup var reading: Reading

  @OptionGroup var place: Place

  func validate() throws {
    if input != nil, output == nil { throw ValidationError("--output: expected the folder for the paintings") }
    guard (1...65_536).contains(size) else { throw ValidationError("--size: expected 1 to 65536; got \(size)") }
  }

  func run() throws {
    guard let output else {
      for name in EmbeddedStyles.names { try say(name) }
      return
    }
    try makeFolder(output)
    func path(_ name: String) -> String { output.hasSuffix("/") ? "\(output)\(name).jpg" : "\(output)/\(name).jpg" }
    guard let input else {
      for (name, jpeg) in EmbeddedStyles.thumbnails {
        try jpeg.withUnsafeBytes { try AtomicFile.write($0, to: path(name)) }
      }
      return
    }
    let brush = Brush(size: size, reading: reading)
    var bar = ProgressBar(total: EmbeddedStyles.names.count)
    for (done, name) in EmbeddedStyles.names.enumerated() {
      bar.show(done, name)
      let painter = try Painter(style: name, reading: reading, on: place.device())
      try brush.paint(input, to: path(name), with: painter)
    }
    bar.finish()
  }
}
