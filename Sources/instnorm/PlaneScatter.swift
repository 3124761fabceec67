import Drawing
import Foundation

/// Planes as dots, their means to the right and their deviations upwards, before and after.
struct PlaneScatter {
  /// Mean and deviation.
  struct Dot {
    let mean: Double
    let deviation: Double
  }

  struct Move {
    let before: Dot
    let after: Dot
    let colour: String
  }

  let means: Axis
  let deviations: Axis

  /// Axes on which all of some dots lie, and mean 0 and deviation 1 too.
  init(fitting dots: [Dot]) {
    means = Axis(dots.map(\.mean) + [-1, 1])
    deviations = Axis(dots.map(\.deviation) + [1], from: 0)
  }

  /// A scale with some round numbers on it.
  struct Axis {
    let range: ClosedRange<Double>
    let ticks: [Double]

    /// - Parameter start: where the axis begins; nil for a little before the least value.
    init(_ values: [Double], from start: Double? = nil) {
      let (least, most) = (start ?? values.min() ?? 0, values.max() ?? 1)
      let margin = (most - least) * 0.07
      range = (start ?? least - margin)...most + margin
      ticks = Self.roundNumbers(in: range)
    }

    /// Multiples of 1, 2 or 5 times a power of ten, three to six of them.
    private static func roundNumbers(in range: ClosedRange<Double>) -> [Double] {
      let length = range.upperBound - range.lowerBound
      let power = pow(10, (log10(length)).rounded(.down) - 1)
      let step = [1, 2, 5, 10, 20, 50].map { $0 * power }.first { length / $0 < 5 } ?? length
      let first = (range.lowerBound / step).rounded(.up)
      return (0..<6).map { (first + Double($0)) * step }.filter { range.contains($0) }
    }
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
    // Many dots are small ones.
    let size = moves.count > 60 ? 0.7 : 1
    for move in moves { Self.drawBefore(at: place(move.before), size: size, in: &svg) }
    // Where many end in one place, the first is on top.
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

extension PlaneScatter.Axis {
  func share(of value: Double) -> Double {
    (value - range.lowerBound) / (range.upperBound - range.lowerBound)
  }
}

/// A number in two decimals, with a minus as wide as a plus.
func twoDecimals(_ value: Double) -> String {
  let text = String(format: "%.2f", value)
  return (text == "-0.00" ? "0.00" : text).replacingOccurrences(of: "-", with: "\u{2212}")
}

/// Likewise, without zeros at the end.
func brief(_ value: Double) -> String {
  String(twoDecimals(value).reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed())
}

/// A number of any size in three digits.
func threeDigits(_ value: Double) -> String {
  String(format: "%.3g", value).replacingOccurrences(of: "-", with: "\u{2212}")
}
