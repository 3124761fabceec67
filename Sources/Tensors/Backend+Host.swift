// What a backend need not say: answers of the host's own, and operations on so few numbers that they may be left to it.

extension Backend {
  public var memory: Int { MemoryPool.physicalMemory }

  public var supportedTypes: [DType] { DType.allCases }

  public func synchronize() throws {}

  public func multiply(
    _ alpha: Double, _ first: Matrix, _ second: Matrix, _ beta: Double, _ target: inout Tensor
  ) throws {
    let (a, b) = (try HostMatrix(first), try HostMatrix(second))
    try target.updateOnHost { values in
      var totals = Array(repeating: 0.0, count: b.columns)
      for row in 0..<a.rows {
        for column in totals.indices { totals[column] = 0 }
        // Along rows, as they lie in memory.
        for index in 0..<a.columns {
          let factor = a[row, index]
          b.withRow(index) { values in
            for column in totals.indices { totals[column] += factor * values[column] }
          }
        }
        for column in totals.indices {
          let place = row * b.columns + column
          values[place] = alpha * totals[column] + (beta == 0 ? 0 : beta * values[place])
        }
      }
    }
  }

  public func track(
    mean: Tensor, invStd: Tensor, epsilon: Double, count: Int, momentum: Double, runningMean: inout Tensor,
    runningVariance: inout Tensor
  ) throws {
    let (images, maps) = (mean.shape[0], mean.shape[1])
    guard images > 0 else { return }
    let means = try mean.array(of: Double.self)
    let inverses = try invStd.array(of: Double.self)
    let unbiased = Double(count) / Double(count - 1)
    try runningMean.updateOnHost { runningMean in
      try runningVariance.updateOnHost { runningVariance in
        for map in 0..<maps {
          var (newMean, newVariance) = (0.0, 0.0)
          for plane in stride(from: map, to: images * maps, by: maps) {
            newMean += means[plane]
            // An inverse of 0 stands for a variance and an epsilon of 0.
            if inverses[plane] != 0 { newVariance += max(1 / (inverses[plane] * inverses[plane]) - epsilon, 0) }
          }
          newMean /= Double(images)
          newVariance *= unbiased / Double(images)
          // A product with 0 would keep what is not finite.
          guard newMean.isFinite, newVariance.isFinite else { continue }
          runningMean[map] += momentum * (newMean - runningMean[map])
          runningVariance[map] += momentum * (newVariance - runningVariance[map])
        }
      }
    }
  }

  public func recall(
    mean: Tensor, variance: Tensor, epsilon: Double, intoMean planeMean: inout Tensor, invStd: inout Tensor
  ) throws {
    let maps = mean.count
    guard maps > 0 else { return }
    let means = try mean.array(of: Double.self)
    let variances = try variance.array(of: Double.self)
    try planeMean.updateOnHost { values in
      for plane in values.indices { values[plane] = means[plane % maps] }
    }
    try invStd.updateOnHost { values in
      for plane in values.indices {
        let spread = variances[plane % maps] + epsilon
        values[plane] = spread == 0 ? 0 : 1 / spread.squareRoot()
      }
    }
  }
}

/// A matrix in float64, row by row, where the processor reads it.
private struct HostMatrix {
  let rows: Int
  let columns: Int
  private let values: [Double]

  init(_ matrix: Matrix) throws {
    let shape = matrix.tensor.shape.dimensions.suffix(2)
    let (height, width) = (shape[shape.startIndex], shape[shape.startIndex + 1])
    let all = try matrix.tensor.array(of: Double.self)
    let first = matrix.slice * height * width
    if matrix.isTransposed {
      (rows, columns) = (width, height)
      values = (0..<height * width).map { all[first + $0 % height * width + $0 / height] }
    } else {
      (rows, columns) = (height, width)
      values = Array(all[first..<first + height * width])
    }
  }

  subscript(row: Int, column: Int) -> Double { values[row * columns + column] }

  func withRow(_ row: Int, _ body: (UnsafeBufferPointer<Double>) -> Void) {
    values.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[row * columns..<(row + 1) * columns])) }
  }
}

extension Tensor {
  /// Changes the values, as float64, where the processor reads them.
  fileprivate mutating func updateOnHost(_ body: (inout [Double]) throws -> Void) throws {
    var values = try array(of: Double.self)
    try body(&values)
    func write<S: Scalar>(_ type: S.Type, to tensor: inout Tensor) throws {
      try tensor.withUnsafeMutableBuffer(of: S.self) { buffer in
        for index in buffer.indices { buffer[index] = S(values[index]) }
      }
    }
    try write(dtype.scalarType, to: &self)
  }
}
