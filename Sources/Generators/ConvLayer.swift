import InstanceNorm

/// A convolution of a picture that is mirrored at its edges, so that a stride of 1 keeps its size.
final class ConvLayer: Module {
  /// How the picture is made twice as high and wide before; nil where it is not.
  let doubling: ResizeMode?
  let conv2d: Conv2D

  init(_ inMaps: Int, _ outMaps: Int, size: Int, stride: Int = 1, doubling: ResizeMode? = nil) throws {
    self.doubling = doubling
    conv2d = try Conv2D(
      inMaps: inMaps, outMaps: outMaps, size: RowsAndColumns(size), stride: RowsAndColumns(stride),
      pad: Margins(size / 2), paddingMode: .reflect)
    super.init()
  }

  override func forward(_ x: Tensor) throws -> Tensor {
    try conv2d(doubling.map { try x.upsampled(by: 2, mode: $0) } ?? x)
  }
}
