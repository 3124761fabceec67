import Tensors

extension SeededGenerator {
  /// A number between the two.
  public mutating func between(_ lower: Double, _ upper: Double) -> Double { mix(lower, upper, nextUniform()) }

  /// A place in a rectangle.
  public mutating func point(from corner: Point, to opposite: Point) -> Point {
    [between(corner.x, opposite.x), between(corner.y, opposite.y)]
  }
}

/// Points over a square with a margin around it, sorted into a grid so that those near a place are found at once.
public struct Points: Sendable {
  public private(set) var points: [Point] = []
  @usableFromInline var grid: [[Int32]]
  @usableFromInline let cell: Double
  @usableFromInline let side: Int
  @usableFromInline let margin: Double

  /// None yet; `near` will look as far as `spacing`.
  public init(side length: Double, spacing: Double, margin: Double = 0) {
    (cell, self.margin) = (spacing, margin)
    side = Int((length + 2 * margin) / spacing) + 1
    grid = Array(repeating: [], count: side * side)
  }

  /// Points in no order that keep a distance from each other and leave hardly a gap: Poisson disc sampling by throwing
  /// darts.
  public init(side length: Double, apart distance: Double, margin: Double = 0, random: inout SeededGenerator) {
    self.init(side: length, spacing: distance, margin: margin)
    for _ in 0..<side * side * 14 {
      let dart = random.point(from: [-margin, -margin], to: [length + margin, length + margin])
      if !near(dart).contains(where: { (points[$0] - dart).length < distance }) { append(dart) }
    }
  }

  public mutating func append(_ point: Point) {
    grid[index(point.y) * side + index(point.x)].append(Int32(points.count))
    points.append(point)
  }

  /// The indices of all points within `reach` spacings of a place, and of some farther ones.
  @inlinable public func near(_ place: Point, reach: Int = 1) -> [Int] {
    var found: [Int] = []
    let (column, row) = (index(place.x), index(place.y))
    for y in max(row - reach, 0)...min(row + reach, side - 1) {
      for x in max(column - reach, 0)...min(column + reach, side - 1) {
        for point in grid[y * side + x] { found.append(Int(point)) }
      }
    }
    return found
  }

  /// The nearest point and how far the place is from the border of its Voronoi cell.
  @inlinable public func cell(at place: Point) -> (index: Int, border: Double) {
    let candidates = near(place, reach: 2)
    guard var nearest = candidates.first else { return (0, 0) }
    var best = Double.infinity
    for candidate in candidates {
      let distance = (points[candidate] - place).length
      if distance < best { (nearest, best) = (candidate, distance) }
    }
    var border = Double.infinity
    for candidate in candidates where candidate != nearest {
      let between = points[candidate] - points[nearest]
      border = min(border, ((points[candidate] + points[nearest]) / 2 - place).dot(between.normalized))
    }
    return (nearest, border)
  }

  @usableFromInline func index(_ coordinate: Double) -> Int {
    min(max(Int((coordinate + margin) / cell), 0), side - 1)
  }
}
