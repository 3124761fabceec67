import Drawing

/// A tensor as a block of cells, seen from above a corner: maps run to the lower right, pictures to the upper right, the
/// values of a plane downwards. There are gaps between the sets of planes that share their moments.
struct PlaneCube {
  /// The set of the plane of picture t and map i, for the pictures and maps that are shown.
  let sets: [[Int]]
  /// A colour for each set.
  let colours: SetColours
  /// The length of a cell's edge in pixels.
  let edge: Double

  /// How many cells stand for the H W values of a plane.
  static let layers = 5
  /// A cell's height and the gap between sets, in edges.
  private static let (height, gap) = (0.78, 0.34)
  /// The angle is 30 degrees.
  private static let (cosine, sine) = (0.866, 0.5)

  /// The largest edge with which a block fits, however many sets there are.
  ///
  /// - Parameters:
  ///   - pictures: how many pictures the block shows.
  ///   - maps: how many maps it shows of each.
  ///   - width: the room that it has, in pixels.
  ///   - height: the room that it has, in pixels.
  static func edge(pictures: Int, maps: Int, width: Double, height: Double) -> Double {
    let sum = Double(pictures + maps) + Double(pictures + maps - 2) * gap
    return min(21, width / (sum * cosine), height / (sum * sine + Double(layers) * Self.height))
  }

  func draw(in svg: inout SVG, centre: SVG.Point) {
    let view = Projection(self, centre: centre)
    for t in sets.indices.reversed() {
      for i in sets[t].indices {
        let set = sets[t][i]
        svg.group([("plane", "\(t),\(i)"), ("set", "\(set)")]) { svg in
          drawColumn(t, i, colours[set], view, in: &svg)
        }
      }
    }
  }

  /// Draws a plane's visible faces.
  private func drawColumn(_ t: Int, _ i: Int, _ colour: String, _ view: Projection, in svg: inout SVG) {
    let (u, v) = (view.maps[i], view.pictures[t])
    let (u1, v1) = (u + 1, v + 1)
    let top = Double(Self.layers) * Self.height
    let background = svg.theme.background
    svg.polygon(
      [view[u, v, top], view[u1, v, top], view[u1, v1, top], view[u, v1, top]],
      fill: Theme.mix(colour, "#ffffff", 0.3), stroke: background)
    var seams: [(from: SVG.Point, to: SVG.Point)] = []
    func face(_ from: (Double, Double), _ to: (Double, Double), fill: String, in svg: inout SVG) {
      svg.polygon(
        [view[from.0, from.1, top], view[to.0, to.1, top], view[to.0, to.1, 0], view[from.0, from.1, 0]],
        fill: fill, stroke: background)
      seams += (1..<Self.layers).map { layer in
        let w = Double(layer) * Self.height
        return (view[from.0, from.1, w], view[to.0, to.1, w])
      }
    }
    if t == 0 || view.pictures[t - 1] + 1 < v {
      face((u, v), (u1, v), fill: Theme.mix(colour, "#ffffff", 0.08), in: &svg)
    }
    if i == sets[t].count - 1 || u1 < view.maps[i + 1] {
      face((u1, v), (u1, v1), fill: Theme.mix(colour, "#000000", 0.15), in: &svg)
    }
    if !seams.isEmpty { svg.lines(seams, stroke: background, width: 0.5) }
  }

  /// Writes names along the edges.
  func label(in svg: inout SVG, centre: SVG.Point, maps: String, pictures: String) {
    let view = Projection(self, centre: centre)
    let muted = svg.theme.muted
    let left = view[view.width / 2, 0, 0]
    svg.text(maps, at: SVG.Point(left.x - 5, left.y + 15), size: 11, anchor: .end, fill: muted)
    let right = view[view.width, view.depth / 2, 0]
    svg.text(pictures, at: SVG.Point(right.x + 5, right.y + 15), size: 11, fill: muted)
    let side = view[0, 0, Double(Self.layers) * Self.height / 2]
    svg.text("H, W", at: SVG.Point(side.x - 6, side.y + 4), size: 11, anchor: .end, fill: muted)
  }

  /// Where everything is: places along the axes, in edges, and the points of the drawing where these are seen.
  private struct Projection {
    let maps: [Double]
    let pictures: [Double]
    private let edge: Double
    private var origin = SVG.Point(0, 0)

    init(_ cube: PlaneCube, centre: SVG.Point) {
      let sets = cube.sets
      pictures = Self.places(sets.count) { t in sets[t - 1] != sets[t] }
      maps = Self.places(sets.first?.count ?? 0) { i in sets.contains { $0[i - 1] != $0[i] } }
      edge = cube.edge
      let (left, right) = (self[0, 0, 0], self[width, depth, 0])
      let (top, bottom) = (self[0, depth, Double(PlaneCube.layers) * PlaneCube.height], self[width, 0, 0])
      origin = SVG.Point(centre.x - (left.x + right.x) / 2, centre.y - (top.y + bottom.y) / 2)
    }

    var width: Double { (maps.last ?? 0) + 1 }
    var depth: Double { (pictures.last ?? 0) + 1 }

    /// Places of cells in a row, with a gap before each that stands apart from the one before it.
    private static func places(_ count: Int, isApart: (Int) -> Bool) -> [Double] {
      var next = 0.0
      return (0..<count).map { index in
        if index > 0 { next += isApart(index) ? 1 + PlaneCube.gap : 1 }
        return next
      }
    }

    subscript(u: Double, v: Double, w: Double) -> SVG.Point {
      SVG.Point(
        origin.x + (u + v) * PlaneCube.cosine * edge, origin.y + ((u - v) * PlaneCube.sine - w) * edge)
    }
  }
}
