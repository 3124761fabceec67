import Foundation
import Rendering
import Tensors

/// A woodblock print: the sea in scales, row before row, under a red sun and drifting clouds.
func paintWaves(on canvas: inout Canvas, random: inout SeededGenerator) {
  let print = Waves(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in print.paper(print.color(place), place) }
}

private struct Waves {
  let noise: Noise
  /// The middle of each cloud and half its width.
  let clouds = [
    (90.0, 62.0, 120.0), (200, 90, 74), (60, 130, 92), (400, 150, 110), (300, 40, 60), (470, 58, 70), (190, 166, 100),
  ]
  let sky = Ramp(0x2A6F97, 0x6FB0B7, 0xBFDCCB, 0xF6E7C1, 0xF7C59F, 0xEF9273)
  let sea = Ramp(0x0E1F4D, 0x173B7A, 0x215E9E, 0x3A8FB7, 0x86C5C8)
  let cream = Color(rgb: 0xF8EFD9)
  let ink = Color(rgb: 0x0D1838)

  func color(_ place: Point) -> Color {
    var color = sky(place)
    // Rows of waves from the horizon to the front; each covers the feet of the one before.
    var top = 196.0
    var row = 0
    while top < 560 {
      let width = 30 + Double(row) * 9.5
      if let wave = scale(place, row: row, top: top, width: width) { color = wave }
      top += width * 0.25
      row += 1
    }
    return color
  }

  private func scale(_ place: Point, row: Int, top: Double, width: Double) -> Color? {
    let shift = row.isMultiple(of: 2) ? 0 : 0.5
    let swell = 12 * sin(place.x / 90 + Double(row) * 1.1) + 7 * sin(place.x / 47 - Double(row))
    let column = (place.x / width + shift).rounded(.down)
    let center = Point((column + 0.5 - shift) * width, top + width * 0.5 + swell)
    let wobble = 0.02 * noise(place / 14)
    let distance = (place - center).length / (width * 0.5) * (1 + wobble)
    // Below its middle a wave goes straight down, to where the next ones cover it.
    guard place.y > center.y || distance < 1 else { return nil }
    guard place.y <= center.y else { return sea(0.02) }
    let random = noise.cell(Int(column), row)
    let bands = 4.0 + (width / 40).rounded(.down)
    let band = (1 - distance) * bands
    let line = min(fract(band), 1 - fract(band)) / bands * width * 0.5
    let depth = 0.25 + 0.5 * random + 0.18 * sin(Double(row) * 0.9 + place.x / 120)
    let light = mix(sea(depth + 0.35), cream, 0.35 + 0.4 * noise.cell(Int(band), row))
    var color = Int(band).isMultiple(of: 2) ? sea(depth) : light
    if Int(band) == 0 { color = cream }
    if random > 0.86, Int(band) == 2 { color = Color(rgb: 0xE4572E) }
    if random < 0.12, Int(band) == 2 { color = Color(rgb: 0xF2B134) }
    // Printed from wood: the ink fades towards one edge and shows the grain.
    color = mix(color, cream, 0.22 * smoothstep(0.2, 0.9, fract(band)) * (Int(band).isMultiple(of: 2) ? 1 : 0))
    return mix(ink, color, smoothstep(0.7, 1.5, line))
  }

  private func sky(_ place: Point) -> Color {
    var color = sky((place.y + 16 * noise(place / 90)) / 235)
    let sun = (place - [352, 118]).length + 1.2 * noise(place / 15)
    let red = mix(Color(rgb: 0xD62F2F), Color(rgb: 0xF0653A), smoothstep(60, 190, place.y))
    color = mix(red, color, smoothstep(68, 70, sun))
    // Clouds: flat bands with round ends, in outline.
    for (x, y, half) in clouds {
      let offset = place - [x + 10 * noise([place.y / 30, y]), y]
      let distance = Point(max(abs(offset.x) - half + 9, 0), offset.y).length - 9
      let fill = mix(cream, Color(rgb: 0xE8C9A8), smoothstep(-7, 9, offset.y))
      color = mix(fill, color, smoothstep(-0.7, 0.7, distance))
      color = mix(ink, color, smoothstep(0.5, 1.5, abs(distance)))
    }
    return color
  }

  func paper(_ color: Color, _ place: Point) -> Color {
    let grain = noise.fractal([place.x / 60, place.y / 2.6], octaves: 3)
    let fibre = noise.fractal(place / 4, octaves: 3)
    return mix(color * (1 + 0.055 * grain), cream, clamp(0.05 + 0.09 * fibre))
  }
}
