import Rendering
import Tensors

/// The shapes of a scene. Those of `init()` are the valley of the pictures in the documentation.
struct Land {
  /// Where the lake begins, from the top.
  var shore = 0.80
  var ridges = 6
  /// How high the ridges are.
  var relief = 0.085
  /// How large the firs are.
  var trees = 1.0
  /// Moves the ridges: another valley for every value.
  var shift = 0.0
  /// How strongly meadows, rocks and woods differ within a ridge, and how much of the sky clouds cover.
  var (growth, clouds) = (0.0, 0.0)
  private var noise = Noise(seed: 0)

  init() {}

  /// Another land for every seed.
  init(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    shore = random.nextUniform() < 0.3 ? 1 : random.between(0.68, 0.92)
    ridges = Int(random.between(3, 8))
    relief = random.between(0.05, 0.16)
    trees = random.between(0.6, 3)
    shift = random.between(0, 1000)
    growth = random.between(0.2, 0.7)
    clouds = max(0, random.between(-0.3, 0.8))
    noise = Noise(seed: random.next())
  }

  /// What the colour of a ridge is multiplied by.
  func growth(_ u: Double, _ v: Double, _ nearness: Double) -> Color {
    guard growth > 0 else { return .one }
    let place = Point(u * 1.5, v) * (30 - 18 * nearness)
    let rough = noise.fractal(place + nearness * 50, octaves: 5)
    let tint = noise(place / 4)
    return 1 + growth * (rough * 0.7 + Color(0.5, 0.1, -0.3) * tint)
  }

  func cloud(_ u: Double, _ v: Double) -> Double {
    guard clouds > 0 else { return 0 }
    return smoothstep(0.5 - clouds, 1.1 - clouds, noise.fractal([u * 5, v * 13], octaves: 5)) * 0.8
  }
}

extension Scene {
  /// Another scene for every seed: land, light, and the sun's place.
  init(seed: UInt64) {
    var random = SeededGenerator(seed: ~seed)
    let lights = [Scene.mist, .dusk, .day, .night, .autumn].map(\.palette)
    let (first, second) = (Int(random.between(0, 5)), Int(random.between(0, 5)))
    let share = random.between(0, 0.6)
    let between = { (part: KeyPath<Palette, Color>) in
      mix(lights[first][keyPath: part], lights[second][keyPath: part], share)
    }
    palette = lights[first]
    palette.zenith = between(\.zenith)
    palette.horizon = between(\.horizon)
    palette.sun = between(\.sun)
    palette.farRidge = between(\.farRidge)
    palette.nearRidge = between(\.nearRidge)
    palette.mist = between(\.mist)
    palette.sunPlace = random.point(from: [0.1, 0.06], to: [0.9, 0.36])
    land = Land(seed: seed)
  }
}
