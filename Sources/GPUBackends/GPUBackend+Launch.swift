import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// What kernels are given for a view's memory, and where in that its first value is, in values.
  func place(of view: View) -> (buffer: UnsafeMutableRawPointer, offset: Int) {
    place(of: view.address, view.dtype)
  }

  func place(
    of address: UnsafeMutableRawPointer, _ dtype: DType
  ) -> (buffer: UnsafeMutableRawPointer, offset: Int) {
    let (buffer, offset) = driver.place(of: address)
    return (buffer, offset / dtype.byteCount)
  }

  /// Queues a kernel with a thread for each item.
  func launch(
    _ family: KernelFamily, _ kernel: StaticString, _ dtype: DType, items: Int, _ buffers: [UnsafeMutableRawPointer?],
    _ call: any KernelCall, purpose: @escaping () -> String
  ) throws {
    guard items > 0 else { return }
    let threads = 256
    try queue(
      KernelLaunch(
        family, kernel, dtype, blocks: (items + threads - 1) / threads, threads: threads, buffers: buffers, call: call,
        purpose: purpose))
  }

  /// Queues a kernel with a thread for each 16 bytes of so many values.
  func launch(
    _ family: KernelFamily, _ kernel: StaticString, _ dtype: DType, values count: Int,
    _ buffers: [UnsafeMutableRawPointer?], _ call: any KernelCall, purpose: @escaping () -> String
  ) throws {
    let lanes = Int(VECTOR_BYTES) / dtype.byteCount
    try launch(family, kernel, dtype, items: (count + lanes - 1) / lanes, buffers, call, purpose: purpose)
  }
}

/// A number as kernels are told it.
func bits(_ number: Double) -> UInt { UInt(number.bitPattern) }

extension AxisNumbers {
  init(_ numbers: some Collection<Int>) {
    self.init()
    withUnsafeMutableBytes(of: &at) { bytes in
      let at = bytes.assumingMemoryBound(to: Int.self)
      for (axis, number) in numbers.enumerated() { at[axis] = number }
    }
  }
}
