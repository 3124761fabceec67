import Drawing

struct Chart {
  let document: String
  init(_ results: Results, _ theme: Theme) {
    document = SVG(width: 880, height: 600, theme: theme).document
  }
}
