import Drawing
import Foundation

/// The loss curves: a column for each batch size, above the loss in training, below that in use.
struct Chart {
  private let results: Results
  private let theme: Theme
  private var svg: SVG

  private let width = 880.0
  private let left = 58.0
  private let top = 112.0
  private let plot = (width: 272.0, height: 214.0)
  /// From one plot's corner to the next one's.
  private let pitch = (x: 416.0, y: 268.0)
  /// The logarithms of the least and the largest loss that are shown.
  private let exponents: ClosedRange<Double>

  private struct Row {
    let title: String
    let losses: KeyPath<Run, [Double]>
  }
  private let rows: [Row]

  var document: String { svg.document }

  init(_ results: Results, _ theme: Theme) {
    self.results = results
    self.theme = theme
    rows = [
      Row(title: "In training", losses: \.training),
      Row(title: "In use: \(results.plan.heldOut) other pictures, evaluation mode", losses: \.heldOut),
    ]
    let ranges = rows.flatMap { row in
      results.plan.batchSizes.flatMap { size in
        Norm.allCases.flatMap { results.curve(row.losses, $0, batchSize: size).map(\.range) }
      }
    }
    let least = ranges.map(\.lowerBound).min() ?? 0.01
    let largest = ranges.map(\.upperBound).max() ?? 1
    exponents = log10(max(least, 1e-9)) - 0.05...log10(min(max(largest, least, 1e-9), 1e9)) + 0.05
    svg = SVG(width: width, height: top + pitch.y + plot.height + 48, theme: theme)
    draw()
  }

  private mutating func draw() {
    let plan = results.plan
    svg.text(
      "One small generator, five types of normalisation", at: .init(left, 34), size: 17, isBold: true)
    let seeds = plan.seeds == 1 ? "one seed" : "the median of \(plan.seeds) seeds; pale, all of them"
    svg.text(
      "\(plan.isEachMap ? "Maps" : "Pictures") of any contrast and brightness are to be brought to one. "
        + "Mean squared error: \(seeds).",
      at: .init(left, 55), fill: theme.muted)
    for (column, size) in plan.batchSizes.enumerated() {
      svg.text(
        "Batches of \(size == 1 ? "1 picture" : "\(size) pictures")",
        at: .init(left + Double(column) * pitch.x, 86), size: 14, isBold: true)
      for (index, row) in rows.enumerated() {
        let corner = SVG.Point(left + Double(column) * pitch.x, top + Double(index) * pitch.y)
        drawAxes(at: corner, title: row.title, isFirst: column == 0, isLast: index == rows.count - 1)
        drawCurves(row.losses, batchSize: size, at: corner)
      }
    }
  }

  // MARK: Places

  private func x(_ step: Int, _ corner: SVG.Point) -> Double {
    corner.x + plot.width * Double(step) / Double(results.plan.steps)
  }

  private func y(_ loss: Double, _ corner: SVG.Point) -> Double {
    let share = (log10(max(loss, 1e-9)) - exponents.lowerBound) / (exponents.upperBound - exponents.lowerBound)
    return corner.y + plot.height * (1 - min(max(share, 0), 1))
  }

  // MARK: Axes

  private mutating func drawAxes(at corner: SVG.Point, title: String, isFirst: Bool, isLast: Bool) {
    svg.text(title, at: .init(corner.x, corner.y - 8), size: 12, fill: theme.muted)
    for exponent in Int(exponents.lowerBound.rounded(.down))...Int(exponents.upperBound.rounded(.up)) {
      for (factor, digit) in [(1.0, "1"), (3.0, "3")] where exponents.contains(log10(factor) + Double(exponent)) {
        let height = y(factor * pow(10, Double(exponent)), corner)
        svg.line(.init(corner.x, height), .init(corner.x + plot.width, height), stroke: theme.grid)
        guard isFirst else { continue }
        let zeros = String(repeating: "0", count: max(exponent, 0))
        let label =
          exponent < 0 ? "0." + String(repeating: "0", count: -exponent - 1) + digit : digit + zeros
        svg.text(label, at: .init(corner.x - 8, height + 4), size: 11, anchor: .end, fill: theme.muted)
      }
    }
    let bottom = corner.y + plot.height
    svg.line(.init(corner.x, bottom), .init(corner.x + plot.width, bottom), stroke: theme.muted)
    guard isLast else { return }
    for part in 0...4 {
      let step = results.plan.steps * part / 4
      svg.line(.init(x(step, corner), bottom), .init(x(step, corner), bottom + 4), stroke: theme.muted)
      svg.text(
        part == 4 ? "\(step) steps" : "\(step)", at: .init(x(step, corner), bottom + 18), size: 11, anchor: .middle,
        fill: theme.muted)
    }
  }

  // MARK: Curves

  private func color(_ norm: Norm) -> String {
    switch norm {
    case .none: theme.series[7]
    case .batch: theme.series[5]
    case .layer: theme.series[2]
    case .group: theme.series[3]
    case .instance: theme.series[0]
    }
  }

  private mutating func drawCurves(_ losses: KeyPath<Run, [Double]>, batchSize: Int, at corner: SVG.Point) {
    let height = y(Pictures.greyLoss, corner)
    svg.polyline(
      [.init(corner.x, height), .init(corner.x + plot.width, height)], stroke: theme.muted, width: 1, dashes: "2 3")

    let curves = Norm.allCases.map { ($0, results.curve(losses, $0, batchSize: batchSize)) }
    for (norm, points) in curves {
      // Two hexadecimal digits of opacity.
      svg.polygon(
        points.map { .init(x($0.step, corner), y($0.range.upperBound, corner)) }
          + points.reversed().map { .init(x($0.step, corner), y($0.range.lowerBound, corner)) },
        fill: color(norm) + "2e")
    }
    // Batch last and in dashes, since at batch size 1 it trains exactly as instance does.
    for (norm, points) in curves.filter({ $0.0 != .batch }) + curves.filter({ $0.0 == .batch }) {
      svg.polyline(
        points.map { .init(x($0.step, corner), y($0.median, corner)) }, stroke: color(norm), width: 2,
        dashes: norm == .batch ? "6 4" : nil)
    }
    drawLabels(curves.compactMap { norm, points in points.last.map { (norm, $0.median) } }, at: corner, height)
  }

  private struct Label {
    var names: String
    let value: Double?
    let color: String
    /// Where its curve ends, and where it is written.
    let end: Double
    var place: Double
  }

  /// A name at each curve's end, moved apart where they would lie on each other; curves that are one get one.
  private mutating func drawLabels(_ ends: [(norm: Norm, loss: Double)], at corner: SVG.Point, _ greyHeight: Double) {
    var labels = [
      Label(names: "all grey", value: nil, color: theme.muted, end: greyHeight, place: greyHeight)
    ]
    for (norm, loss) in ends {
      if let same = labels.firstIndex(where: { $0.value == loss }) {
        labels[same].names += " = \(norm)"
      } else {
        let height = y(loss, corner)
        labels.append(Label(names: "\(norm)", value: loss, color: color(norm), end: height, place: height))
      }
    }
    labels.sort { $0.end < $1.end }
    let gap = 15.0
    // Neighbours that are too close push each other apart by half of what is missing, until all have room.
    for _ in 0..<200 {
      for index in labels.indices.dropFirst() {
        let missing = gap - (labels[index].place - labels[index - 1].place)
        guard missing > 0 else { continue }
        labels[index].place += missing / 2
        labels[index - 1].place -= missing / 2
      }
    }
    let end = corner.x + plot.width
    for label in labels {
      svg.polyline(
        [.init(end + 2, label.end), .init(end + 14, label.place), .init(end + 18, label.place)], stroke: label.color,
        width: label.value == nil ? 1 : 2)
      svg.text(
        label.names, at: .init(end + 23, label.place + 4), size: 12, fill: label.value == nil ? theme.muted : nil)
    }
  }
}
