import Foundation
import Rendering
import Tensors

/// A window of glass and lead: the sun in its sky, hills and a river.
func paintGlass(on canvas: inout Canvas, random: inout SeededGenerator) {
  let window = Window(random: &random)
  canvas.paint { place, _ in window.color(place) }
}

private struct Window {
  var points: Points
  let noise: Noise
  let tints: [Color]
  static let sun = Point(318, 176)
  static let sunRadius = 66.0

  let sky = Ramp(0xFFC93C, 0xFF8C42, 0xE8476B, 0x9A3FA8, 0x4B45C4, 0x1B3A9E, 0x102A72)
  let hills = [Ramp(0x2BA39B, 0x12696F), Ramp(0x4DB352, 0x147A44), Ramp(0x9CCB3B, 0x2F8F3A)]
  let river = Ramp(0x8FE3F2, 0x2E9FE0, 0x1450B8)
  let sun = Ramp(0xFFF6C2, 0xFFDF5E, 0xFFB627)

  /// In the sky, pieces in rings around the sun that grow with the distance; on the ground, pieces in no order.
  init(random: inout SeededGenerator) {
    noise = Noise(seed: random.next())
    points = Points(side: Canvas.side, spacing: 30, margin: 30)
    var radius = 0.0
    while radius < 480 {
      let step = 20 + radius * 0.085
      let count = max(1, Int(2 * Double.pi * radius / (step * 0.86)))
      let turn = random.nextUniform()
      for index in 0..<count {
        let angle = (Double(index) + turn + random.between(-0.2, 0.2)) / Double(count) * 2 * .pi
        let place = Self.sun + Point(cos(angle), sin(angle)) * (radius + random.between(-0.16, 0.16) * step)
        if place.min() > -30, place.max() < Canvas.side + 30, Self.region(place) <= 1 { points.append(place) }
      }
      radius += step
    }
    for dart in Points(side: Canvas.side, apart: 27, margin: 30, random: &random).points where Self.region(dart) > 1 {
      points.append(dart)
    }
    tints = points.points.indices.map { _ in Color(random.nextUniform(), random.nextUniform(), random.nextUniform()) }
  }

  static func ridge(_ index: Int, _ x: Double) -> Double {
    switch index {
    case 0: 300 - 46 * sin(x / 92 + 0.5) - 14 * sin(x / 41)
    case 1: 362 + 36 * sin(x / 100 + 0.2)
    default: 430 - 30 * sin(x / 86 + 1.4)
    }
  }

  /// 0 for the sun, 1 for the sky, 2...4 for the hills from far to near, 5 for the river.
  static func region(_ place: Point) -> Int {
    if place.y > ridge(0, place.x) {
      let bend = 250 + 62 * sin(place.y / 34) + (place.y - 420) * 0.5
      let half = 7 + (place.y - 320) * 0.22
      if place.y > 330, abs(place.x - bend) < half { return 5 }
      if place.y > ridge(2, place.x) { return 4 }
      return place.y > ridge(1, place.x) ? 3 : 2
    }
    return (place - sun).length < sunRadius ? 0 : 1
  }

  /// How far the nearest border between regions is, about; 5 where it is farther.
  func outline(_ place: Point, _ region: Int) -> Double {
    for distance in stride(from: 1.0, through: 4, by: 1) {
      let diagonal = distance * 0.7
      for offset: Point in [
        [distance, 0], [-distance, 0], [0, distance], [0, -distance],
        [diagonal, diagonal], [-diagonal, diagonal], [diagonal, -diagonal], [-diagonal, -diagonal],
      ] where Self.region(place + offset) != region { return distance }
    }
    return 5
  }

  func color(_ place: Point) -> Color {
    let region = Self.region(place)
    let (piece, border) = points.cell(at: place)
    let lead = min(border - 1.25, outline(place, region) - 2.6)
    if lead < 0 {
      // Lead came: round, and lit from above.
      let shine = smoothstep(-1.2, 0, lead) * 0.1 + 0.05 * noise(place / 3)
      return Color(0.07, 0.07, 0.09) + shine
    }
    let tint = tints[piece]
    let away = (points.points[piece] - Self.sun).length
    let shade = tint.x * 0.75 + 0.12
    var color: Color
    switch region {
    case 0: color = sun(away / 70 + 0.3 * (tint.x - 0.5))
    case 1: color = sky((away - 60) / 350 + 0.3 * (tint.x - 0.5))
    case 5: color = river(shade)
    default: color = hills[region - 2](shade)
    }
    color += (Color(tint.y, tint.z, tint.x) - 0.5) * 0.14
    // Light behind the pane: brightest in its middle; streaks and seeds in the glass.
    let streaks = noise.fractal([place.x / 26 + Double(piece) * 7, place.y / 9 + tint.y * 50], octaves: 3)
    let glow = 0.86 + 0.42 * smoothstep(0, 14, lead) + 0.16 * streaks
    let seeds = smoothstep(0.55, 0.8, noise(place / 3.2 + tint.y * 90)) * 0.22
    return (color.saturated(1.15) * glow + seeds).clamped(lowerBound: .zero, upperBound: .one)
  }
}
