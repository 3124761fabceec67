import Drawing
import Foundation

/// The chart of one loss: a line through the means of its stretches, on a band from their least to their greatest value.
struct LossChart {
  private static let (width, height) = (380.0, 228.0)
  /// What is left free around the plot.
  private static let (right, top, bottom) = (14.0, 8.0, 28.0)

  private let stretches: [LossStretch]
  private let steps: Axis
  private let values: Axis
  /// What is left free for the numbers beside the plot.
  private let left: Double

  /// - Parameter stretches: of all steps.
  init(_ stretches: [LossStretch]) {
    self.stretches = stretches
    steps = Axis(0...Double(max(1, stretches.last?.steps.upperBound ?? 1)))
    values = Self.axis(for: stretches.filter { $0.mean.isFinite })
    // A digit is about 6 pixels wide.
    left = 10 + 6.3 * Double(values.ticks.map { Self.label($0).count }.max() ?? 0)
  }

  // MARK: Scales

  /// An axis that the line fills, with the band as far as it is not some lone extremes, beside which the line would be
  /// flat. Equal ratios are equal lengths if the line spans a factor of 20.
  private static func axis(for stretches: [LossStretch]) -> Axis {
    guard let low = stretches.map(\.mean).min(), let high = stretches.map(\.mean).max() else { return Axis(0...1) }
    let (least, greatest) = (stretches.map(\.least).min() ?? low, stretches.map(\.greatest).max() ?? high)
    let isLogarithmic = least >= 0 && low >= 1e-300 && high / low >= 20
    // Beyond these, an axis would not have room for its margins.
    let (smallestPower, greatestPower) = (-300.0, 300.0)
    let scale: (Double) -> Double =
      isLogarithmic ? { min(log10(max($0, 1e-300)), greatestPower) } : { min(max($0, -1e300), 1e300) }
    let (bottom, top) = (scale(low), scale(high))
    // Values that differ by less than a thousandth lie on a level line.
    let smallest = max(bottom.magnitude, top.magnitude) * 1e-3
    let span = max(top - bottom, smallest > 0 ? smallest : 1)
    var lower = max(scale(least), bottom - span / 2) - span * 0.06
    var upper = min(scale(greatest), top + span / 2) + span * 0.06
    let missing = max(0, span - (upper - lower)) / 2
    (lower, upper) = (lower - missing, upper + missing)
    if isLogarithmic {
      return Axis(logarithmic: pow(10, max(lower, smallestPower))...pow(10, min(upper, greatestPower)))
    }
    // Zero is worth seeing where it is near.
    if least >= 0, lower < upper * 0.3 { lower = 0 }
    return Axis(lower...upper)
  }

  private func place(_ step: Double, _ value: Double) -> SVG.Point {
    let share = min(max(values.share(of: value), 0), 1)
    return SVG.Point(
      left + (Self.width - left - Self.right) * steps.share(of: step),
      Self.top + (Self.height - Self.top - Self.bottom) * (1 - (share.isNaN ? 0 : share)))
  }

  private func place(_ stretch: LossStretch, _ value: Double) -> SVG.Point {
    place(Double(stretch.steps.lowerBound + stretch.steps.upperBound) / 2, value)
  }

  // MARK: Drawing

  /// The drawing, as a part of an HTML page.
  func element(label: String) -> String {
    var svg = SVG(width: Self.width, height: Self.height, theme: .page)
    drawAxes(in: &svg)
    // The line has a gap where no value is finite.
    let pieces = stretches.split { !$0.mean.isFinite }
    for piece in pieces where piece.count > 1 {
      let band = piece.map { place($0, $0.greatest) } + piece.reversed().map { place($0, $0.least) }
      svg.group([("part", "band")]) { $0.polygon(band, fill: "var(--band)") }
    }
    for piece in pieces {
      svg.group([("part", "line")]) { svg in
        if piece.count > 1 {
          svg.polyline(piece.map { place($0, $0.mean) }, stroke: svg.theme.series[0], width: 1.75)
        } else if let only = piece.first {
          svg.circle(place(only, only.mean), radius: 1.75, fill: svg.theme.series[0])
        }
      }
    }
    if let last = stretches.last(where: { $0.mean.isFinite }) {
      svg.group([("part", "newest")]) { svg in
        svg.circle(
          place(last, last.mean), radius: 4, fill: svg.theme.series[0], stroke: svg.theme.background, width: 1.5)
      }
    }
    svg.group([("part", "pointer")]) { svg in
      svg.circle(SVG.Point(0, 0), radius: 4.5, fill: svg.theme.background, stroke: svg.theme.series[0], width: 2)
    }
    return svg.element(label: label)
  }

  private static func label(_ tick: Double) -> String { inDigits(6, tick) }

  private func drawAxes(in svg: inout SVG) {
    let theme = svg.theme
    let (end, base) = (Self.width - Self.right, Self.height - Self.bottom)
    for tick in values.ticks {
      let y = place(0, tick).y
      svg.group([("value", "\(tick)")]) { svg in
        svg.line(SVG.Point(left, y), SVG.Point(end, y), stroke: theme.grid)
        svg.text(Self.label(tick), at: SVG.Point(left - 8, y + 4), size: 11, anchor: .end, fill: theme.muted)
      }
    }
    for tick in steps.ticks where tick == tick.rounded() {
      let x = place(tick, values.range.lowerBound).x
      svg.group([("step", "\(Int(tick))")]) { svg in
        svg.line(SVG.Point(x, base), SVG.Point(x, base + 4), stroke: theme.muted)
        let label = grouped(Int(tick))
        // A long number at the end of the axis would stand out of the drawing.
        let isAtEnd = x + 3.15 * Double(label.count) > Self.width
        svg.text(
          label, at: SVG.Point(isAtEnd ? Self.width : x, base + 19), size: 11, anchor: isAtEnd ? .end : .middle,
          fill: theme.muted)
      }
    }
    svg.line(SVG.Point(left, base), SVG.Point(end, base), stroke: theme.muted)
  }

  /// What the page's script shows at each place of the line: its x and y in the drawing, and words.
  var readings: String {
    stretches.filter { $0.mean.isFinite }.map { stretch in
      let place = place(stretch, stretch.mean)
      let steps = stretch.steps
      let words =
        steps.count == 1
        ? "\(inDigits(3, stretch.mean)) at step \(grouped(steps.lowerBound))"
        : "\(inDigits(3, stretch.mean)) (\(inDigits(3, stretch.least)) to \(inDigits(3, stretch.greatest))), "
          + "steps \(grouped(steps.lowerBound)) to \(grouped(steps.upperBound))"
      return "\(Int(place.x.rounded())) \(Int(place.y.rounded())) \(words)"
    }.joined(separator: "|")
  }
}
