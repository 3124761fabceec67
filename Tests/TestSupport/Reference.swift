/// Instance normalisation once more, written down from its formulas and sharing nothing with the library: one
/// plane after another, whole sums in compensated float64, no blocks and no merging.
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
  public init(
    _ x: [Double], maps: Int, planeSize: Int, scale: [Double]? = nil, bias: [Double]? = nil, epsilon: Double = 1e-5,
    grad: [Double]? = nil
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
    let size = Double(planeSize)
    for plane in 0..<planes {
      let map = plane % maps
      let range = plane * planeSize..<(plane + 1) * planeSize
      let first = x[range.lowerBound]
      // The distance to a value of the plane is exact or nearly so, whatever the mean is.
      let shifted = compensatedSum(range) { x[$0] - first } / size
      func deviation(_ index: Int) -> Double { (x[index] - first) - shifted }
      let variance = compensatedSum(range) { deviation($0) * deviation($0) } / size
      let inverse = variance + epsilon == 0 ? 0 : 1 / (variance + epsilon).squareRoot()
      mean[plane] = first + shifted
      invStd[plane] = inverse
      for index in range { y[index] = scale[map] * deviation(index) * inverse + bias[map] }
      guard let grad else { continue }
      let gradSum = compensatedSum(range) { grad[$0] }
      let productSum = compensatedSum(range) { grad[$0] * deviation($0) * inverse }
      biasGrad[map] += gradSum
      scaleGrad[map] += productSum
      for index in range {
        let xhat = deviation(index) * inverse
        xGrad[index] = scale[map] * inverse * (grad[index] - gradSum / size - xhat * productSum / size)
      }
    }
  }
}

/// Neumaier's sum: as if added in twice the precision.
private func compensatedSum(_ range: Range<Int>, _ term: (Int) -> Double) -> Double {
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
