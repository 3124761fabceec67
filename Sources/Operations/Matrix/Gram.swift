import Calls
import Tensors

/// G = X X^T / (C n) for each picture's maps X, (C, n), in either layout, without moving a value.
struct Gram: Operation {
  /// (N, C, n).
  var input: Tensor

  func form() -> TensorForm { TensorForm([input.shape[0], input.shape[1], input.shape[1]], input.dtype) }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }

  private var scale: Double { 1 / Double(Swift.max(input.shape[1] * input.shape[2], 1)) }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    let (shape, strides, target) = (input.shape, input.strides, result.strides)
    func view(_ row: Int, _ column: Int) -> MatrixView {
      MatrixView(
        input.storage.address, input.dtype, batchStride: strides[0], rowStride: strides[row],
        columnStride: strides[column])
    }
    try withExtendedLifetime((input, result)) {
      try MatrixCall(
        batch: shape[0], rows: shape[1], columns: shape[1], inner: shape[2], alpha: scale, first: view(1, 2),
        second: view(2, 1),
        target: MatrixView(
          result.storage.address, result.dtype, batchStride: target[0], rowStride: target[1], columnStride: target[2])
      ).run(on: result.storage.backend)
    }
  }

  var pullbackReads: PullbackReads { .operands }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    // dX = (dG + dG^T) X / (C n)
    try sums.add(
      MatrixProduct(
        first: scale * (gradient + gradient.transposed()), second: input, layout: input.layout
      ).result(), to: input)
  }
}

extension Tensor {
  /// The Gram matrices of feature maps (N, C, spatial...): (N, C, C), of the products of each two maps, divided by the
  /// number of values C H W (Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", 2016;
  /// the division as Johnson, Alahi and Fei-Fei, 2016).
  ///
  /// - Throws: `TensorError.invalidShape(_:reason:)` unless the rank is 3, 4 or 5.
  public func gramMatrix() throws -> Tensor {
    guard (3...5).contains(shape.rank) else {
      throw TensorError.invalidShape(shape, reason: "feature maps have rank 3, 4 or 5")
    }
    return try Gram(input: flattened(from: 2)).result()
  }

  /// The covariances of feature maps (N, C, spatial...): (N, C, C), of the deviations of each two maps from their means,
  /// divided by how many there are, H W.
  ///
  /// - Throws: `TensorError.invalidShape(_:reason:)` unless the rank is 3, 4 or 5.
  public func covarianceMatrix() throws -> Tensor { try meanAndCovariance().covariance }

  /// The maps' means, (N, C), and their covariances, (N, C, C), which are computed with them.
  ///
  /// - Throws: as ``covarianceMatrix()``.
  public func meanAndCovariance() throws -> (mean: Tensor, covariance: Tensor) {
    let products = try gramMatrix()
    let (pictures, maps) = (shape[0], shape[1])
    let mean = try mean(over: Array(2..<shape.rank)).reshaped(to: [pictures, maps])
    let ofMeans = try mean.reshaped(to: [pictures, maps, 1]).matmul(mean.reshaped(to: [pictures, 1, maps]))
    return (mean, try Double(maps) * products - ofMeans)
  }
}
