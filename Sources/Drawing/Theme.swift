/// The colours of a drawing.
package struct Theme: Sendable {
  package let background: String
  /// For titles and other text that has to be read.
  package let ink: String
  /// For explanations.
  package let muted: String
  /// For lines that guide the eye.
  package let grid: String
  /// Eight colours that can be told apart without telling red from green (Okabe and Ito).
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
