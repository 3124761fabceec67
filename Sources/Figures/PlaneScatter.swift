import Drawing
import Text

/// A plot of planes before and after, as dots: means to the right, deviations upwards.
struct PlaneScatter {
  /// A plane.
  struct Dot {
    let mean: Double
    let deviation: Double
  }

  /// What became of a plane.
  struct Move {
    let before: Dot
    let after: Dot
    let colour: String
  }

  let means: Axis
  let deviations: Axis

  /// Makes the axes so long that all of some dots lie on them, and mean 0 and deviation 1 too.
  init(fitting dots: [Dot]) {
    means = Axis(dots.map(\.mean) + [-1, 1])
    deviations = Axis(dots.map(\.deviation) + [1], from: 0)
  }

  func draw(_ moves: [Move], in svg: inout SVG, corner: SVG.Point, width: Double, height: Double) {
    func place(_ dot: Dot) -> SVG.Point {
      SVG.Point(
        corner.x + width * means.share(of: dot.mean), corner.y + height * (1 - deviations.share(of: dot.deviation)))
    }
    drawAxes(in: &svg, corner: corner, width: width, height: height)
    let theme = svg.theme
    svg.lines(
      moves.map { (place($0.before), place($0.after)) }, stroke: Theme.mix(theme.background, theme.muted, 0.3),
      width: 0.7)
    // Where there are many dots, they are small.
    let size = moves.count > 60 ? 0.7 : 1
    for move in moves { Self.drawBefore(at: place(move.before), size: size, in: &svg) }
    // Drawn in reverse, so that of those that end in one place the first is on top.
    for move in moves.reversed() {
      Self.drawAfter(at: place(move.after), size: size, colour: move.colour, in: &svg)
    }
  }

  static func drawBefore(at centre: SVG.Point, size: Double = 1, in svg: inout SVG) {
    let theme = svg.theme
    svg.circle(
      centre, radius: 2.4 * size, fill: theme.background, stroke: Theme.mix(theme.background, theme.muted, 0.75))
  }

  static func drawAfter(at centre: SVG.Point, size: Double = 1, colour: String, in svg: inout SVG) {
    svg.circle(centre, radius: 3.6 * size, fill: colour, stroke: svg.theme.background, width: 0.8)
  }

  private func drawAxes(in svg: inout SVG, corner: SVG.Point, width: Double, height: Double) {
    let (theme, base) = (svg.theme, corner.y + height)
    for tick in means.ticks {
      let x = corner.x + width * means.share(of: tick)
      svg.line(SVG.Point(x, corner.y), SVG.Point(x, base), stroke: theme.grid, width: tick == 0 ? 1.2 : 0.6)
      svg.text(brief(tick), at: SVG.Point(x, base + 14), size: 11, anchor: .middle, fill: theme.muted)
    }
    for tick in deviations.ticks {
      let y = base - height * deviations.share(of: tick)
      svg.line(
        SVG.Point(corner.x, y), SVG.Point(corner.x + width, y), stroke: theme.grid, width: tick == 1 ? 1.2 : 0.6)
      svg.text(brief(tick), at: SVG.Point(corner.x - 6, y + 4), size: 11, anchor: .end, fill: theme.muted)
    }
    svg.text("deviation", at: SVG.Point(corner.x, corner.y - 6), size: 11, fill: theme.muted)
    svg.text("mean", at: SVG.Point(corner.x + width, base + 28), size: 11, anchor: .end, fill: theme.muted)
  }
}
