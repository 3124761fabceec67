import Drawing
import InstanceNorm
import Text

/// The types of normalisation side by side, after the figure of Wu and He 2018: for each type a block of cells, coloured
/// by which planes share their moments, and a plot of where the planes' means and deviations went.
package struct NormalizationFigure {
  private let comparison: Comparison
  private let theme: Theme
  private let scatter: PlaneScatter
  /// The whole tensor's mean and deviation. The planes before are measured in these, so that they fit the axes of those
  /// after. The deviation is 1 for a tensor that is constant.
  private let unit: (mean: Double, deviation: Double)

  private static let width = 880.0
  private static let margin = 16.0
  private static let panelWidth = (width - 2 * margin) / 4
  /// The most maps and pictures that a block shows, and the most planes that a plot shows.
  private static let (mostCells, mostDots) = (8, 400)

  package init(of comparison: Comparison, theme: Theme) {
    self.comparison = comparison
    self.theme = theme
    let whole = comparison.whole
    let deviation = whole.variance.squareRoot()
    unit = (whole.mean, deviation > 0 ? deviation : 1)
    let before = comparison.before.map { [unit] in Self.dot($0, in: unit) }
    let after = comparison.effects.flatMap { $0.after.map { Self.dot($0) } }
    scatter = PlaneScatter(fitting: before + after)
  }

  package var drawing: SVG {
    var svg = SVG(width: Self.width, height: notes.isEmpty ? 606 : 628, theme: theme)
    drawHead(in: &svg)
    for (index, effect) in comparison.effects.enumerated() {
      let left = Self.margin + Double(index) * Self.panelWidth
      svg.group([("panel", effect.title)]) { drawPanel(effect, left: left, in: &$0) }
    }
    drawFoot(in: &svg)
    return svg
  }

  // MARK: Head and foot

  private func drawHead(in svg: inout SVG) {
    let left = Self.margin + 4
    svg.text("Which planes share one mean and one variance", at: SVG.Point(left, 34), size: 18, isBold: true)
    let lines = [
      "Each block is N pictures of C maps of H \u{00D7} W values, here \(comparison.shape) in \(comparison.dtype).",
      "A piece without gaps was given one mean and variance when the layer ran; dots are the planes before and after.",
    ]
    for (index, line) in lines.enumerated() {
      svg.text(line, at: SVG.Point(left, 57 + 18 * Double(index)), size: 12.5, fill: theme.muted)
    }
  }

  private func drawFoot(in svg: inout SVG) {
    let (left, y) = (Self.margin + 4, 585.0)
    svg.line(SVG.Point(left, y - 23), SVG.Point(Self.width - left, y - 23), stroke: theme.grid)
    PlaneScatter.drawBefore(at: SVG.Point(left + 4, y - 4), in: &svg)
    let whole = comparison.whole
    let unit = "mean \(threeDigits(whole.mean)), deviation \(threeDigits(whole.variance.squareRoot()))"
    svg.text(
      "a plane before, in units of the whole tensor (\(unit))", at: SVG.Point(left + 14, y), size: 12,
      fill: theme.muted)
    PlaneScatter.drawAfter(at: SVG.Point(left + 560, y - 4), colour: theme.series[0], in: &svg)
    svg.text("after, in the colour of its set", at: SVG.Point(left + 570, y), size: 12, fill: theme.muted)
    if !notes.isEmpty {
      svg.text(
        "Shown are \(notes.joined(separator: ", ")).", at: SVG.Point(left, y + 22), size: 12, fill: theme.muted)
    }
  }

  /// What the figure shows only in part.
  private var notes: [String] {
    let (pictures, maps) = (comparison.shape[0], comparison.shape[1])
    return [
      pictures > Self.mostCells ? "the first \(Self.mostCells) of \(pictures) pictures" : nil,
      maps > Self.mostCells ? "the first \(Self.mostCells) of \(maps) maps" : nil,
      shownPlanes.count < pictures * maps ? "\(shownPlanes.count) of \(pictures * maps) planes as dots" : nil,
    ].compactMap { $0 }
  }

  /// The planes that are shown as dots: all of them, or evenly spread ones, as many as the eye can tell apart.
  private var shownPlanes: [Int] {
    let count = comparison.before.count
    let shown = min(count, Self.mostDots)
    return (0..<shown).map { $0 * count / shown }
  }

  // MARK: A panel

  private func drawPanel(_ effect: Comparison.Effect, left: Double, in svg: inout SVG) {
    let middle = left + Self.panelWidth / 2
    func line(_ text: String, _ y: Double, size: Double = 12, isBold: Bool = false, fill: String? = nil) {
      svg.text(text, at: SVG.Point(middle, y), size: size, anchor: .middle, fill: fill, isBold: isBold)
    }
    let colours = SetColours(of: effect.sets, maps: comparison.shape[1], theme: theme)
    line(effect.title, 112, size: 15, isBold: true)
    drawCube(effect, colours, centre: SVG.Point(middle, 203), in: &svg)
    line(effect.rule, 312, size: 12.5)
    line(
      "\(counted(effect.setCount, "mean")) for \(counted(effect.sets.count, "plane"))", 330, fill: theme.muted)
    let plot = (corner: SVG.Point(left + 34, 364), width: Self.panelWidth - 48, height: 118.0)
    scatter.draw(
      moves(of: effect, colours), in: &svg, corner: plot.corner, width: plot.width, height: plot.height)
    let summary = Self.summary(of: effect.after)
    line(summary.0, 528)
    line(summary.1, 545)
  }

  private func drawCube(_ effect: Comparison.Effect, _ colours: SetColours, centre: SVG.Point, in svg: inout SVG) {
    let (pictures, maps) = (comparison.shape[0], comparison.shape[1])
    let shown = (pictures: min(pictures, Self.mostCells), maps: min(maps, Self.mostCells))
    let sets = (0..<shown.pictures).map { t in Array(effect.sets[t * maps..<t * maps + shown.maps]) }
    let edge = PlaneCube.edge(pictures: shown.pictures, maps: shown.maps, width: 158, height: 150)
    let cube = PlaneCube(sets: sets, colours: colours, edge: edge)
    cube.draw(in: &svg, centre: centre)
    cube.label(in: &svg, centre: centre, maps: "C = \(maps)", pictures: "N = \(pictures)")
  }

  private func moves(of effect: Comparison.Effect, _ colours: SetColours) -> [PlaneScatter.Move] {
    shownPlanes.map { plane in
      PlaneScatter.Move(
        before: Self.dot(comparison.before[plane], in: unit), after: Self.dot(effect.after[plane]),
        colour: colours[effect.sets[plane]])
    }
  }

  private static func dot(
    _ plane: PlaneSummary, in unit: (mean: Double, deviation: Double) = (mean: 0, deviation: 1)
  ) -> PlaneScatter.Dot {
    PlaneScatter.Dot(mean: (plane.mean - unit.mean) / unit.deviation, deviation: plane.deviation / unit.deviation)
  }

  /// The means and deviations that a type gave the planes, in two lines.
  private static func summary(of planes: [PlaneSummary]) -> (String, String) {
    let (means, deviations) = (range(planes.map(\.mean)), range(planes.map(\.deviation)))
    return means.isOne && deviations.isOne
      ? ("means \(means.text), deviations \(deviations.text)", "in every plane")
      : ("means \(means.text)", "deviations \(deviations.text)")
  }

  private static func range(_ values: [Double]) -> (text: String, isOne: Bool) {
    let (least, most) = (values.min() ?? 0, values.max() ?? 0)
    if brief(least) == brief(most) { return (brief(least), true) }
    return ("\(twoDecimals(least)) to \(twoDecimals(most))", false)
  }
}
