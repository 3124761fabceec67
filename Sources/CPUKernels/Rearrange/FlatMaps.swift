import Calls

/// The maps of all axes as plain memory, in the order of the loops: an axis without one has a map, too.
struct FlatMaps {
  /// Place i of an axis has the entries from `starts[first[axis] + i]` up to but not including the next.
  private var first: Axes = []
  private var starts: [Int32] = []
  /// In values of the input.
  private var offsets: [Int64] = []
  private var weights: [Float] = []
  private let loops: Loops
  /// For the entries of each axis: the longest list of one place.
  private var longest: Axes = []

  /// - Parameter dropped: of how many of the innermost axes there is nothing to be known.
  init(_ call: RearrangeCall, _ loops: Loops, dropping dropped: Int) {
    self.loops = loops
    for axis in 0..<max(0, loops.extents.count - dropped) {
      first.append(starts.count)
      let stride = Int64(loops.first[axis])
      let base = Int32(offsets.count)
      guard let map = call.maps[loops.origins[axis]] else {
        let extent = loops.extents[axis]
        starts += (0...Int32(extent)).map { base + $0 }
        offsets += (0..<Int64(extent)).map { $0 * stride }
        weights += Array(repeating: 1, count: extent)
        longest.append(1)
        continue
      }
      starts += map.starts.map { base + $0 }
      offsets += map.sources.map { Int64($0) * stride }
      weights += map.weights.map { $0.map(Float.init) } ?? Array(repeating: 1, count: map.sources.count)
      longest.append(zip(map.starts, map.starts.dropFirst()).reduce(0) { max($0, Int($1.1 - $1.0)) })
    }
  }

  /// How many terms the places of the first `count` axes have, at most.
  func most(_ count: Int) -> Int { longest[..<count].reduce(1) { $0 * max($1, 1) } }

  func withPointers<Result>(_ body: (Pointers) throws -> Result) rethrows -> Result {
    try starts.withUnsafeBufferPointer { starts in
      try offsets.withUnsafeBufferPointer { offsets in
        try weights.withUnsafeBufferPointer { weights in
          // There are none for a single row: nothing is read then.
          try body(
            Pointers(
              first: first, starts: starts.baseAddress ?? Self.none(), offsets: offsets.baseAddress ?? Self.none(),
              weights: weights.baseAddress ?? Self.none()))
        }
      }
    }
  }

  private static func none<Element>() -> UnsafePointer<Element> {
    UnsafePointer(bitPattern: MemoryLayout<Element>.alignment)!
  }

  struct Pointers {
    fileprivate let first: Axes
    fileprivate let starts: UnsafePointer<Int32>
    let offsets: UnsafePointer<Int64>
    let weights: UnsafePointer<Float>

    /// Of one axis.
    func starts(of axis: Int) -> UnsafePointer<Int32> { starts + first[axis] }

    /// Where the one source of a place of the first `count` axes is; nil where it has none.
    func single(_ place: Axes, _ count: Int) -> Int? {
      var offset = 0
      for axis in 0..<count {
        let entry = starts[first[axis] + place[axis]]
        if entry == starts[first[axis] + place[axis] + 1] { return nil }
        offset += Int(offsets[Int(entry)])
      }
      return offset
    }

    /// The sources of a place of the first `count` axes, and how much of each.
    ///
    /// - Returns: how many there are.
    func all(
      _ place: Axes, _ count: Int, offsets to: UnsafeMutablePointer<Int>, weights toWeights: UnsafeMutablePointer<Float>
    ) -> Int {
      var terms = 1
      to[0] = 0
      toWeights[0] = 1
      for axis in 0..<count {
        let from = Int(starts[first[axis] + place[axis]])
        let entries = Int(starts[first[axis] + place[axis] + 1]) - from
        // From the last entry on, so that the terms so far are there until each has been multiplied.
        var entry = entries - 1
        while entry >= 0 {
          for term in 0..<terms {
            to[entry * terms + term] = to[term] + Int(offsets[from + entry])
            toWeights[entry * terms + term] = toWeights[term] * weights[from + entry]
          }
          entry -= 1
        }
        terms *= entries
      }
      return terms
    }
  }
}
