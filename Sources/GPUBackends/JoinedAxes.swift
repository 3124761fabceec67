import Calls

/// Extents and the strides of some views over them, in as few axes as say the same, in the order of one view's memory.
struct JoinedAxes {
  private(set) var extents: Axes = []
  /// Of each view.
  private(set) var strides: [Axes]
  /// Which of the axes that were given each of these is, or the innermost one of several that it is.
  private(set) var origins: [Int] = []

  /// - Parameters:
  ///   - extents: all 1 or more.
  ///   - strides: of each view.
  ///   - leader: the view in whose memory axes are to go from far to near.
  ///   - isApart: whether an axis is not to be joined with others, nor left out where it has one place.
  init(_ extents: Axes, _ strides: [Axes], leader: Int, isApart: (_ axis: Int) -> Bool = { _ in false }) {
    self.strides = strides.map { _ in [] }
    let order = extents.indices.sorted { (strides[leader][$0], $1) > (strides[leader][$1], $0) }
    for axis in order where extents[axis] != 1 || isApart(axis) {
      let last = self.extents.count - 1
      let joins =
        last >= 0 && !isApart(axis) && !isApart(origins[last])
        && strides.indices.allSatisfy { self.strides[$0][last] == strides[$0][axis] * extents[axis] }
      if joins {
        self.extents[last] *= extents[axis]
        origins[last] = axis
        for view in strides.indices { self.strides[view][last] = strides[view][axis] }
      } else {
        self.extents.append(extents[axis])
        origins.append(axis)
        for view in strides.indices { self.strides[view].append(strides[view][axis]) }
      }
    }
  }

  /// Whether each view has its values side by side.
  var isContiguous: Bool { extents.isEmpty || (extents.count == 1 && strides.allSatisfy { $0[0] == 1 }) }
}
