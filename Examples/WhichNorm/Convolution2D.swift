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

  /// The nine shifted pictures as so many more maps, times the weights as a matrix.
  override func forward(_ x: Tensor) throws -> Tensor {
    let (images, height, width) = (x.shape[0], x.shape[2], x.shape[3])
    let padded = try x.padded(1, mode: .reflect)
    let shifted = try (0..<9).map { tap in
      try padded.cropped(rows: tap / 3..<tap / 3 + height, columns: tap % 3..<tap % 3 + width)
    }
    let columns = try Tensor.concatenated(shifted, along: 1).flattened(from: 2)
    let matrix = try weight.data.permuted(to: [0, 2, 3, 1]).flattened(from: 1)
    return try matrix.matmul(columns).reshaped(to: [images, outMaps, height, width]) + bias.data
  }
}
