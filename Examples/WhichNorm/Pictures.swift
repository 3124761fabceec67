import Foundation
import InstanceNorm

/// An endless row of small pictures, the same for the same seed, and what is to be made of them.
///
/// A target is a few soft blobs, gratings and edges in random colours, each map of mean 0.5 and deviation 0.2. Its
/// input is the same picture at a contrast from 0.1 to 1 and a brightness from 0.2 to 0.8, both random; one for the
/// picture, or one for each map.
struct Pictures {
  static let maps = 3
  /// The loss of an answer that is grey all over: the variance of the targets.
  static let greyLoss = deviation * deviation
  private static let deviation = 0.2

  let size: Int
  let isEachMap: Bool
  private var generator: SeededGenerator

  init(size: Int, isEachMap: Bool, seed: UInt64) {
    self.size = size
    self.isEachMap = isEachMap
    generator = SeededGenerator(seed: seed)
  }

  /// The next pictures, (count, 3, size, size) each.
  mutating func next(_ count: Int) throws -> (input: Tensor, target: Tensor) {
    var (inputs, targets): ([Float], [Float]) = ([], [])
    for _ in 0..<count {
      var (contrast, brightness) = (0.0, 0.0)
      for (index, map) in picture().enumerated() {
        if isEachMap || index == 0 { (contrast, brightness) = (pow(10, uniform(-1, 0)), uniform(0.2, 0.8)) }
        targets += map.map { Float(0.5 + Self.deviation * $0) }
        inputs += map.map { Float(brightness + contrast * Self.deviation * $0) }
      }
    }
    let shape: Shape = [count, Self.maps, size, size]
    return (try Tensor(inputs, shape: shape), try Tensor(targets, shape: shape))
  }

  /// A picture's maps, each of mean 0 and deviation 1.
  private mutating func picture() -> [[Double]] {
    let shapes = [blob(), blob(), grating(), grating(), edge(), edge()]
    return (0..<Self.maps).map { _ in
      let weights = shapes.map { _ in generator.nextNormal() }
      var map = [Double](repeating: 0, count: size * size)
      for (shape, weight) in zip(shapes, weights) {
        for index in map.indices { map[index] += weight * shape[index] }
      }
      return standardised(map)
    }
  }

  private func standardised(_ map: [Double]) -> [Double] {
    let mean = map.reduce(0, +) / Double(map.count)
    let variance = map.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(map.count)
    return map.map { ($0 - mean) / (variance + 1e-12).squareRoot() }
  }

  private mutating func blob() -> [Double] {
    let (x, y, radius) = (uniform(0, 1), uniform(0, 1), uniform(0.1, 0.3))
    return values { exp(-(($0 - x) * ($0 - x) + ($1 - y) * ($1 - y)) / (2 * radius * radius)) }
  }

  private mutating func grating() -> [Double] {
    let (angle, waves, phase) = (uniform(0, .pi), uniform(1, 5), uniform(0, 2 * .pi))
    let (u, v) = (2 * .pi * waves * cos(angle), 2 * .pi * waves * sin(angle))
    return values { 0.5 * sin(u * $0 + v * $1 + phase) }
  }

  private mutating func edge() -> [Double] {
    let (x, y, angle) = (uniform(0.2, 0.8), uniform(0.2, 0.8), uniform(0, 2 * .pi))
    let (u, v) = (cos(angle), sin(angle))
    return values { tanh(30 * (u * ($0 - x) + v * ($1 - y))) }
  }

  /// A function's values at the pixels, from the left and from the top, both 0 to 1.
  private func values(_ function: (Double, Double) -> Double) -> [Double] {
    (0..<size * size).map { function(place($0 % size), place($0 / size)) }
  }

  private func place(_ pixel: Int) -> Double { (Double(pixel) + 0.5) / Double(size) }

  private mutating func uniform(_ lower: Double, _ upper: Double) -> Double {
    lower + (upper - lower) * generator.nextUniform()
  }
}
