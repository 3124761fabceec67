import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// On a device that does not compute in float64, factors of float64 have 48 bits, and float32's range.
  ///
  /// - Throws: `DeviceError`; `unsupportedType` where all is float64 and the device does not compute in it.
  package func run(_ call: MatrixCall) throws {
    let types = [call.first.dtype, call.second.dtype, call.target.dtype]
    if types.allSatisfy({ $0 == .float64 }) { try check(.float64, "a product of matrices") }
    let count = call.batch * call.rows * call.columns
    guard count > 0 else { return }
    var kernelCall = MatrixKernelCall()
    kernelCall.batch = call.batch
    kernelCall.rows = call.rows
    kernelCall.columns = call.columns
    kernelCall.inner = call.inner
    let places = [call.first, call.second, call.target].map { place(of: $0.address, $0.dtype) }
    kernelCall.first = MatrixSteps(call.first, offset: places[0].offset)
    kernelCall.second = MatrixSteps(call.second, offset: places[1].offset)
    kernelCall.target = MatrixSteps(call.target, offset: places[2].offset)
    kernelCall.alpha = bits(call.alpha)
    kernelCall.beta = bits(call.beta)
    let buffers = places.map(\.buffer)
    func purpose() -> String {
      "a product of \(call.batch) (\(call.rows), \(call.inner)) and (\(call.inner), \(call.columns)) matrices"
    }
    let (tile, side) = (Int(MATRIX_TILE), Int(MATRIX_SIDE))
    // Of small matrices most of a tile would lie outside.
    guard !types.contains(.float64), call.rows >= side, call.columns >= side else {
      return try launch(.matrix, "multiply", .float32, items: count, buffers, kernelCall, purpose: purpose)
    }
    let (down, across) = ((call.rows + tile - 1) / tile, (call.columns + tile - 1) / tile)
    try queue(
      KernelLaunch(
        .matrix, "multiply_tiles", .float32, blocks: call.batch * down * across, threads: side * side,
        sharedBytes: Int(MATRIX_SHARED_BYTES), buffers: buffers, call: kernelCall, purpose: purpose))
  }
}

extension MatrixSteps {
  init(_ matrix: MatrixView, offset: Int) {
    self.init()
    self.offset = offset
    batch = matrix.batchStride
    row = matrix.rowStride
    column = matrix.columnStride
    type = matrix.dtype.kernelType
  }
}
