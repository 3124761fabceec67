/// Text as it stands in SVG and HTML, between tags and in attributes within double quotes.
package func escapedForMarkup(_ text: String) -> String {
  // Scalar by scalar: with an accent after it, a bracket is no longer the character "<", and opens a tag all the same.
  func escape(_ scalar: UInt32) -> String? {
    switch Unicode.Scalar(scalar) {
    case "&": "&amp;"
    case "<": "&lt;"
    case ">": "&gt;"
    case "\"": "&quot;"
    default: nil
    }
  }
  guard text.utf8.contains(where: { escape(UInt32($0)) != nil }) else { return text }
  return text.unicodeScalars.map { escape($0.value) ?? String($0) }.joined()
}
