import Foundation

/// An axis of a plot, marked at some round numbers.
package struct Axis {
  package let range: ClosedRange<Double>
  package let ticks: [Double]
  /// Whether equal lengths stand for equal ratios.
  private let isLogarithmic: Bool

  /// - Parameter start: where the axis begins; nil for just before the least value.
  package init(_ values: [Double], from start: Double? = nil) {
    let (least, most) = (start ?? values.min() ?? 0, values.max() ?? 1)
    let margin = (most - least) * 0.07
    self.init((start ?? least - margin)...most + margin)
  }

  package init(_ range: ClosedRange<Double>) {
    self.range = range
    ticks = Self.roundNumbers(in: range)
    isLogarithmic = false
  }

  /// - Parameter range: from 1e-300 to 1e300.
  package init(logarithmic range: ClosedRange<Double>) {
    self.range = range
    ticks = Self.roundRatios(in: range)
    isLogarithmic = true
  }

  /// Three to six multiples of 1, 2 or 5 times a power of ten.
  private static func roundNumbers(in range: ClosedRange<Double>) -> [Double] {
    let length = range.upperBound - range.lowerBound
    let power = pow(10, (log10(length)).rounded(.down) - 1)
    let step = [1, 2, 5, 10, 20, 50].map { $0 * power }.first { length / $0 < 5 } ?? length
    let first = (range.lowerBound / step).rounded(.up)
    return (0..<6).map { (first + Double($0)) * step }.filter { range.contains($0) }
  }

  /// Powers of ten, six at most; 2 and 5 times them as well where there would be few.
  private static func roundRatios(in range: ClosedRange<Double>) -> [Double] {
    let (first, last) = (log10(range.lowerBound).rounded(.down), log10(range.upperBound).rounded(.up))
    let every = max(1, ((last - first) / 5).rounded(.up))
    let powers = stride(from: first, through: last, by: every)
    let few = [1.0, 2, 5]
    let ticks = powers.flatMap { power in (last - first > 3 ? [1] : few).map { $0 * pow(10, power) } }
    return ticks.filter { range.contains($0) }
  }

  /// How far along the axis a value lies: 0 is its beginning, 1 its end.
  package func share(of value: Double) -> Double {
    let scale: (Double) -> Double = isLogarithmic ? { log10($0) } : { $0 }
    return (scale(value) - scale(range.lowerBound)) / (scale(range.upperBound) - scale(range.lowerBound))
  }
}
