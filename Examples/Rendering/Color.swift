/// Red, green and blue, 0...1, as sRGB has them.
public typealias Color = SIMD3<Double>
/// From the left and from the top.
public typealias Point = SIMD2<Double>

extension SIMD3<Double> {
  /// A colour as it stands in a style sheet: 0xRRGGBB.
  public init(rgb: Int) {
    self.init(Double(rgb >> 16 & 255) / 255, Double(rgb >> 8 & 255) / 255, Double(rgb & 255) / 255)
  }

  /// How light it looks, by Rec. 709.
  @inlinable public var luma: Double { 0.2126 * x + 0.7152 * y + 0.0722 * z }

  /// The same lightness with `factor` times the colourfulness.
  @inlinable public func saturated(_ factor: Double) -> Self { mix(Self(repeating: luma), self, factor) }
}

extension SIMD2<Double> {
  @inlinable public var length: Double { (self * self).sum().squareRoot() }
  /// A quarter turn: clockwise, as y points down.
  @inlinable public var turned: Self { [-y, x] }
  @inlinable public func dot(_ other: Self) -> Double { (self * other).sum() }
  @inlinable public var normalized: Self { self / Swift.max(length, 1e-12) }
}

@inlinable public func mix<V: SIMD>(_ first: V, _ second: V, _ share: Double) -> V where V.Scalar == Double {
  first + (second - first) * share
}
@inlinable public func mix(_ first: Double, _ second: Double, _ share: Double) -> Double {
  first + (second - first) * share
}

@inlinable public func clamp(_ value: Double, _ lower: Double = 0, _ upper: Double = 1) -> Double {
  min(max(value, lower), upper)
}

@inlinable public func fract(_ value: Double) -> Double { value - value.rounded(.down) }

@inlinable public func smoothstep(_ lower: Double, _ upper: Double, _ value: Double) -> Double {
  let t = clamp((value - lower) / (upper - lower))
  return t * t * (3 - 2 * t)
}

/// Colours from 0 to 1 in equal steps, mixed in between.
public struct Ramp: Sendable {
  @usableFromInline let colors: [Color]

  public init(_ rgb: Int...) { colors = rgb.map { Color(rgb: $0) } }

  @inlinable public func callAsFunction(_ place: Double) -> Color {
    let step = clamp(place) * Double(colors.count - 1)
    let first = min(Int(step), colors.count - 2)
    return mix(colors[first], colors[first + 1], step - Double(first))
  }

  /// One of the colours itself.
  @inlinable public subscript(index: Int) -> Color { colors[index % colors.count] }
}
