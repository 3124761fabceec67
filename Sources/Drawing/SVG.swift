/// A drawing in Scalable Vector Graphics, built shape by shape. Lengths are in pixels, y downwards.
package struct SVG {
  package let width: Double
  package let height: Double
  package let theme: Theme
  private var shapes: [String] = []

  package init(width: Double, height: Double, theme: Theme) {
    self.width = width
    self.height = height
    self.theme = theme
  }

  package struct Point {
    package var x: Double
    package var y: Double

    package init(_ x: Double, _ y: Double) {
      self.x = x
      self.y = y
    }
  }

  package enum Anchor: String {
    case start, middle, end
  }

  package mutating func line(_ from: Point, _ to: Point, stroke: String, width: Double = 1) {
    add(
      "line", [("x1", from.x), ("y1", from.y), ("x2", to.x), ("y2", to.y), ("stroke-width", width)],
      [("stroke", stroke)])
  }

  package mutating func polygon(_ corners: [Point], fill: String, stroke: String? = nil, width: Double = 1) {
    add(
      "polygon", [("stroke-width", width)],
      [("points", list(corners)), ("fill", fill), ("stroke", stroke ?? "none"), ("stroke-linejoin", "round")])
  }

  package mutating func polyline(_ points: [Point], stroke: String, width: Double = 1.5, dashes: String? = nil) {
    add(
      "polyline", [("stroke-width", width)],
      [("points", list(points)), ("fill", "none"), ("stroke", stroke), ("stroke-linejoin", "round")]
        + (dashes.map { [("stroke-dasharray", $0)] } ?? []))
  }

  /// Draws lines that belong together as one shape.
  package mutating func lines(_ lines: [(from: Point, to: Point)], stroke: String, width: Double = 1) {
    let path = lines.map { "M\(list([$0.from]))L\(list([$0.to]))" }.joined()
    add("path", [("stroke-width", width)], [("d", path), ("stroke", stroke)])
  }

  package mutating func circle(
    _ centre: Point, radius: Double, fill: String, stroke: String? = nil, width: Double = 1
  ) {
    add(
      "circle", [("cx", centre.x), ("cy", centre.y), ("r", radius)],
      [("fill", fill)] + (stroke.map { [("stroke", $0), ("stroke-width", number(width))] } ?? []))
  }

  /// Makes one group of what a closure draws, with `data-` attributes that say what the group stands for.
  package mutating func group(_ data: [(name: String, value: String)], _ draw: (inout SVG) -> Void) {
    shapes.append("<g\(data.map { " data-\($0.name)=\"\(escapedForMarkup($0.value))\"" }.joined())>")
    draw(&self)
    shapes.append("</g>")
  }

  package mutating func text(
    _ text: String, at point: Point, size: Double = 12, anchor: Anchor = .start, fill: String? = nil,
    isBold: Bool = false
  ) {
    add(
      "text", [("x", point.x), ("y", point.y), ("font-size", size)],
      [("text-anchor", anchor.rawValue), ("fill", fill ?? theme.ink)] + (isBold ? [("font-weight", "600")] : []),
      content: text)
  }

  /// The whole drawing, as the text of a file.
  package var document: String {
    let (w, h) = (number(width), number(height))
    let head =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(w) \(h)\" width=\"\(w)\" height=\"\(h)\""
      + " font-family=\"-apple-system, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif\">"
    let back = "<rect width=\"\(w)\" height=\"\(h)\" rx=\"6\" fill=\"\(theme.background)\"/>"
    return ([head, back] + shapes + ["</svg>", ""]).joined(separator: "\n")
  }

  /// The drawing as a part of an HTML page, as wide as its place there, in the page's font.
  ///
  /// - Parameter label: what it shows, for those who do not see it.
  package func element(label: String) -> String {
    let head =
      "<svg viewBox=\"0 0 \(number(width)) \(number(height))\" role=\"img\" aria-label=\"\(escapedForMarkup(label))\">"
    return ([head] + shapes + ["</svg>"]).joined(separator: "\n")
  }

  private mutating func add(
    _ element: String, _ numbers: [(String, Double)], _ texts: [(String, String)], content: String? = nil
  ) {
    let attributes = (numbers.map { ($0, number($1)) } + texts).map { " \($0)=\"\(escapedForMarkup($1))\"" }.joined()
    shapes.append(
      content.map { "<\(element)\(attributes)>\(escapedForMarkup($0))</\(element)>" } ?? "<\(element)\(attributes)/>")
  }

  private func list(_ points: [Point]) -> String {
    points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
  }

  /// A number in two decimals at most; 0 for NaN and infinity, which would make the file invalid.
  private func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let rounded = (value * 100).rounded() / 100
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }
}
