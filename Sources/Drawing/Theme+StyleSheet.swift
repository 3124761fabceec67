extension Theme {
  /// The colours of the page that a drawing is part of, which ``declarations`` of a theme give it: so one drawing is
  /// light or dark as its reader has it.
  package static let page = Theme(
    background: "var(--background)", ink: "var(--ink)", muted: "var(--muted)", grid: "var(--grid)",
    series: light.series.indices.map { "var(--series-\($0))" })

  /// The theme's colours as a style sheet declares them for ``page``.
  package var declarations: String {
    let named = [("background", background), ("ink", ink), ("muted", muted), ("grid", grid)]
    let numbered = series.enumerated().map { ("series-\($0)", $1) }
    return (named + numbered).map { "--\($0): \($1);" }.joined(separator: " ")
  }
}
