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

  package mutating func rectangle(
    _ corner: Point, width: Double, height: Double, fill: String, stroke: String? = nil, radius: Double = 0
  ) {
    add(
      "rect",
      [("x", corner.x), ("y", corner.y), ("width", width), ("height", height), ("rx", radius)],
      [("fill", fill), ("stroke", stroke ?? "none")])
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

  /// Lines that belong together, as one shape.
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

  /// What a closure draws as one group, with `data-` attributes that say what it stands for.
  package mutating func group(_ data: [(name: String, value: String)], _ draw: (inout SVG) -> Void) {
    shapes.append("<g\(data.map { " data-\($0.name)=\"\(escaped($0.value))\"" }.joined())>")
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

  /// The whole, as the text of a file.
  package var document: String {
    let (w, h) = (number(width), number(height))
    let head =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(w) \(h)\" width=\"\(w)\" height=\"\(h)\""
      + " font-family=\"-apple-system, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif\">"
    let back = "<rect width=\"\(w)\" height=\"\(h)\" rx=\"6\" fill=\"\(theme.background)\"/>"
    return ([head, back] + shapes + ["</svg>", ""]).joined(separator: "\n")
  }

  private mutating func add(
    _ element: String, _ numbers: [(String, Double)], _ texts: [(String, String)], content: String? = nil
  ) {
    let attributes = (numbers.map { ($0, number($1)) } + texts).map { " \($0)=\"\(escaped($1))\"" }.joined()
    shapes.append(
      content.map { "<\(element)\(attributes)>\(escaped($0))</\(element)>" } ?? "<\(element)\(attributes)/>")
  }

  private func list(_ points: [Point]) -> String {
    points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
  }

  /// With two decimals, at most; what is no number would make the file invalid.
  private func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let rounded = (value * 100).rounded() / 100
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }

  private func escaped(_ text: String) -> String {
    text.map { character in
      switch character {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      default: String(character)
      }
    }.joined()
  }
}

/// The colours of a drawing.
package struct Theme: Sendable {
  package let background: String
  /// Of titles and what has to be read.
  package let ink: String
  /// Of what explains.
  package let muted: String
  /// Of lines that guide the eye.
  package let grid: String
  /// Colours that are told apart also by those who see red and green as one (Okabe and Ito), for eight things.
  package let series: [String]

  /// A colour on the way to another: `share` 0 is the first, 1 the second. Both as `#rrggbb`.
  package static func mix(_ first: String, _ second: String, _ share: Double) -> String {
    func channels(_ colour: String) -> [Double] {
      let bits = Int(colour.dropFirst(), radix: 16) ?? 0
      return [bits >> 16, bits >> 8, bits].map { Double($0 & 255) }
    }
    let bits = zip(channels(first), channels(second)).reduce(0) { bits, pair in
      bits << 8 | Int((pair.0 + (pair.1 - pair.0) * share).rounded())
    }
    let digits = String(bits, radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
  }

  package static let light = Theme(
    background: "#ffffff", ink: "#1f2328", muted: "#59636e", grid: "#d8dee4",
    series: ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f7f7f"])

  package static let dark = Theme(
    background: "#0d1117", ink: "#f0f6fc", muted: "#9198a1", grid: "#30363d",
    series: ["#3d9be9", "#e69f00", "#20b48b", "#d98cb8", "#7cc7f2", "#ec7a32", "#f0e442", "#a0a0a0"])
}
