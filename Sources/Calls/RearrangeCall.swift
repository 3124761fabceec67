import Tensors

/// For each place along one axis of an output, the places of the input that it is made of, and how much of each.
///
/// It is a sparse matrix by rows. Parts of a tensor, padding of every kind, cropping, mirroring, repeating and resizing
/// are all of this form, and so are the gradients of all of them: the transposed matrix.
package struct AxisMap: Hashable, Sendable {
  /// Output place i is made of the sources from `starts[i]` up to but not including `starts[i + 1]`; of none, it is 0.
  package private(set) var starts: [Int32]
  /// Places along the input's axis.
  package private(set) var sources: [Int32]
  /// How much of each source; nil for 1 of each.
  package private(set) var weights: [Double]?
  /// The extent of the input's axis.
  package let inputExtent: Int

  package init(starts: [Int32], sources: [Int32], weights: [Double]? = nil, inputExtent: Int) {
    self.starts = starts
    self.sources = sources
    self.weights = weights
    self.inputExtent = inputExtent
  }

  /// One source for each place; nil for 0.
  package init(_ sources: some Collection<Int?>, inputExtent: Int) {
    starts = [0]
    self.sources = []
    self.inputExtent = inputExtent
    starts.reserveCapacity(sources.count + 1)
    for source in sources {
      if let source { self.sources.append(Int32(source)) }
      starts.append(Int32(self.sources.count))
    }
  }

  /// The extent of the output's axis.
  package var extent: Int { starts.count - 1 }

  /// Whether each place has at most one source, as it is.
  package var isSelection: Bool {
    weights == nil && zip(starts, starts.dropFirst()).allSatisfy { $1 - $0 <= 1 }
  }

  /// What the gradient goes through: for each place of the input, the places of the output that it went to.
  package var transposed: AxisMap {
    var counts = Array(repeating: Int32(0), count: inputExtent + 1)
    for source in sources { counts[Int(source) + 1] += 1 }
    for index in 0..<inputExtent { counts[index + 1] += counts[index] }
    let newStarts = counts
    var newSources = Array(repeating: Int32(0), count: sources.count)
    var newWeights = weights
    for output in 0..<extent {
      for entry in Int(starts[output])..<Int(starts[output + 1]) {
        let place = Int(counts[Int(sources[entry])])
        counts[Int(sources[entry])] += 1
        newSources[place] = Int32(output)
        if let weights { newWeights?[place] = weights[entry] }
      }
    }
    return AxisMap(starts: newStarts, sources: newSources, weights: newWeights, inputExtent: extent)
  }
}

extension AxisMap {
  /// The same of an input that begins with the first place that is read and ends with the last, and which these are.
  package var trimmed: (map: AxisMap, reads: Range<Int>) {
    guard let first = sources.min(), let last = sources.max() else {
      return (AxisMap(starts: starts, sources: [], weights: weights, inputExtent: 0), 0..<0)
    }
    return (
      AxisMap(
        starts: starts, sources: sources.map { $0 - first }, weights: weights, inputExtent: Int(last - first) + 1),
      Int(first)..<Int(last) + 1
    )
  }
}

/// output[i, j, ...] = sum over each axis' sources of their weights times input[source of i, source of j, ...], of any
/// dtypes and strides; rounded once.
package struct RearrangeCall: Call {
  /// The output's.
  package var extents: Axes
  package var input: View
  package var output: View
  /// For each axis; nil where places are the same in input and output.
  package var maps: [AxisMap?]

  package init(extents: Axes, input: View, output: View, maps: [AxisMap?] = []) {
    self.extents = extents
    self.input = input
    self.output = output
    self.maps = maps.isEmpty ? Array(repeating: nil, count: extents.count) : maps
  }
}
