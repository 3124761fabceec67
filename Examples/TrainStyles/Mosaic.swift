import Foundation
import Rendering
import Tensors

/// A flower over the sea in small stones, set in rows along the outlines as Roman mosaics have them.
func paintMosaic(on canvas: inout Canvas, random: inout SeededGenerator) {
  let design = Design(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in Color(rgb: 0x4A4038) + 0.07 * design.noise.fractal(place / 4, octaves: 3) }
  for stone in design.rows(random: &random) {
    let axis = design.alongRow(stone)
    let right = (axis + axis.turned * random.between(-0.1, 0.1)).normalized
    let half = Point(random.between(4.2, 5), random.between(4.3, 4.9))
    let color = design.color(stone, random: &random) + random.between(-0.11, 0.11)
    let slope = Point(random.between(-1, 1), random.between(-1, 1)) * 0.02
    let speck = Double(random.next() % 997)
    canvas.paint(from: stone - 9, to: stone + 9) { place in
      let offset = place - stone
      let inStone = Point(offset.dot(right), offset.dot(right.turned))
      let edge = min(half.x - abs(inStone.x), half.y - abs(inStone.y)) + design.noise(place / 3 + speck) * 0.4
      // Cut stone: each lies a little askew, and its upper edges are in the light.
      let bevel = (1 - smoothstep(0, 1.7, edge)) * (offset.x + offset.y > 0 ? -0.13 : 0.13)
      let grain = 0.06 * design.noise.fractal(place / 2.5 + speck, octaves: 2)
      return Canvas.Ink(color + slope.dot(inStone) + bevel + grain, smoothstep(-0.5, 0.6, edge))
    }
  }
}

private struct Design {
  let noise: Noise
  let center = Point(282, 196)
  let row = 10.4

  let gold = Ramp(0xB97A1C, 0xE0A92F, 0xF6D470, 0xEBC04A)
  let red = Ramp(0x7E1420, 0xC22A2A, 0xE8532F, 0xF58A4B)
  let rose = Ramp(0xF2A65A, 0xF7C873, 0xFBE3A6)
  let sea = Ramp(0x0B2458, 0x154A96, 0x2A82C4, 0x6CC1D9, 0xD5EFEA)
  let green = Ramp(0x14503A, 0x2F8448, 0x8ABB4E)
  let sky = Ramp(0xFBE9BD, 0xF4D9A0, 0xCFE3CF, 0x8CCBD0, 0x4AA3BE, 0x2C7FA8)

  /// How far outside the parts of the design a place is, about; from front to back. What is in none is sky.
  private func parts(_ place: Point) -> [Double] {
    let offset = place - center
    let (round, angle) = (offset.length, atan2(offset.y, offset.x))
    let petals = { (radius: Double, depth: Double, turn: Double) in
      round - radius - depth * abs(cos(4.5 * angle + turn))
    }
    let leaf = { (middle: Point, tilt: Double) in
      let axis = Point(cos(tilt), sin(tilt))
      let along = (place - middle).dot(axis) / 84
      return abs((place - middle).dot(axis.turned)) - 36 * max(1 - along * along, -1)
    }
    return [
      round - 31, petals(62, 26, 0), petals(98, 50, .pi / 2), leaf([172, 384], 0.5), leaf([404, 380], 2.62),
      abs(place.x - 288 - 14 * sin(place.y / 46)) - 10 + (place.y < 300 ? 300 - place.y : 0),
      430 + 16 * sin(place.x / 46 + 1) - place.y,
    ]
  }

  /// The part at a place, and how far it is to the nearest outline.
  private func nearest(_ place: Point) -> (part: Int, distance: Double) {
    var outside = Double.infinity
    for (part, distance) in parts(place).enumerated() {
      if distance < 0 { return (part, min(outside, -distance)) }
      outside = min(outside, distance)
    }
    return (7, outside)
  }

  private func slope(_ place: Point) -> Point {
    let step = 1.5
    return [
      nearest(place + [step, 0]).distance - nearest(place - [step, 0]).distance,
      nearest(place + [0, step]).distance - nearest(place - [0, step]).distance,
    ] / (2 * step)
  }

  func alongRow(_ place: Point) -> Point {
    let slope = slope(place)
    return slope.length < 0.1 ? [1, 0] : slope.turned.normalized
  }

  /// The middle of the row that a place is in.
  private func middle(_ place: Point) -> Point {
    let (slope, distance) = (slope(place), nearest(place).distance)
    let steepness = max(slope.length, 0.4)
    let aim = ((distance / steepness / row).rounded(.down) + 0.5) * row
    return place + slope.normalized * clamp(aim - distance / steepness, -5, 5)
  }

  /// Where the stones are. A row is laid from its first stone to both sides, as far as there is room.
  func rows(random: inout SeededGenerator) -> [Point] {
    var stones = Points(side: Canvas.side, spacing: row, margin: 12)
    let free = { (place: Point, stones: Points) in
      place.min() > -11 && place.max() < 523
        && !stones.near(place).contains { (stones.points[$0] - place).length < 0.86 * row }
    }
    var starts = Points(side: Canvas.side, apart: 3.5, margin: 8, random: &random).points
    // From the outlines inwards, since stones along an outline draw it.
    starts.sort { nearest($0).distance < nearest($1).distance }
    for start in starts {
      let first = middle(start)
      guard free(first, stones) else { continue }
      stones.append(first)
      for sense in [1.0, -1] {
        var (place, heading) = (first, alongRow(first) * sense)
        while true {
          var next = alongRow(place)
          if next.dot(heading) < 0 { next = -next }
          heading = next
          place = middle(place + heading * row)
          guard free(place, stones) else { break }
          stones.append(place)
        }
      }
    }
    return stones.points
  }

  func color(_ place: Point, random: inout SeededGenerator) -> Color {
    let (part, distance) = nearest(place)
    let any = random.nextUniform()
    let outline = distance < row
    let offset = place - center
    let petal = Int(((atan2(offset.y, offset.x) / .pi + 1) * 4.5 + (part == 2 ? 0 : 0.5)).rounded(.down))
    switch part {
    case 0: return outline ? Color(rgb: 0x54230F) + 0.08 * any : gold(any)
    case 1: return outline ? Color(rgb: 0xFFF3D0) - 0.1 * any : rose(0.6 * any + (petal.isMultiple(of: 2) ? 0 : 0.4))
    case 2: return outline ? red(0.2 * any) : red((petal.isMultiple(of: 2) ? 0.3 : 0.65) + 0.35 * any)
    case 3, 4: return green(outline ? 0.1 * any : distance < 2 * row ? 0.3 + 0.4 * any : 0.75 + 0.25 * any)
    case 5: return green(0.25 * any)
    case 6:
      let band = Int(distance / row) % 4
      return sea(clamp([0.95, 0.1, 0.35, 0.6][band] + 0.2 * (any - 0.5)))
    default:
      if outline { return place.y > 380 ? gold(any) : Color(rgb: 0x143C6E) + 0.1 * any }
      return any > 0.95 ? gold(0.6) : sky(distance / 190 + 0.24 * (any - 0.5))
    }
  }
}
