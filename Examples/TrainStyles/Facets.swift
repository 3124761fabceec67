import Foundation
import Rendering
import Tensors

/// Bold flat shapes cut by arcs and lines, with stripes, dots and scales in them, and black contours.
func paintFacets(on canvas: inout Canvas, random: inout SeededGenerator) {
  let facets = Facets(random: &random)
  canvas.paint { place, _ in facets.color(place) }
}

private struct Facets {
  /// A curve that cuts the plane in two: the inside of a circle, or, with a huge radius, one side of a line.
  struct Cut {
    var center: Point
    var radius: Double

    func distance(_ place: Point) -> Double { (place - center).length - radius }
  }

  let cuts: [Cut]
  let noise: Noise
  let palette = Ramp(
    0xE63B2E, 0xF6A21E, 0xFBD85D, 0x1E8A7A, 0x14418B, 0x6FC3DF, 0xF7EBD3, 0xD9487D, 0x2B2350, 0xF2784B, 0x9CC65A)

  init(random: inout SeededGenerator) {
    noise = Noise(seed: random.next())
    var cuts = [
      Cut(center: [330, 170], radius: 118), Cut(center: [330, 170], radius: 66), Cut(center: [120, 400], radius: 150),
      Cut(center: [120, 400], radius: 92), Cut(center: [470, 470], radius: 130), Cut(center: [40, 60], radius: 110),
    ]
    for _ in 0..<5 {
      let through = random.point(from: [90, 90], to: [420, 420])
      let angle = random.between(0, 2 * .pi)
      let radius = random.between(300, 2200)
      cuts.append(Cut(center: through + Point(cos(angle), sin(angle)) * radius, radius: radius))
    }
    for _ in 0..<7 {
      cuts.append(Cut(center: random.point(from: [0, 0], to: [512, 512]), radius: random.between(16, 44)))
    }
    self.cuts = cuts
  }

  func color(_ place: Point) -> Color {
    // A hand draws no perfect curve.
    let drawn = place + Point(noise(place / 60), noise(place / 60 + 31)) * 4
    var (region, border) = (0, Double.infinity)
    for (index, cut) in cuts.enumerated() {
      let distance = cut.distance(drawn)
      if distance < 0 { region |= 1 << index }
      border = min(border, abs(distance))
    }
    let line = 2.6 + 1.3 * noise(place / 45)
    let random = { noise.cell(region, $0) }
    let first = palette[Int(random(1) * 1000)]
    var second = palette[Int(random(2) * 1000)]
    if abs(second.luma - first.luma) < 0.12 { second = mix(first, first.luma > 0.5 ? .zero : .one, 0.4) }
    var color = pattern(drawn, Int(random(3) * 9), random(4), first, second)
    // Paint on canvas: brushed, its weave shows, darker towards the contours.
    let angle = random(5) * .pi
    let along = Point(cos(angle), sin(angle))
    let brushed = noise([place.dot(along) / 30, place.dot(along.turned) / 2.2 + random(6) * 90])
    color *= 0.86 + 0.16 * smoothstep(0, 26, border) + 0.07 * brushed + 0.04 * noise.fractal(place / 12, octaves: 3)
    color += 0.012 * sin(place.x * 2.1) + 0.012 * sin(place.y * 2.1)
    return mix(Color(rgb: 0x15121C), color, smoothstep(line - 0.8, line + 0.8, border))
  }

  private func pattern(_ place: Point, _ kind: Int, _ random: Double, _ first: Color, _ second: Color) -> Color {
    let angle = random * .pi
    let across = place.dot([cos(angle), sin(angle)])
    let along = place.dot([-sin(angle), cos(angle)])
    let edge = { (value: Double) in smoothstep(-0.12, 0.12, value) }
    switch kind {
    case 0:  // Stripes.
      return mix(first, second, edge(sin(across * 2 * .pi / (9 + 8 * random))))
    case 1:  // Dots, row by row.
      let pitch = 13 + 9 * random
      let row = (along / pitch).rounded(.down)
      let inside = Point(fract(across / pitch + 0.5 * row) - 0.5, fract(along / pitch) - 0.5)
      return mix(second, first, smoothstep(0.26, 0.33, inside.length))
    case 2:  // Waves.
      return mix(first, second, edge(sin(across * 0.5 + 2.4 * sin(along * 0.22))))
    case 3:  // A chessboard.
      return mix(first, second, edge(sin(across * 0.3) * sin(along * 0.3)))
    case 4:  // Rings around a cut's centre.
      let ring = (place - cuts[Int(random * 6)].center).length
      return mix(first, second, edge(sin(ring * 2 * .pi / 14)))
    default:  // One colour, fading to and fro.
      return mix(first, mix(first, second, 0.55), smoothstep(0, 1, abs(2 * fract(across / 240) - 1)))
    }
  }
}
