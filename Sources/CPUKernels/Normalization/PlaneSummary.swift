import Calls
import Tensors

/// What there is to say about the values of one plane.
public struct PlaneSummary: Equatable, Sendable {
  /// Mean, variance and count.
  public var moments = Moments()
  /// The least value; infinity for no values, NaN when one is NaN.
  public var minimum = Double.infinity
  /// The greatest value; -infinity for no values, NaN when one is NaN.
  public var maximum = -Double.infinity
}

extension Tensor {
  /// Mean, variance, minimum and maximum of each plane (t, i), counted as t C + i, in float64. None for an empty
  /// tensor.
  ///
  /// - Throws: ``TensorError/invalidShape(_:reason:)`` unless the shape is (N, C, spatial...) of rank 3, 4 or 5.
  public func planeSummaries() throws -> [PlaneSummary] {
    guard (3...5).contains(shape.rank) else {
      throw TensorError.invalidShape(shape, reason: "planes need rank 3, 4 or 5")
    }
    // An empty tensor may claim more planes than there is memory to list.
    if count == 0 { return [] }
    let host = try toHost()
    let planes = Planes(host)
    let bands = Bands(planes)
    let scratch = try Scratch(shares: 1, doublesPerShare: bandWidth * blockPitch)
    let block = scratch.address.doubles(share: 0)
    var summaries: [PlaneSummary] = []
    for index in 0..<bands.count {
      let band = bands[index]
      let source = Run(host, band, stride: planes.stride)
      let depth = reductionDepth(planes.size)
      withUnsafeTemporaryAllocation(of: PlaneSummary.self, capacity: depth * band.width) { levels in
        guard let pieces = levels.baseAddress else { return }
        pieces.initialize(repeating: PlaneSummary(), count: levels.count)
        reduce(0, planes.size, width: band.width, into: pieces) { start, count, results in
          source.load(start, count, into: block)
          for run in 0..<band.width {
            results[run] = PlaneSummary(of: UnsafeBufferPointer(start: block + run * blockPitch, count: count))
          }
        }
        summaries.append(contentsOf: levels[..<band.width])
      }
    }
    return withExtendedLifetime(host) { summaries }
  }
}

extension PlaneSummary: Mergeable {
  init(of values: UnsafeBufferPointer<Double>) {
    moments = Moments(of: values)
    for value in values {
      minimum = Self.lesser(minimum, value)
      maximum = -Self.lesser(-maximum, -value)
    }
  }

  package mutating func merge(_ other: PlaneSummary) {
    moments.merge(other.moments)
    minimum = Self.lesser(minimum, other.minimum)
    maximum = -Self.lesser(-maximum, -other.maximum)
  }

  private static func lesser(_ first: Double, _ second: Double) -> Double {
    first.isNaN || first < second ? first : second
  }
}
