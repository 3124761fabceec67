import Foundation
import Rendering
import Tensors

/// Thick brush strokes that follow the eddies of a night sky over a field of wheat.
func paintSwirls(on canvas: inout Canvas, random: inout SeededGenerator) {
  let painting = Swirls(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in painting.color(place) * 0.8 }
  // From large to small: a painter's underpainting, body and accents.
  for (apart, length, width) in [(9.0, 70.0, 15.0), (6.5, 52, 10), (5, 38, 7), (6, 26, 4.5)] {
    var points = Points(side: Canvas.side, apart: apart, margin: 24, random: &random).points
    points.shuffle(using: &random)
    for point in points { painting.stroke(at: point, length, width, on: &canvas, random: &random) }
  }
}

private struct Swirls {
  let noise: Noise

  struct Star {
    var place: Point
    var radius: Double
    var color: Color
  }

  let stars = [
    Star(place: [418, 84], radius: 40, color: Color(rgb: 0xFFD447)),
    Star(place: [64, 70], radius: 21, color: Color(rgb: 0xFFF1B8)),
    Star(place: [166, 44], radius: 15, color: Color(rgb: 0xFFE27A)),
    Star(place: [292, 52], radius: 18, color: Color(rgb: 0xFFF6D8)),
    Star(place: [120, 262], radius: 19, color: Color(rgb: 0xFFE27A)),
    Star(place: [330, 262], radius: 14, color: Color(rgb: 0xFFF1B8)),
    Star(place: [476, 230], radius: 20, color: Color(rgb: 0xFFD96A)),
  ]
  /// Where the sky turns: the centre, the reach and the sense.
  let eddies: [(Point, Double, Double)] = [([212, 158], 74, 1), ([330, 176], 56, -1), ([60, 190], 60, -1)]
  let sky = Ramp(0x0B1550, 0x122B86, 0x1C50BC, 0x2F86D0, 0x62BDD6, 0xD9F2E6)
  let hills = Ramp(0x0A1B45, 0x143A63, 0x1E6E78, 0x54A081)
  let wheat = Ramp(0x8A4B12, 0xC9821B, 0xEDB32A, 0xFFDE59, 0xFFF3B0)

  func hill(_ x: Double) -> Double { 340 - 34 * sin(x / 88 + 0.6) - 14 * sin(x / 37) }
  func field(_ x: Double) -> Double { 404 + 16 * sin(x / 120 + 2.5) - x * 0.03 }

  func color(_ place: Point) -> Color {
    let vary = noise.fractal(place / 40, octaves: 3)
    if place.y > field(place.x) {
      let rows = sin((place.y - field(place.x)) / 9 + 2 * noise(place / 60))
      return wheat(0.5 + 0.3 * rows + 0.3 * vary)
    }
    if place.y > hill(place.x) { return hills(0.35 + 0.4 * vary + 0.3 * sin((place.y - hill(place.x)) / 7)) }
    var tone = 0.36 + 0.22 * vary + 0.1 * (place.y / 340)
    for (center, reach, _) in eddies {
      let offset = place - center
      let distance = offset.length / reach
      let spiral = sin(distance * 13 + atan2(offset.y, offset.x))
      tone += 0.5 * exp(-distance * distance) * (0.4 + 0.6 * spiral)
    }
    var color = sky(tone)
    for star in stars {
      let distance = (place - star.place).length / star.radius
      // Yellow within and turquoise without: mixed with the blue of the sky, yellow would be grey.
      let rings = 0.5 + 0.5 * cos(distance * 7)
      let inner = mix(star.color, Color(rgb: 0xFFF6CC), rings)
      let halo = mix(inner, sky(0.8 + 0.2 * rings), smoothstep(1.15, 1.5, distance))
      color = mix(color, halo, smoothstep(2.2, 1.5, distance) * 0.92)
      if distance < 0.55 { color = mix(Color(rgb: 0xFFB21E), star.color, distance / 0.55) }
    }
    return color
  }

  /// Where the brush moves.
  func flow(_ place: Point) -> Point {
    if place.y > field(place.x) {
      return Point(0.35 + 0.5 * noise(place / 50), -1 + 0.3 * noise(place / 23 + 9)).normalized
    }
    if place.y > hill(place.x) {
      return Point(1, (hill(place.x + 2) - hill(place.x - 2)) / 4 + 0.3 * noise(place / 30)).normalized
    }
    var flow = Point(1, 0.45 * sin(place.x / 60) + 0.5 * noise(place / 70))
    for (center, reach, sense) in eddies {
      let offset = place - center
      let pull = 5 * exp(-pow(offset.length / reach, 2))
      flow += (offset.turned * sense - offset * 0.25) / max(offset.length, 1) * pull
    }
    for star in stars {
      let offset = place - star.place
      flow += offset.turned / max(offset.length, 1) * 9 * exp(-pow(offset.length / star.radius / 1.6, 2))
    }
    return flow.normalized
  }

  func stroke(
    at start: Point, _ length: Double, _ width: Double, on canvas: inout Canvas, random: inout SeededGenerator
  ) {
    var path = [start]
    let steps = 8
    let length = length * random.between(0.6, 1.1)
    for _ in 0..<steps { path.append(path.last! + flow(path.last!) * length / Double(steps)) }
    var color = self.color(path[steps / 2])
    color += random.between(-0.09, 0.11)
    color += Color(random.between(-0.05, 0.06), random.between(-0.04, 0.05), random.between(-0.05, 0.06))
    color = color.saturated(1.12)
    let width = width * random.between(0.7, 1.1)
    let bristle = Double(random.next() % 9973)
    canvas.stroke(path) { along in
      width * min(1, 0.35 + 4 * along, 0.2 + 3 * (1 - along))
    } _: { along, across in
      let hair = noise([across * width / 1.7 + bristle, along * length / 28])
      let fine = noise([across * width / 0.9 - bristle, along * length / 14 + bristle])
      // Paint piles up at one edge, catches the light there, and leaves a shadow at the other.
      let ridge = 0.13 * across * across * across
      let dry = smoothstep(0.55, 1, along) * (hair > 0.1 ? 0.75 : 0)
      return Canvas.Ink(color * (1 + 0.2 * hair + 0.1 * fine) - ridge, 1 - dry)
    }
  }
}
