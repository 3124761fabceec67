import InstanceNorm

/// A convolution of a picture that is mirrored at its edges, so that a stride of 1 keeps its size.
final class ConvLayer: Module {
  /// How many times as high and wide the picture is made before, each pixel repeated.
  let upsampling: Int
  let conv2d: Conv2D

  init(_ inMaps: Int, _ outMaps: Int, size: Int, stride: Int = 1, upsampling: Int = 1) throws {
    self.upsampling = upsampling
    conv2d = try Conv2D(
      inMaps: inMaps, outMaps: outMaps, size: RowsAndColumns(size), stride: RowsAndColumns(stride),
      pad: Margins(size / 2), paddingMode: .reflect)
    super.init()
  }

  override func forward(_ x: Tensor) throws -> Tensor {
    try conv2d(upsampling == 1 ? x : x.upsampled(by: upsampling))
  }
}
