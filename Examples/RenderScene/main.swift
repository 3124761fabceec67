import Foundation
import ImageFiles

// Renders the landscape that script/demo works on: `render-scene mist|dusk FILE`.

let scenes = ["mist": Scene.mist, "dusk": Scene.dusk]
guard CommandLine.arguments.count == 3, let scene = scenes[CommandLine.arguments[1]] else {
  FileHandle.standardError.write(Data("usage: render-scene mist|dusk FILE\n".utf8))
  exit(64)
}
try Picture(colors: scene.render(width: 960, height: 640)).write(to: CommandLine.arguments[2])
