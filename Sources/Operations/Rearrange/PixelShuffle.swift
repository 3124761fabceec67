import Tensors

extension Tensor {
  /// Maps as pixels: (N, C r r, H, W) as (N, C, H r, W r), as PyTorch's `pixel_shuffle` (Shi et al., "Real-time single
  /// image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016). Map c r r + k r + l
  /// has the pixels of map c that are in row k and column l of each r by r.
  ///
  /// - Throws: `TensorError` when the rank is not 4, the factor not 1 or more, or the maps not a multiple of its square.
  public func pixelShuffled(by factor: Int) throws -> Tensor {
    let square = try checkedSquare(factor)
    guard shape[1] % square == 0 else {
      throw TensorError.argument(
        name: "factor", expected: "one whose square divides \(shape[1]), the maps of shape \(shape)", got: "\(factor)")
    }
    let (images, maps, height, width) = (shape[0], shape[1] / square, shape[2], shape[3])
    let result: Shape = [images, maps, height * factor, width * factor]
    // As the values lie in memory, maps are before or after the pixels.
    switch layout {
    case .nchw:
      return try reinterpreting(as: [images, maps, factor, factor, height, width], layout: .nchw)
        .permuted(to: [0, 1, 4, 2, 5, 3]).reinterpreting(as: result, layout: .nchw)
    case .nhwc:
      return try reinterpreting(as: [images, height, width, maps, factor, factor], layout: .nchw)
        .permuted(to: [0, 1, 4, 2, 5, 3]).reinterpreting(as: result, layout: .nhwc)
    }
  }

  /// Pixels as maps: (N, C, H r, W r) as (N, C r r, H, W), as PyTorch's `pixel_unshuffle`: what
  /// ``pixelShuffled(by:)`` was given.
  ///
  /// - Throws: `TensorError` when the rank is not 4, or the factor not 1 or more and a divisor of height and width.
  public func pixelUnshuffled(by factor: Int) throws -> Tensor {
    let square = try checkedSquare(factor)
    guard shape[2] % factor == 0, shape[3] % factor == 0 else {
      throw TensorError.argument(
        name: "factor", expected: "a divisor of the height and the width of shape \(shape)", got: "\(factor)")
    }
    let (images, maps, height, width) = (shape[0], shape[1], shape[2] / factor, shape[3] / factor)
    let result: Shape = [images, maps * square, height, width]
    switch layout {
    case .nchw:
      return try reinterpreting(as: [images, maps, height, factor, width, factor], layout: .nchw)
        .permuted(to: [0, 1, 3, 5, 2, 4]).reinterpreting(as: result, layout: .nchw)
    case .nhwc:
      return try reinterpreting(as: [images, height, factor, width, factor, maps], layout: .nchw)
        .permuted(to: [0, 1, 3, 5, 2, 4]).reinterpreting(as: result, layout: .nhwc)
    }
  }

  /// - Throws: `TensorError` unless this is pictures and the factor, whose square is returned, a small number.
  private func checkedSquare(_ factor: Int) throws -> Int {
    guard shape.rank == 4 else { throw TensorError.invalidShape(shape, reason: "pictures are (N, C, H, W)") }
    guard factor > 0, factor < 1 << 16 else {
      throw TensorError.argument(name: "factor", expected: "1 or more", got: "\(factor)")
    }
    return factor * factor
  }
}
