import Drawing

/// A colour for each set, chosen so that sets that touch differ.
struct SetColours {
  private let colours: [String]

  /// - Parameter sets: the set of each plane t C + i, numbered in the order in which they first occur.
  init(of sets: [Int], maps: Int, theme: Theme) {
    var neighbours: [Set<Int>] = Array(repeating: [], count: (sets.max() ?? -1) + 1)
    for (plane, set) in sets.enumerated() {
      // The earlier planes that touch this one: the map beside it, and three maps of the picture before.
      let isFirst = plane % maps == 0
      let touching = [
        isFirst ? nil : plane - 1, isFirst ? nil : plane - maps - 1, plane - maps,
        plane % maps == maps - 1 ? nil : plane - maps + 1,
      ]
      for other in touching.compactMap({ $0 }) where other >= 0 && sets[other] != set {
        neighbours[set].insert(sets[other])
        neighbours[sets[other]].insert(set)
      }
    }
    var chosen: [Int] = []
    for set in neighbours.indices {
      let taken = Set(neighbours[set].filter { $0 < set }.map { chosen[$0] })
      let wanted = (0..<theme.series.count).map { (set + $0) % theme.series.count }
      chosen.append(wanted.first { !taken.contains($0) } ?? set % theme.series.count)
    }
    colours = chosen.map { theme.series[$0] }
  }

  subscript(set: Int) -> String { colours[set] }
}
