import Foundation

/// Smooth random heights over the plane, by Perlin's gradient noise: about -1...1, a bump every unit.
public struct Noise: Sendable {
  @usableFromInline let seed: UInt64

  public init(seed: UInt64) { self.seed = seed &* 0x9E37_79B9_7F4A_7C15 }

  @inlinable public func callAsFunction(_ point: Point) -> Double {
    let corner = Point(point.x.rounded(.down), point.y.rounded(.down))
    let inside = point - corner
    let (x, y) = (Int(corner.x), Int(corner.y))
    let fade = inside * inside * inside * (inside * (inside * 6 - 15) + 10)
    let top = mix(slope(x, y, inside), slope(x + 1, y, inside - [1, 0]), fade.x)
    let bottom = mix(slope(x, y + 1, inside - [0, 1]), slope(x + 1, y + 1, inside - [1, 1]), fade.x)
    return mix(top, bottom, fade.y) * 1.5
  }

  /// Noise with details: each octave is twice as fine and half as high.
  @inlinable public func fractal(_ point: Point, octaves: Int = 4) -> Double {
    var (sum, place, height) = (0.0, point, 1.0)
    for _ in 0..<octaves {
      sum += height * self(place)
      place = place * 2.03 + [17.1, 9.2]
      height /= 2
    }
    return sum
  }

  /// A random number of the lattice's cell, 0..<1.
  @inlinable public func cell(_ x: Int, _ y: Int) -> Double { Double(hash(x, y) >> 11) * 0x1p-53 }

  @usableFromInline func hash(_ x: Int, _ y: Int) -> UInt64 {
    var z = seed &+ UInt64(bitPattern: Int64(x)) &* 0xD6E8_FEB8_6659_FD93
    z = (z ^ (z >> 32)) &+ UInt64(bitPattern: Int64(y)) &* 0xA076_1D64_78BD_642F
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  @usableFromInline func slope(_ x: Int, _ y: Int, _ offset: Point) -> Double {
    let bits = hash(x, y)
    let gradient = Point(Double(bits & 0xFFFF_FFFF), Double(bits >> 32)) * (2.0 / 0xFFFF_FFFF) - 1
    return gradient.dot(offset)
  }
}
