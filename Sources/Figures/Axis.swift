import Foundation

/// An axis of a plot, marked at some round numbers.
struct Axis {
  let range: ClosedRange<Double>
  let ticks: [Double]

  /// - Parameter start: where the axis begins; nil for just before the least value.
  init(_ values: [Double], from start: Double? = nil) {
    let (least, most) = (start ?? values.min() ?? 0, values.max() ?? 1)
    let margin = (most - least) * 0.07
    range = (start ?? least - margin)...most + margin
    ticks = Self.roundNumbers(in: range)
  }

  /// Three to six multiples of 1, 2 or 5 times a power of ten.
  private static func roundNumbers(in range: ClosedRange<Double>) -> [Double] {
    let length = range.upperBound - range.lowerBound
    let power = pow(10, (log10(length)).rounded(.down) - 1)
    let step = [1, 2, 5, 10, 20, 50].map { $0 * power }.first { length / $0 < 5 } ?? length
    let first = (range.lowerBound / step).rounded(.up)
    return (0..<6).map { (first + Double($0)) * step }.filter { range.contains($0) }
  }

  /// How far along the axis a value lies: 0 is its beginning, 1 its end.
  func share(of value: Double) -> Double {
    (value - range.lowerBound) / (range.upperBound - range.lowerBound)
  }
}
