import Tensors

/// How a tensor (N, C, spatial...) lies in memory, as far as normalisation cares.
package struct Planes: Equatable {
  package let dtype: DType
  package let layout: Layout
  /// N.
  package let images: Int
  /// C.
  package let maps: Int
  /// Values of one plane: H W.
  package let size: Int

  package init(dtype: DType, layout: Layout, images: Int, maps: Int, size: Int) {
    self.dtype = dtype
    self.layout = layout
    self.images = images
    self.maps = maps
    self.size = size
  }

  package init(_ tensor: Tensor) {
    // An empty tensor may have extents whose product overflows. It has no values to go over, but may have planes.
    self.init(
      dtype: tensor.dtype, layout: tensor.layout, images: tensor.shape[0], maps: tensor.shape[1],
      size: tensor.count == 0 ? 0 : tensor.shape.dimensions[2...].reduce(1, *))
  }

  /// Whether the planes of a batch are, by map, those of one picture.
  package func areOnePicture(_ sharing: MomentSharing?, _ scale: ParameterValues, _ bias: ParameterValues) -> Bool {
    guard sharing == .batch, images > 1, size > 0, scale.isByMap, bias.isByMap else { return false }
    return layout == .nhwc || size == 1 || maps == 1
  }

  /// How many planes there are: N C.
  @inlinable package var count: Int { images * maps }

  @inlinable package var valueCount: Int { count * size }

  /// Where a plane's first value is, in values from the tensor's start.
  @inlinable package func offset(ofPlane plane: Int) -> Int {
    switch layout {
    case .nchw: plane * size
    case .nhwc: plane / maps * maps * size + plane % maps
    }
  }

  /// How far apart in memory a plane's values are.
  @inlinable package var stride: Int { layout == .nchw ? 1 : maps }
}

extension Planes: CustomStringConvertible {
  /// The extents as errors show them: `(N, C, H W)`.
  package var description: String { "(\(images), \(maps), \(size))" }
}
