import Foundation
import ImageFiles
import Rendering
import Tensors

// Renders the pictures that the styles of the package are trained from:
// `render-styles FOLDER [--size PIXELS] [--seed NUMBER] [--only NAME]`.

let styles: KeyValuePairs<String, @Sendable (inout Canvas, inout SeededGenerator) -> Void> = [
  "swirls": paintSwirls, "glass": paintGlass, "facets": paintFacets, "waves": paintWaves, "mosaic": paintMosaic,
  "hatching": paintHatching, "dots": paintDots, "watercolor": paintWatercolor, "gold": paintGold,
]

func fail(_ message: String) -> Never {
  FileHandle.standardError.write(Data("render-styles: \(message)\n".utf8))
  exit(64)
}

var (folder, size, seed, only): (String?, Int, UInt64, String?) = (nil, 512, 1, nil)
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  switch argument {
  case "--size":
    guard let value = arguments.popFirst().flatMap({ Int($0) }), (16...8192).contains(value) else {
      fail("--size takes 16 to 8192 pixels")
    }
    size = value
  case "--seed":
    guard let value = arguments.popFirst().flatMap({ UInt64($0) }) else { fail("--seed takes a whole number") }
    seed = value
  case "--only":
    guard let name = arguments.popFirst(), styles.contains(where: { $0.key == name }) else {
      fail("--only takes one of \(styles.map(\.key).joined(separator: ", "))")
    }
    only = name
  default:
    guard folder == nil, !argument.hasPrefix("-") else {
      fail("usage: render-styles FOLDER [--size PIXELS] [--seed NUMBER] [--only NAME]")
    }
    folder = argument
  }
}
guard let folder else { fail("usage: render-styles FOLDER [--size PIXELS] [--seed NUMBER] [--only NAME]") }

try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
for (name, paint) in styles where only == nil || only == name {
  var canvas = Canvas(size: size)
  var random = SeededGenerator(seed: seed)
  paint(&canvas, &random)
  try Picture(colors: canvas.tensor()).write(to: "\(folder)/\(name).png")
}
