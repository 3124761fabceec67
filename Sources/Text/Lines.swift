/// A text as one line, whatever a driver or a file's name or contents put into it.
package func oneLine(_ text: String) -> String {
  text.split(whereSeparator: \.isNewline).joined(separator: " ")
    .unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : String($0) }.joined()
}

/// Rows of cells aligned to the right, each column as wide as its widest cell.
package func table(_ rows: [[String]]) -> String {
  let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    zip(row, widths).map { padding($0, $1) + $0 }.joined(separator: "  ")
  }.joined(separator: "\n")
}

/// A row of a table that is printed row by row: the first cell to the left, the others to the right.
package func tableRow(_ cells: [String], widths: [Int]) -> String {
  zip(cells, widths).enumerated().map { column, cell in
    column == 0 ? cell.0 + padding(cell.0, cell.1) : padding(cell.0, cell.1) + cell.0
  }.joined(separator: "  ")
}

private func padding(_ cell: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - cell.count))
}
