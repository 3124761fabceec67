import Foundation
import Rendering
import Tensors

/// Pen and wash: mountains over a lake, hatched in dark ink on cream paper, with a few transparent colours.
func paintHatching(on canvas: inout Canvas, random: inout SeededGenerator) {
  let view = View(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in view.wash(place) }
  // Each layer of strokes has a direction, and a tone from which on it is drawn.
  let layers = [(level: 0.12, turn: 0.0), (0.3, 0.2), (0.5, -0.95), (0.66, 0.75), (0.8, 1.5)]
  for (layer, (level, turn)) in layers.enumerated() {
    for point in Points(side: Canvas.side, apart: 5.2, margin: 10, random: &random).points {
      let tone = view.tone(point)
      guard tone > level + random.between(-0.05, 0.05) else { continue }
      var path = [point]
      let length = random.between(16, 30)
      for _ in 0..<6 {
        let flow = view.direction(path.last!)
        let angle = atan2(flow.y, flow.x) + turn + 0.35 * view.noise(path.last! / 16 + Double(layer) * 9)
        path.append(path.last! + Point(cos(angle), sin(angle)) * length / 6)
        if view.region(path.last!) != view.region(point) || view.tone(path.last!) < level - 0.1 { break }
      }
      let pressure = random.between(0.8, 1.25) * (0.75 + 0.7 * tone)
      canvas.stroke(path) { along in
        pressure * (0.45 + 3.1 * along * (1 - along))
      } _: { along, _ in
        Canvas.Ink(Color(rgb: 0x17203A), 0.86 + 0.14 * view.noise(point + along * 5))
      }
    }
  }
  for contour in 0..<View.ridges { view.drawContour(contour, on: &canvas) }
}

private struct View {
  static let ridges = 5
  let noise: Noise
  let sun = Point(360, 122)
  let cream = Color(rgb: 0xF4EAD2)
  let colors = [0x9CC4C9, 0x6FA6B8, 0x4F8FA3, 0xD99A4E, 0x7C9A55].map { Color(rgb: $0) }

  func crest(_ ridge: Int, _ x: Double) -> Double {
    let base = [232.0, 268, 306, 384, 446][ridge]
    let height = [74.0, 62, 40, 22, 26][ridge]
    let sharp = abs(noise([x / (150 - 20 * Double(ridge)) + Double(ridge) * 5.37, Double(ridge) * 1.7]))
    return base + height * (1.4 * sharp - 0.9 - 0.35 * noise.fractal([x / 48, Double(ridge) * 7.7], octaves: 3))
  }

  /// 0 for the sky, 1 for the sun, 2... for ridges from far to near.
  func region(_ place: Point) -> Int {
    for ridge in (0..<Self.ridges).reversed() where place.y > crest(ridge, place.x) { return ridge + 2 }
    return (place - sun).length < 54 ? 1 : 0
  }

  func tone(_ place: Point) -> Double {
    let region = region(place)
    let cloud = noise.fractal([place.x / 110, place.y / 44], octaves: 3)
    if region == 0 { return 0.06 + 0.36 * cloud + 0.22 * smoothstep(180, 0, place.y) }
    if region == 1 { return 0 }
    let ridge = region - 2
    let depth = place.y - crest(ridge, place.x)
    // Gullies run down the slopes: lit from the right, so one side of each is dark.
    let slope = crest(ridge, place.x + 7 + depth * 0.25) - crest(ridge, place.x - 7 + depth * 0.25)
    let gully = noise.fractal([place.x / 34 - depth / 60, depth / 80 + Double(ridge)], octaves: 3)
    let shade = 0.36 + 0.09 * Double(ridge) - slope * 0.02 + 0.5 * gully
    return clamp(shade + 0.3 * smoothstep(16, 0, depth) - 0.3 * smoothstep(30, 100, depth), 0, 0.95)
  }

  func direction(_ place: Point) -> Point {
    let region = region(place)
    if region < 2 { return Point(1, 0.3 * noise(place / 50)).normalized }
    let ridge = region - 2
    let slope = (crest(ridge, place.x + 6) - crest(ridge, place.x - 6)) / 12
    return ridge < 3 ? Point(slope * 0.8 + 0.35, 1).normalized : Point(1, slope + 0.2 * noise(place / 20)).normalized
  }

  func wash(_ place: Point) -> Color {
    let fibre = noise.fractal(place / 3.1, octaves: 3)
    let paper = cream * (1 + 0.025 * fibre)
    let region = region(place + Point(noise(place / 11), noise(place / 11 + 40)) * 2)
    let pool = noise.fractal(place / 46, octaves: 4)
    switch region {
    case 0:
      let strength = clamp(0.55 - place.y / 330 + 0.4 * pool)
      let evening = mix(Color.one, Color(rgb: 0xF7C9A0), smoothstep(110, 230, place.y) * 0.7)
      return paper * evening * mix(Color.one, Color(rgb: 0x9BC0D6), strength)
    case 1: return paper * mix(Color(rgb: 0xE4472B), Color(rgb: 0xF08A3C), clamp(0.5 + 0.6 * pool))
    default:
      let depth = place.y - crest(region - 2, place.x)
      let strength = clamp(0.75 + 0.4 * pool - depth / 210 + 0.2 * smoothstep(4, 0, depth))
      return paper * mix(Color.one, colors[region - 2], strength)
    }
  }

  func drawContour(_ ridge: Int, on canvas: inout Canvas) {
    var path: [Point] = []
    func draw() {
      canvas.stroke(path) { along in
        1.5 + 0.8 * noise([path[0].x + along * 3, 3])
      } _: { _, _ in
        Canvas.Ink(Color(rgb: 0x131A30), 0.95)
      }
      path.removeAll()
    }
    for x in stride(from: -4.0, through: 516, by: 4) {
      let place = Point(x, crest(ridge, x))
      if region(place + [0, 0.5]) == ridge + 2 { path.append(place) } else { draw() }
      if path.count == 12 {
        draw()
        path = [place]
      }
    }
    draw()
  }
}
