import Foundation
import Rendering
import Tensors

/// A tree of golden spirals before a patterned ground, in the manner of the Vienna Secession.
func paintGold(on canvas: inout Canvas, random: inout SeededGenerator) {
  let tree = Tree(noise: Noise(seed: random.next()))
  canvas.paint { place, _ in tree.ground(place) }
  tree.meadow(on: &canvas, random: &random)
  // The boughs last: they hide where the twigs begin.
  for branch in tree.branches.reversed() { tree.draw(branch, on: &canvas, random: &random) }
}

private struct Tree {
  /// From where it leaves the trunk, the spiral that it ends in, and its sense.
  struct Branch {
    var root: Point
    var center: Point
    var radius: Double
    var sense: Double
    var width: Double
  }

  let noise: Noise
  let branches = [
    Branch(root: [262, 520], center: [398, 150], radius: 104, sense: 1, width: 36),
    Branch(root: [250, 520], center: [124, 132], radius: 100, sense: -1, width: 34),
    Branch(root: [262, 420], center: [432, 330], radius: 58, sense: 1, width: 18),
    Branch(root: [246, 430], center: [80, 318], radius: 62, sense: -1, width: 18),
    Branch(root: [254, 330], center: [262, 62], radius: 50, sense: 1, width: 15),
    Branch(root: [258, 360], center: [300, 250], radius: 36, sense: 1, width: 10),
    Branch(root: [250, 360], center: [196, 256], radius: 34, sense: -1, width: 10),
  ]
  let gold = Ramp(0x7A4A0E, 0xB9821F, 0xE3B341, 0xF8DF85, 0xFFF3C4)
  let night = Ramp(0x10222F, 0x17474F, 0x2D7C77, 0x6BB09A)
  let flowers = Ramp(0xD8342C, 0xF08A2E, 0xF4E3B0, 0x7A3FA0, 0x2E7FC2, 0xE86A9A, 0x3FA36B)

  /// A night of leaf metal in squares, with little rings in some of them.
  func ground(_ place: Point) -> Color {
    let leaf = (place / 21).rounded(.down)
    let inLeaf = place - (leaf + 0.5) * 21
    let any = noise.cell(Int(leaf.x), Int(leaf.y))
    let worn = noise.fractal(place / 34, octaves: 4)
    var color = night(0.3 + 0.25 * any + 0.3 * worn + 0.25 * (1 - place.y / 512))
    color = mix(color, gold(0.5 + 0.3 * worn), smoothstep(0.1, 0.75, worn) * 0.5)
    color *= 0.9 + 0.1 * smoothstep(10.5, 8.5, max(abs(inLeaf.x), abs(inLeaf.y)))
    if any > 0.6 {
      let ring = abs(inLeaf.length - 3 - 5 * fract(any * 31))
      color = mix(gold(0.75), color, smoothstep(0.5, 1.4, ring))
    }
    return color * (1 + 0.05 * noise.fractal(place / 3, octaves: 2))
  }

  func meadow(on canvas: inout Canvas, random: inout SeededGenerator) {
    let edge = { (x: Double) in 412 + 22 * sin(x / 70) }
    canvas.paint(from: [0, 380], to: [512, 512]) { place in
      let grass = mix(Color(rgb: 0x1E5A34), Color(rgb: 0x5E8F2E), 0.5 + noise.fractal(place / 18))
      return Canvas.Ink(grass, smoothstep(-0.5, 0.5, place.y - edge(place.x)))
    }
    for point in Points(side: Canvas.side, apart: 11, margin: 6, random: &random).points where point.y > edge(point.x) {
      let radius = random.between(3.5, 6.5)
      let color = flowers[Int(random.between(0, 7))]
      canvas.disc(at: point, radius: radius, Canvas.Ink(color * 0.55))
      canvas.disc(at: point, radius: radius - 1, Canvas.Ink(color))
      canvas.disc(at: point, radius: radius * 0.5, Canvas.Ink(flowers[Int(random.between(0, 7))]))
      canvas.disc(at: point, radius: radius * 0.22, Canvas.Ink(gold(0.9)))
    }
  }

  func draw(_ branch: Branch, on canvas: inout Canvas, random: inout SeededGenerator) {
    let turns = 2.6 * 2 * .pi
    let entry = branch.sense > 0 ? Double.pi : 0
    let spiral = (0...70).map { step in
      let share = Double(step) / 70
      let angle = entry + branch.sense * turns * share
      return branch.center + Point(cos(angle), sin(angle)) * branch.radius * pow(1 - share, 0.8)
    }
    // The way there is a cubic Bezier curve, which arrives upwards as the spiral leaves.
    let from = branch.root
    let lift = Point(from.x, mix(from.y, spiral[0].y, 0.55))
    let before = spiral[0] + [0, 0.35 * (from.y - spiral[0].y)]
    let rise = (0..<30).map { step in
      let share = Double(step) / 30
      let (low, middle, high) = (mix(from, lift, share), mix(lift, before, share), mix(before, spiral[0], share))
      return mix(mix(low, middle, share), mix(middle, high, share), share)
    }
    let path = rise + spiral
    let width = { (along: Double) in branch.width * (1 - 0.78 * pow(along, 0.8)) + 2.2 }
    canvas.stroke(path) {
      width($0) + 3
    } _: { _, _ in
      Canvas.Ink(Color(rgb: 0x33200C))
    }
    let speck = branch.center / 5
    canvas.stroke(path, width: width) { along, across in
      let cells = along * 900 / branch.width.squareRoot()
      let metal = 0.62 + 0.22 * noise([cells / 5 + speck.x, across * 2]) - 0.3 * across * across + 0.1 * sin(cells)
      let line = smoothstep(0.16, 0.06, abs(abs(across) - 0.55))
      return Canvas.Ink(mix(gold(metal), gold(0.08), line * 0.55))
    }
    // Eyes and lozenges hang along it.
    for index in stride(from: 34, to: path.count - 12, by: 7) {
      let place = path[index]
      let outward = (place - branch.center).normalized
      let eye = place + outward * (width(Double(index) / Double(path.count)) / 2 + 6)
      canvas.disc(at: eye, radius: 6, Canvas.Ink(Color(rgb: 0x2B1A0A)))
      canvas.disc(at: eye, radius: 5, Canvas.Ink(index.isMultiple(of: 2) ? Color(rgb: 0xFBF1D5) : gold(0.8)))
      canvas.disc(at: eye, radius: 3, Canvas.Ink(flowers[Int(random.between(0, 7))]))
      canvas.disc(at: eye, radius: 1.3, Canvas.Ink(Color(rgb: 0x17120C)))
    }
  }
}
