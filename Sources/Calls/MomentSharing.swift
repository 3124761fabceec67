/// Which planes (t, i) share one mean and one variance. It is all that tells the kinds of normalisation apart.
///
/// | kind | planes that share their moments |
/// | --- | --- |
/// | instance | none: each plane alone |
/// | layer | all maps i of one picture t |
/// | group | a group of neighbouring maps i of one picture t |
/// | batch | all pictures t of one map i |
public enum MomentSharing: Hashable, Sendable {
  case instance
  case layer
  /// So many groups, all of as many maps.
  case group(Int)
  case batch
}

/// The planes of a tensor in sets that share their moments: `count` sets of `width` planes, `step` apart.
package struct PlaneSets {
  package let count: Int
  package let width: Int
  package let step: Int
  package let maps: Int

  package init(_ sharing: MomentSharing, images: Int, maps: Int) {
    self.maps = maps
    step = sharing == .batch ? max(maps, 1) : 1
    width =
      switch sharing {
      case .instance: 1
      case .layer: maps
      case .group(let groups): maps / groups
      case .batch: images
      }
    count = width == 0 ? 0 : images * maps / width
  }

  package init(_ sharing: MomentSharing, of planes: Planes) {
    self.init(sharing, images: planes.images, maps: planes.maps)
  }

  /// The number t C + i of a plane.
  @inlinable package subscript(set: Int, member: Int) -> Int {
    (step == 1 ? set * width : set) + member * step
  }
}

extension MomentSharing {
  /// Whether in such a tensor no plane shares with another.
  package func isOfSinglePlanes(_ planes: Planes) -> Bool {
    switch self {
    case .instance: true
    case .layer: planes.maps == 1
    case .group(let groups): planes.maps == groups
    case .batch: planes.images == 1
    }
  }
}
