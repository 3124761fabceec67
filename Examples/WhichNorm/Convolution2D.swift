import InstanceNorm

/// A convolution by 3 x 3 weights, (N, inMaps, H, W) to (N, outMaps, H, W):
///
///     y[t,o,r,c] = bias[o] + sum over i, j, k of weight[o,i,j,k] x[t,i,r+j-1,c+k-1]
///
/// Beyond its edges a plane goes on as its mirror image, so that a brighter input is brighter there too.
final class Convolution2D: Module {
  private let inMaps: Int
  private let outMaps: Int
  private let weight: Variable
  private let bias: Variable

  /// Weights are random, of a deviation that leaves the values as large as they are behind a ReLU (He et al. 2015).
  init(inMaps: Int, outMaps: Int, seed: UInt64, name: String? = nil) throws {
    self.inMaps = inMaps
    self.outMaps = outMaps
    let deviation = (2 / Double(9 * inMaps)).squareRoot()
    weight = try Variable(
      name: "weight", data: .randomNormal([outMaps, inMaps, 3, 3], deviation: deviation, seed: seed))
    bias = try Variable(name: "bias", data: .zeros([outMaps]))
    super.init(name: name)
    setVar(weight)
    setVar(bias)
  }

  override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank == 4, shape[1] == inMaps, shape[2] > 1, shape[3] > 1 else {
      throw ModuleError.dataShape(module: label, expected: "(N, \(inMaps), H, W), H and W 2 or more", got: shape)
    }
  }

  override func dataShape(from shape: Shape) throws -> Shape { [shape[0], outMaps, shape[2], shape[3]] }
  override func gradShape(from shape: Shape) throws -> Shape { [shape[0], inMaps, shape[2], shape[3]] }

  // MARK: Forward

  override func updateData(_ data: Tensor) throws -> Tensor {
    let frame = Frame(height: data.shape[2], width: data.shape[3])
    let x = try data.array(of: Float.self)
    let (w, b) = (try weight.data.array(of: Float.self), try bias.data.array(of: Float.self))
    return try Tensor(shape: dataShape(from: data.shape)) { (y: UnsafeMutableBufferPointer<Float>) in
      for picture in 0..<data.shape[0] {
        let planes = (0..<inMaps).map { frame.padded(x, plane: picture * inMaps + $0) }
        for o in 0..<outMaps {
          var sum = [Float](repeating: b[o], count: frame.runCount)
          for i in 0..<inMaps {
            for j in 0..<3 {
              let tap = ((o * inMaps + i) * 3 + j) * 3
              add(planes[i], from: j * frame.stride, times: (w[tap], w[tap + 1], w[tap + 2]), to: &sum, at: 0)
            }
          }
          frame.crop(sum, into: y, plane: picture * outMaps + o)
        }
      }
    }
  }

  // MARK: Backward

  /// What each padded value gets from the sums that it went into, in the way in which these were made, then folded
  /// back over the edges.
  override func updateGrad(_ grad: Tensor) throws -> Tensor {
    let frame = Frame(height: grad.shape[2], width: grad.shape[3])
    let dy = try grad.array(of: Float.self)
    let w = try weight.data.array(of: Float.self)
    return try Tensor(shape: gradShape(from: grad.shape)) { (dx: UnsafeMutableBufferPointer<Float>) in
      for picture in 0..<grad.shape[0] {
        let runs = (0..<outMaps).map { frame.run(dy, plane: picture * outMaps + $0) }
        for i in 0..<inMaps {
          var sum = [Float](repeating: 0, count: frame.paddedCount)
          for o in 0..<outMaps {
            for j in 0..<3 {
              let tap = ((o * inMaps + i) * 3 + j) * 3
              add(runs[o], from: 0, times: (w[tap + 2], w[tap + 1], w[tap]), to: &sum, at: j * frame.stride)
            }
          }
          frame.fold(sum, into: dx, plane: picture * inMaps + i)
        }
      }
    }
  }

  override func accGradParams(_ grad: Tensor, scale: Double, momentum: Double) throws {
    guard let inData else { throw ModuleError.backwardBeforeForward(module: label) }
    let frame = Frame(height: grad.shape[2], width: grad.shape[3])
    let (x, dy) = (try inData.array(of: Float.self), try grad.array(of: Float.self))
    var dw = [Float](repeating: 0, count: outMaps * inMaps * 9)
    var db = [Float](repeating: 0, count: outMaps)
    for picture in 0..<grad.shape[0] {
      let planes = (0..<inMaps).map { frame.padded(x, plane: picture * inMaps + $0) }
      for o in 0..<outMaps {
        let run = frame.run(dy, plane: picture * outMaps + o)
        db[o] += run.reduce(0, +)
        for i in 0..<inMaps {
          for j in 0..<3 {
            let tap = ((o * inMaps + i) * 3 + j) * 3
            let sums = products(of: run, from: 2, with: planes[i], from: j * frame.stride, count: frame.runCount)
            dw[tap] += sums.0
            dw[tap + 1] += sums.1
            dw[tap + 2] += sums.2
          }
        }
      }
    }
    try weight.grad.combine(scale, Tensor(dw, shape: weight.data.shape), beta: momentum)
    try bias.grad.combine(scale, Tensor(db), beta: momentum)
  }
}

/// Where a plane's values lie while it is convolved.
///
/// A padded plane has a value more on each side: rows of `stride` = width + 2 values. Read as one long row, its value
/// at n + j stride + k is what weight (j, k) takes for result n, so that a whole plane is nine long sums, which the
/// compiler does in vectors. The two results at the end of each row span two rows and are left out.
private struct Frame {
  let height: Int
  let width: Int
  let stride: Int
  /// How many results there are, with those that are left out, up to whole vectors.
  let runCount: Int
  /// How many values are read for these.
  let paddedCount: Int

  init(height: Int, width: Int) {
    self.height = height
    self.width = width
    stride = width + 2
    runCount = (height * stride + 7) / 8 * 8
    paddedCount = runCount + 2 * stride + 2
  }

  /// Where a padded row or column comes from.
  private func mirrored(_ place: Int, _ count: Int) -> Int {
    place == 0 ? 1 : place == count + 1 ? count - 2 : place - 1
  }

  func padded(_ x: [Float], plane: Int) -> [Float] {
    var result = [Float](repeating: 0, count: paddedCount)
    for row in 0..<height + 2 {
      let source = (plane * height + mirrored(row, height)) * width
      for column in 0..<stride { result[row * stride + column] = x[source + mirrored(column, width)] }
    }
    return result
  }

  /// The transpose of ``padded(_:plane:)``: adds what came to each padded value to the value that it is a copy of.
  func fold(_ sum: [Float], into dx: UnsafeMutableBufferPointer<Float>, plane: Int) {
    for index in plane * height * width..<(plane + 1) * height * width { dx[index] = 0 }
    for row in 0..<height + 2 {
      let target = (plane * height + mirrored(row, height)) * width
      for column in 0..<stride { dx[target + mirrored(column, width)] += sum[row * stride + column] }
    }
  }

  func crop(_ sum: [Float], into y: UnsafeMutableBufferPointer<Float>, plane: Int) {
    for row in 0..<height {
      for column in 0..<width { y[(plane * height + row) * width + column] = sum[row * stride + column] }
    }
  }

  /// The transpose of ``crop(_:into:plane:)``, zeros where results were left out; two more lead.
  func run(_ dy: [Float], plane: Int) -> [Float] {
    var result = [Float](repeating: 0, count: runCount + 4)
    for row in 0..<height {
      for column in 0..<width { result[2 + row * stride + column] = dy[(plane * height + row) * width + column] }
    }
    return result
  }
}

/// Adds a row, itself shifted by one and itself shifted by two, each times its weight, to the sums.
private func add(
  _ source: [Float], from start: Int, times weights: (Float, Float, Float), to sum: inout [Float], at place: Int
) {
  let count = min(sum.count - place, source.count - start - 2)
  source.withUnsafeBufferPointer { source in
    sum.withUnsafeMutableBufferPointer { sum in
      guard let x = source.baseAddress?.advanced(by: start), let y = sum.baseAddress?.advanced(by: place) else {
        return
      }
      for n in 0..<count { y[n] += weights.0 * x[n] + weights.1 * x[n + 1] + weights.2 * x[n + 2] }
    }
  }
}

/// The sums of a row's products with another, with that shifted by one and with that shifted by two.
///
/// In eight partial sums each, as a compiler may not reorder additions by itself; `count` is a multiple of 8.
private func products(
  of first: [Float], from start: Int, with second: [Float], from place: Int, count: Int
) -> (Float, Float, Float) {
  typealias Lanes = SIMD8<Float>
  return first.withUnsafeBytes { first in
    second.withUnsafeBytes { second in
      func lanes(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Lanes {
        bytes.loadUnaligned(fromByteOffset: 4 * index, as: Lanes.self)
      }
      var (sum0, sum1, sum2) = (Lanes.zero, Lanes.zero, Lanes.zero)
      for n in Swift.stride(from: 0, to: count, by: 8) {
        let a = lanes(first, start + n)
        sum0 += a * lanes(second, place + n)
        sum1 += a * lanes(second, place + n + 1)
        sum2 += a * lanes(second, place + n + 2)
      }
      return (sum0.sum(), sum1.sum(), sum2.sum())
    }
  }
}
