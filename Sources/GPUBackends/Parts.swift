import Calls
import Tensors

/// Planes in parts, each of which stays in the device's cache from one kernel to the next.
package struct Parts: Sequence {
  package struct Part: Equatable {
    package let firstPlane: Int
    package let planeCount: Int
    package let firstSet: Int
    package let setCount: Int
  }

  package let planesPerPart: Int
  private let planes: Planes
  private let sets: PlaneSets

  /// - Parameter tensors: how many are read.
  package init(_ planes: Planes, _ sets: PlaneSets, tensors: Int, cacheBytes: Int) {
    self.planes = planes
    self.sets = sets
    // Whole sets, which are all of the planes where sets alternate; and where maps alternate, whole pictures as well.
    // A set then has some maps of one picture, or all maps of several.
    let picture = planes.layout == .nhwc ? planes.maps : 1
    let unit = sets.step > 1 ? planes.count : Swift.max(picture, sets.width)
    let unitBytes = Double(unit) * Double(planes.size) * Double(planes.dtype.byteCount * tensors)
    // Half of a cache, since what is written passes through it as well; but no part so small that launching it would
    // take longer than its work.
    let wanted = Double(Swift.max(cacheBytes / 2, 8 << 20))
    planesPerPart = Swift.min(planes.count, unit * Swift.max(1, Int(Swift.min(wanted / unitBytes, 1e15))))
  }

  package func makeIterator() -> AnyIterator<Part> {
    var first = 0
    return AnyIterator {
      guard first < planes.count else { return nil }
      let count = Swift.min(planesPerPart, planes.count - first)
      defer { first += count }
      return Part(
        firstPlane: first, planeCount: count, firstSet: sets.step > 1 ? 0 : first / sets.width,
        setCount: sets.step > 1 ? sets.count : count / sets.width)
    }
  }
}
