/// The names that somebody may have meant by one that is not there, the nearest first.
///
/// A name that only has a prefix more or less is nearest, as when a network was saved inside another; then come those
/// that few changes of letters lead to.
///
/// - Parameters:
///   - count: the most that are wanted.
///   - limit: how many changes a name may be away.
package func nearest(
  to name: String, among names: [String], count: Int, limit: Int = .max
) -> [String] {
  let wanted = Array(name.utf8.prefix(200))
  // A stranger's file may have a million names.
  let ranked = names.prefix(20_000).map { other -> (distance: Int, name: String) in
    if other.hasSuffix("." + name) || name.hasSuffix("." + other) { return (0, other) }
    return (changes(from: wanted, to: Array(other.utf8.prefix(200))), other)
  }
  return ranked.filter { $0.distance <= limit }.sorted { $0 < $1 }.prefix(count).map(\.name)
}

/// How many letters have to be inserted, removed, replaced or swapped with the next (Damerau and Levenshtein's distance,
/// each letter changed once).
private func changes(from a: [UInt8], to b: [UInt8]) -> Int {
  var (beforeLast, last) = ([Int](repeating: 0, count: b.count + 1), Array(0...b.count))
  for i in a.indices {
    var row = [i + 1]
    row.reserveCapacity(b.count + 1)
    for j in b.indices {
      var least = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, beforeLast[j - 1] + 1) }
      row.append(least)
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}
