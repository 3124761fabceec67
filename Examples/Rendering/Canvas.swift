import Foundation
import Tensors

/// A square picture to paint on. Places are measured in 1/512 of its side, so that a picture looks the same at every
/// size in pixels.
public struct Canvas: Sendable {
  /// The side in units.
  public static let side = 512.0

  @usableFromInline let size: Int
  @usableFromInline let scale: Double
  @usableFromInline var pixels: [Color]

  /// A colour and how much of what is below it hides, 0...1.
  public struct Ink {
    public var color: Color
    public var opacity: Double

    @inlinable public init(_ color: Color, _ opacity: Double = 1) { (self.color, self.opacity) = (color, opacity) }
  }

  /// A white canvas of `size` by `size` pixels.
  public init(size: Int) {
    self.size = size
    scale = Double(size) / Self.side
    pixels = Array(repeating: .one, count: size * size)
  }

  /// Paints every pixel with the mean of four samples, from what is there.
  @inlinable public mutating func paint(_ color: (_ place: Point, _ before: Color) -> Color) {
    for row in 0..<size {
      for column in 0..<size {
        let before = pixels[row * size + column]
        var sum = Color.zero
        for offset: Point in [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]] {
          sum += color((Point(Double(column), Double(row)) + offset) / scale, before)
        }
        pixels[row * size + column] = (sum / 4).clamped(lowerBound: .zero, upperBound: .one)
      }
    }
  }

  /// Paints the pixels of a rectangle, each with the ink at its centre.
  @inlinable public mutating func paint(from corner: Point, to opposite: Point, _ ink: (Point) -> Ink) {
    let first = (corner * scale).rounded(.down)
    let last = (opposite * scale).rounded(.up)
    let columns = max(Int(first.x), 0)..<max(min(Int(last.x), size), max(Int(first.x), 0))
    let rows = max(Int(first.y), 0)..<max(min(Int(last.y), size), max(Int(first.y), 0))
    for row in rows {
      for column in columns {
        let ink = ink((Point(Double(column), Double(row)) + 0.5) / scale)
        guard ink.opacity > 0 else { continue }
        pixels[row * size + column] = mix(pixels[row * size + column], ink.color, min(ink.opacity, 1))
      }
    }
  }

  /// A filled circle.
  @inlinable public mutating func disc(at center: Point, radius: Double, _ ink: Ink) {
    let canvas = scale
    paint(from: center - radius - 1, to: center + radius + 1) { place in
      Ink(ink.color, ink.opacity * clamp(0.5 - ((place - center).length - radius) * canvas))
    }
  }

  /// A stroke along a path.
  ///
  /// - Parameters:
  ///   - width: from edge to edge, for a place along the path, 0...1.
  ///   - ink: for a place along the path, 0...1, and across it, -1...1.
  @inlinable public mutating func stroke(
    _ path: [Point], width: (_ along: Double) -> Double, _ ink: (_ along: Double, _ across: Double) -> Ink
  ) {
    guard path.count > 1 else { return }
    var widest = 0.0
    for index in path.indices { widest = max(widest, width(Double(index) / Double(path.count - 1))) }
    let reach = Point(repeating: widest / 2 + 1)
    let corner = path.reduce(path[0]) { pointwiseMin($0, $1) } - reach
    let opposite = path.reduce(path[0]) { pointwiseMax($0, $1) } + reach
    let canvas = scale
    paint(from: corner, to: opposite) { place in
      var (best, along, side) = (Double.infinity, 0.0, 1.0)
      for index in 1..<path.count {
        let segment = path[index] - path[index - 1]
        let offset = place - path[index - 1]
        let share = clamp(offset.dot(segment) / max(segment.dot(segment), 1e-12))
        let distance = (offset - segment * share).length
        if distance < best {
          best = distance
          along = (Double(index - 1) + share) / Double(path.count - 1)
          side = segment.turned.dot(offset) < 0 ? -1 : 1
        }
      }
      let half = width(along) / 2
      // A line thinner than a pixel covers less of it.
      let covered = clamp(0.5 - (best - half) * canvas) * min(1, max(2 * half * canvas, 0))
      guard covered > 0 else { return Ink(.zero, 0) }
      var ink = ink(along, side * min(best / max(half, 1e-9), 1))
      ink.opacity *= covered
      return ink
    }
  }

  /// (1, 3, size, size), float32, 0...1.
  public func tensor() throws -> Tensor {
    try Tensor(shape: [1, 3, size, size]) { (buffer: UnsafeMutableBufferPointer<Float>) in
      for (index, color) in pixels.enumerated() {
        for channel in 0..<3 { buffer[channel * pixels.count + index] = Float(clamp(color[channel])) }
      }
    }
  }
}
