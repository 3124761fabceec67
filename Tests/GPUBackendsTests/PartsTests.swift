import Calls
import GPUBackends
import InstanceNorm
import Testing

@Suite struct PartsTests {
  @Test(arguments: Layout.allCases) func `each part has whole sets and whole pictures, and each plane is in one`(
    layout: Layout
  ) {
    let kinds: [MomentSharing] = [.instance, .layer, .group(1), .group(2), .batch]
    for (images, maps) in [(1, 1), (7, 1), (1, 7), (6, 4), (9, 2)] {
      for sharing in kinds where sharing != .group(2) || maps % 2 == 0 {
        // A plane larger than a part, one of a few parts, and one that many fit in.
        for size in [1 << 22, 1 << 20, 1 << 16] {
          let planes = Planes(dtype: .float32, layout: layout, images: images, maps: maps, size: size)
          let sets = PlaneSets(sharing, of: planes)
          let parts = Array(Parts(planes, sets, tensors: 1, cacheBytes: 0))
          #expect(parts.flatMap { $0.firstPlane..<$0.firstPlane + $0.planeCount } == Array(0..<planes.count))
          for part in parts {
            let own = (part.firstSet..<part.firstSet + part.setCount).flatMap { set in
              (0..<sets.width).map { sets[set, $0] }
            }
            #expect(own.sorted() == Array(part.firstPlane..<part.firstPlane + part.planeCount))
            if layout == .nhwc { #expect(part.firstPlane % maps == 0 && part.planeCount % maps == 0) }
          }
        }
      }
    }
  }
}
