import Foundation
import Rendering
import Tensors

/// A landscape by formulas: ridges behind ridges over a lake, in the light of a palette.
struct Scene {
  struct Palette {
    var zenith: Color
    var horizon: Color
    var sun: Color
    /// Where the sun is, from the left and from the top, in widths and heights.
    var sunPlace: Point
    var sunGlow: Double
    var farRidge: Color
    var nearRidge: Color
    var mist: Color
    var mistStrength: Double
  }

  /// Fog before sunrise: all tones close together, so that normalising shows what is in them.
  static let mist = Scene(
    palette: Palette(
      zenith: [0.56, 0.61, 0.66], horizon: [0.72, 0.73, 0.74], sun: [0.80, 0.79, 0.76], sunPlace: [0.68, 0.33],
      sunGlow: 0.10, farRidge: [0.64, 0.67, 0.70], nearRidge: [0.40, 0.45, 0.47], mist: [0.71, 0.72, 0.73],
      mistStrength: 0.75))

  /// The same valley at sunset.
  static let dusk = Scene(
    palette: Palette(
      zenith: [0.16, 0.14, 0.36], horizon: [0.98, 0.55, 0.26], sun: [1.00, 0.90, 0.62], sunPlace: [0.68, 0.33],
      sunGlow: 0.55, farRidge: [0.64, 0.33, 0.36], nearRidge: [0.06, 0.05, 0.13], mist: [0.93, 0.49, 0.32],
      mistStrength: 0.35))

  /// A clear forenoon in summer.
  static let day = Scene(
    palette: Palette(
      zenith: [0.16, 0.42, 0.78], horizon: [0.78, 0.90, 0.96], sun: [1.00, 0.98, 0.88], sunPlace: [0.30, 0.16],
      sunGlow: 0.35, farRidge: [0.44, 0.60, 0.72], nearRidge: [0.13, 0.36, 0.12], mist: [0.80, 0.90, 0.95],
      mistStrength: 0.30))

  /// The same under the moon.
  static let night = Scene(
    palette: Palette(
      zenith: [0.02, 0.03, 0.12], horizon: [0.16, 0.24, 0.42], sun: [0.93, 0.93, 0.85], sunPlace: [0.72, 0.20],
      sunGlow: 0.25, farRidge: [0.14, 0.20, 0.36], nearRidge: [0.02, 0.04, 0.07], mist: [0.22, 0.30, 0.46],
      mistStrength: 0.40))

  /// Autumn, with the sun low.
  static let autumn = Scene(
    palette: Palette(
      zenith: [0.36, 0.56, 0.74], horizon: [0.96, 0.88, 0.70], sun: [1.00, 0.96, 0.78], sunPlace: [0.24, 0.36],
      sunGlow: 0.45, farRidge: [0.62, 0.52, 0.54], nearRidge: [0.52, 0.20, 0.06], mist: [0.96, 0.82, 0.62],
      mistStrength: 0.35))

  var palette: Palette
  var land = Land()

  /// (1, 3, height, width), float32, 0...1; four samples a pixel.
  func render(width: Int, height: Int) throws -> Tensor {
    let plane = width * height
    return try Tensor(shape: [1, 3, height, width]) { (buffer: UnsafeMutableBufferPointer<Float>) in
      for row in 0..<height {
        for column in 0..<width {
          var color = Color.zero
          for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
            color += self.color((Double(column) + dx) / Double(width), (Double(row) + dy) / Double(height))
          }
          for channel in 0..<3 {
            buffer[channel * plane + row * width + column] = Float(min(max(color[channel] / 4, 0), 1))
          }
        }
      }
    }
  }

  /// What is seen at a place, from the left and from the top, both 0...1.
  private func color(_ u: Double, _ v: Double) -> Color {
    guard v > land.shore else { return ground(u, v) }
    let depth = v - land.shore
    // The lake shows the land upside down, drawn out and stirred by ripples that grow towards us.
    let ripple = 0.05 * depth * sin(depth * 260 + 3 * sin(u * 19)) + 0.03 * depth * sin(u * 61 + depth * 140)
    let reflected = ground(u + ripple, land.shore - 1.9 * depth - ripple)
    return mix(reflected * 0.86, palette.zenith * 0.8, 0.25 + depth)
  }

  private func ground(_ u: Double, _ v: Double) -> Color {
    var color = sky(u, v)
    for ridge in 0..<land.ridges {
      let nearness = Double(ridge) / Double(land.ridges - 1)
      let crest = crest(of: ridge, nearness, u)
      guard v > crest else { continue }
      let rock = mix(palette.farRidge, palette.nearRidge, pow(nearness, 1.2)) * land.growth(u, v, nearness)
      // Mist lies at the foot of each ridge and hides the more, the farther away it is.
      let foot = min(1, (v - crest) / 0.16) * (1 - 0.75 * nearness)
      color = mix(rock, palette.mist, foot * palette.mistStrength)
    }
    return color
  }

  private func sky(_ u: Double, _ v: Double) -> Color {
    let clear = mix(palette.zenith, palette.horizon, pow(min(max(v / 0.58, 0), 1), 1.3))
    let color = mix(clear, mix(palette.sun, palette.horizon, 0.4), land.cloud(u, v))
    let away = SIMD2(1.5 * (u - palette.sunPlace.x), v - palette.sunPlace.y)
    let distance = (away * away).sum().squareRoot()
    let disk = 1 - smoothstep(0.045, 0.050, distance)
    return mix(mix(color, palette.sun, palette.sunGlow * exp(-distance * 4.5)), palette.sun, disk)
  }

  /// The height of a ridge's crest, from the top.
  private func crest(of ridge: Int, _ nearness: Double, _ u: Double) -> Double {
    let seed = Double(ridge) * 17.3 + 2 + land.shift
    var height = 0.0
    var (frequency, amplitude) = (2.1 + nearness * 1.6, land.relief * (1 - 0.35 * nearness))
    for octave in 0..<6 {
      height += amplitude * sin(u * frequency * 2 + seed * (1.3 + Double(octave)))
      frequency *= 1.93
      amplitude *= 0.47
    }
    let ground = 0.44 + 0.31 * nearness - height * (1 - 0.4 * nearness)
    return nearness > 0.7 ? ground - trees(u, seed, size: (0.016 + 0.05 * (nearness - 0.7)) * land.trees) : ground
  }

  /// How far firs stand above the ground: cones of many heights, two rows of them.
  private func trees(_ u: Double, _ seed: Double, size: Double) -> Double {
    var tallest = 0.0
    for row in 0..<2 {
      let spacing = size * (row == 0 ? 0.55 : 0.8)
      let place = u / spacing + seed + Double(row) * 0.37
      let random = fract(sin(floor(place) * 127.1 + seed * 3.7 + Double(row)) * 43758.5453)
      let across = abs(fract(place) - 0.5) * 2
      tallest = max(tallest, (0.35 + 1.1 * random) * size * max(0, 1 - across * (1.25 + 0.3 * sin(across * 30))))
    }
    return tallest
  }
}
