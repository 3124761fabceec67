import Foundation
import Rendering
import Tensors

/// Dots of pure colours, which the eye mixes: sails on a bay in the evening.
func paintDots(on canvas: inout Canvas, random: inout SeededGenerator) {
  let bay = Bay(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in Color(rgb: 0xE9D5B4) + 0.03 * bay.noise.fractal(place / 4, octaves: 3) }
  for (apart, radius) in [(6.6, 5.4), (6.2, 4.2), (7.4, 3.1)] {
    var points = Points(side: Canvas.side, apart: apart, margin: 6, random: &random).points
    points.shuffle(using: &random)
    for point in points {
      let aim = bay.color(point)
      // A pure colour near the one to be seen, or, now and then, its complement.
      var color = aim.saturated(random.between(1.15, 1.75)) + random.between(-0.09, 0.09)
      let turn = random.between(-0.2, 0.2)
      color += Color(turn, -0.3 * turn, -turn)
      if random.nextUniform() < 0.1 { color = mix(color, Color(repeating: 2 * aim.luma) - color, 0.75) }
      let size = radius * random.between(0.78, 1.15)
      canvas.disc(at: point, radius: size, Canvas.Ink(color.clamped(lowerBound: .zero, upperBound: .one)))
    }
  }
}

private struct Bay {
  let noise: Noise
  let sky = Ramp(0x3E5FB0, 0x7C86CF, 0xC79AC9, 0xF3A8A0, 0xFBC074, 0xFDE08A)
  let water = Ramp(0xF7C777, 0xD98FA6, 0x7B7CC4, 0x3F63B5, 0x24508F)
  let hills = Ramp(0x8A7FBF, 0x5B5AA8)
  let meadow = Ramp(0x1E5E4A, 0x3F8F4C, 0x8CB544, 0xD6CF4E)
  let sun = Point(340, 196)
  /// The foot of each mast, its height, and the colour of the sails.
  let boats = [(210.0, 330.0, 128.0, 0xFFF3DC), (424, 300, 74, 0xE9573F), (268, 276, 40, 0xFDF0D8)]

  func color(_ place: Point) -> Color {
    let vary = noise.fractal(place / 40, octaves: 3)
    if let tree = tree(place) { return tree }
    let bank = 440 - 50 * smoothstep(210, -20, place.x) + 9 * sin(place.x / 34)
    if place.y > bank {
      let shadow = smoothstep(150, 40, (place - [90, 500]).length)
      return meadow(0.62 + 0.4 * vary - 0.55 * shadow + 0.1 * sin(place.x / 9))
    }
    if let sail = sail(place) { return sail }
    let horizon = 252.0
    if place.y > horizon {
      let depth = (place.y - horizon) / 190
      let ripple = sin(place.y / (2.6 + depth * 4) + 3 * noise([place.x / 50, place.y / 12]))
      let glitter = exp(-pow((place.x - sun.x) / (20 + 70 * depth), 2)) * (0.6 + 0.5 * ripple)
      return mix(water(depth + 0.1 * ripple), Color(rgb: 0xFFE9A0), clamp(glitter))
    }
    if place.y > horizon - 26 - 22 * sin(place.x / 74 + 1) - 8 * sin(place.x / 23) { return hills(0.5 + vary) }
    let away = (place - sun).length
    if away < 36 { return Color(rgb: 0xFFF6C8) }
    let cloud = noise.fractal([place.x / 84, place.y / 26], octaves: 3)
    let color = sky(place.y / horizon * 0.95 + 0.25 * exp(-away / 90) + 0.16 * cloud)
    return mix(color, Color(rgb: 0xFFE7C2), smoothstep(0.35, 0.8, cloud) * 0.7)
  }

  private func sail(_ place: Point) -> Color? {
    for (x, foot, height, hue) in boats {
      let up = (foot - place.y) / height
      if up > 0, up < 1 {
        let across = (place.x - x) / height
        if across > 0.02, across < 0.5 * (1 - up) { return Color(rgb: hue) * (0.9 + 0.25 * across) }
        if across < -0.02, across > -0.34 * (1 - up * 1.1) { return Color(rgb: hue) * Color(0.62, 0.6, 0.86) }
      }
      let hull = (place.y - foot) / height
      if hull > 0.02, hull < 0.14, abs(place.x - x - height * 0.06) < height * (0.46 - hull) {
        return Color(rgb: 0x4A2545)
      }
    }
    return nil
  }

  private func tree(_ place: Point) -> Color? {
    let trunk = 66 + 12 * sin(place.y / 70)
    let crown = [(50.0, 120.0, 96.0), (128, 70, 66), (6, 210, 70), (110, 168, 44)].map { x, y, radius in
      (place - Point(x, y)).length - radius - 14 * noise.fractal(place / 22, octaves: 2)
    }
    if let edge = crown.min(), edge < 0 {
      let light = noise.fractal(place / 18, octaves: 2) * 0.4 + (place.x - place.y) / 420 + 0.42
      return meadow(light * 0.9)
    }
    guard place.y > 180, abs(place.x - trunk) < 11 + smoothstep(380, 470, place.y) * 12 else { return nil }
    return mix(Color(rgb: 0x5B2E4F), Color(rgb: 0xC07A4A), smoothstep(-6, 10, place.x - trunk))
  }
}
