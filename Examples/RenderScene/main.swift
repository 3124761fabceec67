import Foundation
import ImageFiles

// Renders landscapes, 960 pixels wide or as wide as is said: the valley that script/demo works on, another valley in the
// same light for a seed, or anything.

let usage = "usage: render-scene mist|dusk|day|night|autumn|any FILE [SEED [WIDTH]]\n"

func fail() -> Never {
  FileHandle.standardError.write(Data(usage.utf8))
  exit(64)
}

let lights = ["mist": Scene.mist, "dusk": .dusk, "day": .day, "night": .night, "autumn": .autumn]
let arguments = Array(CommandLine.arguments.dropFirst())
guard (2...4).contains(arguments.count), lights[arguments[0]] != nil || arguments[0] == "any" else { fail() }
let seed = arguments.count > 2 ? UInt64(arguments[2]) : nil
let width = arguments.count > 3 ? Int(arguments[3]) : 960
guard seed != nil || arguments.count == 2, let width, (24...8192).contains(width) else { fail() }

var scene = lights[arguments[0]] ?? Scene(seed: seed ?? 0)
if let seed, arguments[0] != "any" { scene.land = Land(seed: seed) }
try Picture(colors: scene.render(width: width, height: width * 2 / 3)).write(to: arguments[1])
