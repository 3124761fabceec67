import InstanceNorm

/// Normalisation once more, written down from its formulas and sharing nothing with the library: one set of planes
/// after another, whole sums in compensated float64, no blocks and no merging.
public struct Reference {
  public var y: [Double]
  public var mean: [Double]
  public var invStd: [Double]
  public var xGrad: [Double] = []
  public var scaleGrad: [Double] = []
  public var biasGrad: [Double] = []

  /// - Parameters:
  ///   - x: (N, C, S) row by row. Likewise `grad`.
  ///   - maps: C.
  ///   - planeSize: S.
  ///   - sets: the numbers t C + i of the planes that share their moments; nil where none do.
  public init(
    _ x: [Double], maps: Int, planeSize: Int, sets: [[Int]]? = nil, scale: [Double]? = nil, bias: [Double]? = nil,
    epsilon: Double = 1e-5, grad: [Double]? = nil
  ) {
    let scale = scale ?? Array(repeating: 1, count: maps)
    let bias = bias ?? Array(repeating: 0, count: maps)
    let planes = planeSize == 0 ? 0 : x.count / planeSize
    y = x
    mean = Array(repeating: 0, count: planes)
    invStd = mean
    if grad != nil {
      xGrad = x
      scaleGrad = Array(repeating: 0, count: maps)
      biasGrad = scaleGrad
    }
    for set in sets ?? (0..<planes).map({ [$0] }) {
      let indices = set.flatMap { $0 * planeSize..<($0 + 1) * planeSize }
      let size = Double(indices.count)
      let first = indices.first.map { x[$0] } ?? 0
      // The distance to a value of the set is exact or nearly so, whatever the mean is.
      let shifted = compensatedSum(indices) { x[$0] - first } / size
      func deviation(_ index: Int) -> Double { (x[index] - first) - shifted }
      func map(_ index: Int) -> Int { index / planeSize % maps }
      let variance = compensatedSum(indices) { deviation($0) * deviation($0) } / size
      let inverse = variance + epsilon == 0 ? 0 : 1 / (variance + epsilon).squareRoot()
      for plane in set {
        mean[plane] = first + shifted
        invStd[plane] = inverse
      }
      for index in indices { y[index] = scale[map(index)] * deviation(index) * inverse + bias[map(index)] }
      guard let grad else { continue }
      let gradMean = compensatedSum(indices) { scale[map($0)] * grad[$0] } / size
      let productMean = compensatedSum(indices) { scale[map($0)] * grad[$0] * deviation($0) * inverse } / size
      for index in indices {
        let xhat = deviation(index) * inverse
        xGrad[index] = inverse * (scale[map(index)] * grad[index] - gradMean - xhat * productMean)
      }
      for plane in set {
        let range = Array(plane * planeSize..<(plane + 1) * planeSize)
        biasGrad[plane % maps] += compensatedSum(range) { grad[$0] }
        scaleGrad[plane % maps] += compensatedSum(range) { grad[$0] * deviation($0) * inverse }
      }
    }
  }
}

/// The planes that share their moments, from the definition of each type.
public func planeSets(_ sharing: MomentSharing, images: Int, maps: Int) -> [[Int]] {
  let all = (0..<images).flatMap { t in (0..<maps).map { i in (t: t, i: i, plane: t * maps + i) } }
  func sets<Key: Hashable>(_ key: ((t: Int, i: Int, plane: Int)) -> Key) -> [[Int]] {
    Dictionary(grouping: all, by: key).values.map { $0.map(\.plane) }.sorted { $0[0] < $1[0] }
  }
  switch sharing {
  case .instance: return sets { $0.plane }
  case .layer: return sets { $0.t }
  case .group(let groups): return sets { [$0.t, $0.i * groups / maps] }
  case .batch: return sets { $0.i }
  }
}

/// Neumaier's sum: as if added in twice the precision.
private func compensatedSum(_ range: [Int], _ term: (Int) -> Double) -> Double {
  var sum = 0.0
  var lost = 0.0
  for index in range {
    let value = term(index)
    let total = sum + value
    lost += abs(sum) >= abs(value) ? (sum - total) + value : (value - total) + sum
    sum = total
  }
  return sum + lost
}
