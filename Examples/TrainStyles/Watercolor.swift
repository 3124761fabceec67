import Foundation
import Rendering
import Tensors

/// Poppies in watercolour: washes that let the paper and each other through, dark where they dried last.
func paintWatercolor(on canvas: inout Canvas, random: inout SeededGenerator) {
  let sheet = Sheet(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in sheet.background(place) }
  for _ in 0..<46 {
    let foot = Point(random.between(-20, 532), 540)
    sheet.blade(from: foot, height: random.between(120, 330), on: &canvas, random: &random)
  }
  let flowers: [(Point, Double)] = [
    ([352, 176], 92), ([148, 150], 70), ([236, 318], 78), ([440, 342], 62), ([78, 330], 54), ([262, 66], 40),
    ([470, 96], 42), ([350, 446], 48), ([150, 446], 40),
  ]
  for (place, _) in flowers { sheet.stem(of: place, on: &canvas, random: &random) }
  for (place, radius) in flowers { sheet.poppy(at: place, radius, on: &canvas, random: &random) }
  for _ in 0..<170 {
    let place = random.point(from: [0, 0], to: [512, 512])
    let color = [0xE5402F, 0xF08A3C, 0x3C8C6E, 0x3E7FB5][Int(random.nextUniform() * 4)]
    sheet.wash(
      Color(rgb: color), 0.6, around: place, reach: 9, on: &canvas, edge: random.between(0.8, 1.6)
    ) { [radius = pow(random.nextUniform(), 3) * 5 + 0.8] in ($0 - place).length - radius }
  }
  canvas.paint { place, color in
    let grain = sheet.noise.fractal(place / 2.4, octaves: 2)
    return color * (1 + 0.035 * grain)
  }
}

private struct Sheet {
  let noise: Noise

  func background(_ place: Point) -> Color {
    var color = Color(rgb: 0xFAF5E8)
    let washes: [(Int, Double, Point)] = [
      (0x7FC4DE, 0.75, [3, 8]), (0xF8C79C, 0.75, [40, 3]), (0xA5D398, 0.75, [9, 61]), (0xCDB4E6, 0.75, [77, 20]),
    ]
    for (index, (rgb, strength, shift)) in washes.enumerated() {
      let height = noise.fractal(place / 150 + shift, octaves: 5)
      let low = index == 2 ? (place.y - 300) / 300 : index == 0 ? (200 - place.y) / 340 : -0.05
      let depth = height + low
      let rim = exp(-pow((depth - 0.03) / 0.028, 2)) * (depth > 0 ? 0.5 : 0.2)
      let bloom = smoothstep(-0.02, 0.34, depth) + rim
      color *= mix(Color.one, Color(rgb: rgb), clamp(bloom * strength))
    }
    return color
  }

  /// Pigment inside a shape of which `distance` tells how far outside a place is: it gathers at the edge.
  func wash(
    _ pigment: Color, _ strength: Double, around center: Point, reach: Double, on canvas: inout Canvas,
    edge: Double = 2, _ distance: (Point) -> Double
  ) {
    let shift = center / 7
    canvas.paint(from: center - reach, to: center + reach) { place in
      let ragged = 2.2 * noise.fractal(place / 13 + shift, octaves: 3) * min(edge, 1.4)
      let outside = distance(place) + ragged
      guard outside < 1 else { return Canvas.Ink(.zero, 0) }
      let pool = 0.62 + 0.42 * noise.fractal(place / 30 + shift, octaves: 3)
      let grains = 0.14 * noise.fractal(place / 1.9, octaves: 2)
      let rim = 0.55 * exp(-pow((outside + edge) / edge, 2))
      let opacity = clamp((pool + grains + rim) * strength) * smoothstep(0.6, -0.6, outside)
      return Canvas.Ink(pigment * (1 - 0.28 * rim), opacity)
    }
  }

  func poppy(at center: Point, _ radius: Double, on canvas: inout Canvas, random: inout SeededGenerator) {
    let reds = [0xE2321F, 0xF0552B, 0xD81E3A, 0xF47B3A]
    let turn = random.between(0, 2 * .pi)
    for petal in 0..<5 {
      let angle = turn + Double(petal) * 2 * .pi / 5 * 2 + random.between(-0.2, 0.2)
      let middle = center + Point(cos(angle), sin(angle) * 0.86) * radius * 0.44
      let size = radius * random.between(0.52, 0.66)
      let pigment = Color(rgb: reds[Int(random.nextUniform() * 4)])
      wash(pigment, 0.86, around: middle, reach: size * 1.5, on: &canvas, edge: 2.4) { place in
        let offset = place - middle
        let around = atan2(offset.y, offset.x)
        return offset.length - size * (1 + 0.09 * sin(around * 5 + turn) + 0.05 * sin(around * 11))
      }
      // Veins, wet in wet.
      for _ in 0..<7 {
        let spread = angle + random.between(-0.7, 0.7)
        let tip = center + Point(cos(spread), sin(spread) * 0.86) * radius * random.between(0.5, 0.95)
        let vein = [center, mix(center, tip, 0.5) + random.between(-2, 2), tip]
        canvas.stroke(vein) {
          2.2 * (1.1 - $0)
        } _: { along, _ in
          Canvas.Ink(Color(rgb: 0x8E1022), 0.34 * (1 - along))
        }
      }
    }
    wash(Color(rgb: 0x2A1B3D), 1, around: center, reach: radius * 0.4, on: &canvas) {
      ($0 - center).length - radius * 0.17
    }
    for _ in 0..<Int(radius * 0.5) {
      let angle = random.between(0, 2 * .pi)
      let away = radius * random.between(0.2, 0.34)
      let seed = center + Point(cos(angle), sin(angle)) * away
      canvas.disc(at: seed, radius: random.between(0.9, 2), Canvas.Ink(Color(rgb: 0x22152F), 0.85))
    }
    canvas.disc(at: center, radius: radius * 0.07, Canvas.Ink(Color(rgb: 0xA9C46C), 0.8))
  }

  func blade(from foot: Point, height: Double, on canvas: inout Canvas, random: inout SeededGenerator) {
    let lean = random.between(-70, 70)
    let path = (0...6).map { step in
      let along = Double(step) / 6
      return foot + Point(lean * along * along, -height * along)
    }
    let width = random.between(5, 13)
    let pigment = Color(rgb: [0x4F9A6A, 0x2F7F7A, 0x86B04E, 0x3C6E93][Int(random.nextUniform() * 4)])
    canvas.stroke(path) {
      width * (1.02 - $0)
    } _: { along, across in
      let pool = 0.42 + 0.4 * noise.fractal([along * 6 + foot.x, across], octaves: 2)
      return Canvas.Ink(pigment * (1 - 0.2 * across * across), clamp(pool + 0.3 * pow(abs(across), 6)) * 0.8)
    }
  }

  func stem(of flower: Point, on canvas: inout Canvas, random: inout SeededGenerator) {
    let foot = Point(flower.x + random.between(-50, 50), 540)
    let path = (0...10).map { step in
      let along = Double(step) / 10
      return mix(flower, foot, along) + Point(12 * sin(along * 5), 0)
    }
    canvas.stroke(path) { _ in
      4.4
    } _: { along, across in
      Canvas.Ink(Color(rgb: 0x3B7D52), clamp(0.5 + 0.3 * noise([along * 14, flower.x]) + 0.3 * pow(abs(across), 4)))
    }
  }
}
