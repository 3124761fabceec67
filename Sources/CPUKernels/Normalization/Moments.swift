import Calls
import Tensors

/// Something that pieces of a whole have, and that merges into the whole's.
package protocol Mergeable {
  mutating func merge(_ other: Self)
}

/// Count, mean and sum of squared deviations of some values: what is needed to normalise them.
///
/// Moments of two pieces merge into the moments of the whole without loss (Chan, Golub and LeVeque, "Updating
/// formulae and a pairwise algorithm for computing sample variances", 1979). Everything here rests on that: values
/// merge into blocks, blocks into planes, and planes into whatever a kind of normalisation shares its moments over.
public struct Moments: Equatable, Sendable, Mergeable {
  /// How many values.
  public var count: Double
  /// Their mean; 0 for no values.
  public var mean: Double
  /// The sum of the squares of their deviations from the mean ("M2").
  public var squaredDeviations: Double

  /// The moments of no values, which change nothing when merged.
  public init() {
    self.init(count: 0, mean: 0, squaredDeviations: 0)
  }

  public init(count: Double, mean: Double, squaredDeviations: Double) {
    self.count = count
    self.mean = mean
    self.squaredDeviations = squaredDeviations
  }

  /// The biased variance: the mean squared deviation. 0 for no values.
  public var variance: Double {
    count > 0 ? squaredDeviations / count : 0
  }

  /// Takes in the moments of more values.
  public mutating func merge(_ other: Moments) {
    guard other.count > 0 else { return }
    guard count > 0 else {
      self = other
      return
    }
    let total = count + other.count
    let delta = other.mean - mean
    mean += delta * (other.count / total)
    squaredDeviations += other.squaredDeviations + delta * delta * (count * other.count / total)
    count = total
  }

  /// The moments of a block of values, in two passes over it.
  ///
  /// The second pass sums the deviations along with their squares. In exact arithmetic that sum is 0; what it
  /// is corrects the rounding of the mean, so that equal values have exactly their value as mean and exactly 0 as
  /// squared deviations. Squares of values beyond 1e150 leave float64's range: scale such values first.
  public init(of values: UnsafeBufferPointer<Double>) {
    guard let base = values.baseAddress, !values.isEmpty else {
      self.init()
      return
    }
    let count = Double(values.count)
    let mean = laneSum(base, values.count) / count

    let lanes = Lanes(repeating: mean)
    var deviations = Lanes.zero
    var squares = Lanes.zero
    forEachVector(base, values.count, fill: mean) { vector in
      let deviation = vector - lanes
      deviations += deviation
      squares += deviation * deviation
    }
    let residue = laneTotal(deviations)
    let squaredDeviations = laneTotal(squares) - residue * residue / count
    self.init(
      count: count, mean: mean + residue / count,
      // Rounding may leave a hair below zero. Written so that NaN passes.
      squaredDeviations: squaredDeviations < 0 ? 0 : squaredDeviations)
  }
}
