import Foundation
import Generators
import ImageFiles

/// Paints a picture in the style that a network was trained for.
func paint(_ path: String, to result: String, with model: String) throws {
  let network = try TransformerNet(contentsOf: model)  // .pth or .safetensors, as PyTorch saved it
  let range = network.valueRange  // 0...255
  let painter = SharedModel(network)  // any number of tasks may call it
  let picture = try Picture(contentsOf: path)
  let painted = try painter(range.values(of: picture.colors))
  try Picture(colors: range.picture(of: painted), alpha: picture.alpha).write(to: result)
}

let arguments = CommandLine.arguments.dropFirst()
guard arguments.count == 3 else {
  print("paint-picture MODEL PICTURE RESULT")
  exit(64)
}
try paint(arguments[2], to: arguments[3], with: arguments[1])
