import Foundation

/// A number in six digits.
func short(_ value: Double) -> String {
  value.isNaN ? "nan" : String(format: "%.6g", value)
}

/// A text as one line, whatever a file's name or contents, or a driver, put into it.
func oneLine(_ text: String) -> String {
  text.split(whereSeparator: \.isNewline).joined(separator: " ")
    .unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : String($0) }.joined()
}

/// Columns as wide as their widest cell, numbers to the right.
func table(_ rows: [[String]]) -> String {
  let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
  }.joined(separator: "\n")
}
