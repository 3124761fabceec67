import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// Values of any type are chosen on every device.
  ///
  /// - Throws: `DeviceError`; `unsupportedType` where values of float64 would be added up and the device does not compute
  ///   in it.
  package func run(_ call: PoolingCall) throws {
    let isScatter = call.direction == .scatter
    if isScatter, call.picture.dtype == .float64 { try check(.float64, "the gradient of max pooling") }
    let geometry = call.geometry
    var kernelCall = PoolingKernelCall()
    kernelCall.isScatter = isScatter ? 1 : 0
    kernelCall.mapsLast = call.picture.strides[1] == 1 ? 1 : 0
    (kernelCall.images, kernelCall.maps) = (geometry.images, geometry.maps)
    (kernelCall.height, kernelCall.width) = (geometry.height, geometry.width)
    (kernelCall.rows, kernelCall.columns) = (geometry.rows, geometry.columns)
    (kernelCall.windowHeight, kernelCall.windowWidth) = (geometry.windowHeight, geometry.windowWidth)
    (kernelCall.strideRows, kernelCall.strideColumns) = (geometry.strideRows, geometry.strideColumns)
    (kernelCall.top, kernelCall.left) = (geometry.top, geometry.left)
    let (picture, pooled) = (place(of: call.picture), place(of: call.pooled))
    let chooser = place(of: call.chooser, call.picture.dtype)
    kernelCall.chooserOffset = chooser.offset
    kernelCall.picture = PictureSteps(call.picture, offset: picture.offset)
    kernelCall.pooled = PictureSteps(call.pooled, offset: pooled.offset)
    let shape = isScatter ? geometry.pictureShape : geometry.pooledShape
    try launch(
      .pooling, "choose", .float32, items: try shape.elementCount(),
      [chooser.buffer, (isScatter ? pooled : picture).buffer, (isScatter ? picture : pooled).buffer], kernelCall
    ) { "max pooling of \(geometry.pictureShape), \(call.direction)" }
  }
}

extension PictureSteps {
  fileprivate init(_ view: View, offset: Int) {
    self.init()
    self.offset = offset
    (image, map, row, column) = (view.strides[0], view.strides[1], view.strides[2], view.strides[3])
    type = view.dtype.kernelType
  }
}
