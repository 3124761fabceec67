import CPUKernels
import Calls
import GPUBackends
import InstanceNorm
import TestSupport
import Testing

/// Products of matrices on every device, against their reference.
@Suite struct GPUMatrixTests {
  private struct Form {
    var batch = 1
    var rows = 1
    var columns = 1
    var inner = 1
    var isTransposed = false
    var alpha = 1.0
    var beta = 0.0
  }

  private static let forms = [
    Form(), Form(rows: 3, columns: 5, inner: 7), Form(batch: 3, rows: 2, columns: 4, inner: 5, alpha: 0.5, beta: 2),
    Form(rows: 16, columns: 16, inner: 1), Form(batch: 2, rows: 65, columns: 70, inner: 37, alpha: -1, beta: 0.5),
    Form(rows: 65, columns: 70, inner: 37, isTransposed: true), Form(rows: 20, columns: 130, inner: 16),
    Form(rows: 20, columns: 20, inner: 0, beta: 3), Form(rows: 4, columns: 20, inner: 300, isTransposed: true),
    Form(batch: 0, rows: 4, columns: 4, inner: 4),
  ]

  @Test(arguments: DevicesUnderTest.all) func `every size and type`(device: Device) throws {
    let types: [(DType, DType, DType)] =
      DType.allCases.map { ($0, $0, $0) } + [(.float64, .float32, .float32), (.float16, .float32, .bfloat16)]
    for types in types {
      let isDouble = types.0 == .float64 && types.1 == .float64
      guard !isDouble || device.supportedTypes.contains(.float64) else { continue }
      for form in Self.forms { try check(form, types, on: device) }
    }
  }

  private func check(_ form: Form, _ types: (DType, DType, DType), on device: Device) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    let (rows, columns, inner) = (form.rows, form.columns, form.inner)
    let first = try Twin(
      randomNumbers(form.batch * rows * inner, seed: 1), types.0, on: device, start: 1)
    let second = try Twin(
      randomNumbers(form.batch * inner * columns, seed: 2), types.1, on: device, start: 2)
    // With a beta of 0 what is there is not read.
    let old = randomNumbers(form.batch * rows * columns, seed: 3).map { form.beta == 0 ? .nan : $0 }
    let target = try Twin(old, types.2, on: device, start: 3)
    func call(isOnHost: Bool) -> MatrixCall {
      func view(_ twin: Twin, _ height: Int, _ width: Int) -> MatrixView {
        MatrixView(
          isOnHost ? twin.hostAddress : twin.deviceAddress, twin.dtype, batchStride: height * width,
          rowStride: form.isTransposed ? 1 : width, columnStride: form.isTransposed ? height : 1)
      }
      return MatrixCall(
        batch: form.batch, rows: rows, columns: columns, inner: inner, alpha: form.alpha, beta: form.beta,
        first: view(first, rows, inner), second: view(second, inner, columns), target: view(target, rows, columns))
    }
    ReferenceMatrix(call(isOnHost: true)).run()
    try gpu.run(call(isOnHost: false))
    let isDouble = types.0 == .float64 && types.1 == .float64
    let fault = try target.fault {
      types.2.unit(of: $1) + (isDouble ? 1e-15 : 1e-7) * Double(inner + 1)
    }
    #expect(fault == nil, "\(form), \(types)")
  }

  @Test(arguments: DevicesUnderTest.withoutDouble) func `float64 is refused by devices without it`(
    device: Device
  ) throws {
    #expect(throws: DeviceError.self) { try check(Form(), (.float64, .float64, .float64), on: device) }
  }
}
