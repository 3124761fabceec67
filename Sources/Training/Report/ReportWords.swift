import Foundation

// Numbers as the report shows them.

/// A whole number with its thousands apart: 12,000.
func grouped(_ number: Int) -> String {
  let digits = String(number.magnitude)
  let first = digits.count % 3
  let groups = stride(from: first, to: digits.count, by: 3).map { String(digits.dropFirst($0).prefix(3)) }
  let text = ((first > 0 ? [String(digits.prefix(first))] : []) + groups).joined(separator: ",")
  return number < 0 ? "\u{2212}\(text)" : text
}

/// A number in so many digits at most, with a power of ten where it would have many zeros: 0.012, 1.2×10⁻⁵.
func inDigits(_ count: Int, _ value: Double) -> String {
  guard value.isFinite else { return "not finite" }
  // Below it, powers of ten have no exact digits.
  guard value.magnitude >= 1e-300 else { return "0" }
  var power = Int(log10(value.magnitude).rounded(.down))
  var scaled = (value.magnitude / pow(10, Double(power)) * pow(10, Double(count - 1))).rounded()
  if scaled >= pow(10, Double(count)) {
    // 9.996 has become 10.00.
    scaled = (scaled / 10).rounded()
    power += 1
  }
  let digits = String(Int(scaled))
  let sign = value < 0 ? "\u{2212}" : ""
  if power >= 6 || power < -4 {
    let factor = joined(String(digits.prefix(1)), digits.dropFirst())
    return sign + (factor == "1" ? "" : factor + "×") + "10" + superscript(power)
  }
  if power < 0 { return sign + joined("0", String(repeating: "0", count: -power - 1) + digits) }
  let whole = digits.prefix(power + 1) + String(repeating: "0", count: max(0, power + 1 - count))
  return sign + joined(grouped(Int(whole) ?? 0), digits.dropFirst(power + 1))
}

/// Seconds as a person says them: "40 s", "12 min", "2 h 5 min".
func timeInWords(_ seconds: Double) -> String {
  guard seconds.isFinite, seconds < 1e9 else { return "very long" }
  let whole = Int(max(0, seconds).rounded())
  switch whole {
  case ..<60: return "\(whole) s"
  case ..<3600: return "\(Int((Double(whole) / 60).rounded())) min"
  default:
    let minutes = Int((Double(whole) / 60).rounded())
    return minutes % 60 == 0 ? "\(minutes / 60) h" : "\(minutes / 60) h \(minutes % 60) min"
  }
}

/// A number of these digits before and after the point, without zeros at the end.
private func joined(_ whole: String, _ fraction: some StringProtocol) -> String {
  var fraction = String(fraction)
  while fraction.last == "0" { fraction.removeLast() }
  return fraction.isEmpty ? whole : "\(whole).\(fraction)"
}

private func superscript(_ number: Int) -> String {
  let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
  return (number < 0 ? "⁻" : "")
    + String(String(number.magnitude).compactMap { $0.wholeNumberValue.map { digits[$0] } })
}
