import Foundation

/// A number in six digits.
package func short(_ value: Double) -> String {
  value.isNaN ? "nan" : String(format: "%.6g", value)
}

/// A number in two decimals, with a minus sign as wide as a plus.
package func twoDecimals(_ value: Double) -> String {
  let text = String(format: "%.2f", value)
  return withMinusSign(text == "-0.00" ? "0.00" : text)
}

/// A number in two decimals at most, without zeros at the end.
package func brief(_ value: Double) -> String {
  String(twoDecimals(value).reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed())
}

/// A number in three digits, with a minus sign as wide as a plus.
package func threeDigits(_ value: Double) -> String {
  withMinusSign(String(format: "%.3g", value))
}

/// Seconds in four digits, with the unit that suits them.
package func duration(_ seconds: Double) -> String {
  switch seconds {
  case ..<1e-3: String(format: "%.4g us", seconds * 1e6)
  case ..<1: String(format: "%.4g ms", seconds * 1e3)
  default: String(format: "%.4g s", seconds)
  }
}

/// "1 group", "2 groups".
package func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

private func withMinusSign(_ text: String) -> String {
  text.replacingOccurrences(of: "-", with: "\u{2212}")
}
