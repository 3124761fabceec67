import CGPUKernels
import Calls
import Tensors

extension GPUBackend {
  /// Values that are only moved or converted may be of any type on every device.
  ///
  /// - Throws: `DeviceError`; `unsupportedType` where values of float64 would be added or weighted and the device does
  ///   not compute in it.
  package func run(_ call: RearrangeCall) throws {
    let maps = call.maps.compactMap { $0 }
    let isSelection = maps.allSatisfy(\.isSelection)
    if !isSelection, call.input.dtype == .float64 || call.output.dtype == .float64 {
      try check(.float64, "resizing")
    }
    let count = call.extents.product
    guard count > 0 else { return }
    let axes = JoinedAxes(call.extents, [call.input.strides, call.output.strides], leader: 1) {
      call.maps[$0] != nil
    }
    func purpose() -> String { "moving \(count) values, \(call.input.dtype) to \(call.output.dtype)" }
    if maps.isEmpty, axes.isContiguous, call.input.dtype == call.output.dtype {
      return try driver.copy(
        call.input.address, to: call.output.address, byteCount: count * call.output.dtype.byteCount)
    }

    var kernelCall = RearrangeKernelCall()
    kernelCall.count = count
    kernelCall.axes = Int32(axes.extents.count)
    let (input, output) = (place(of: call.input), place(of: call.output))
    (kernelCall.inputOffset, kernelCall.outputOffset) = (input.offset, output.offset)
    kernelCall.inputType = call.input.dtype.kernelType
    kernelCall.outputType = call.output.dtype.kernelType
    kernelCall.extents = AxisNumbers(axes.extents)
    kernelCall.input = AxisNumbers(axes.strides[0])
    kernelCall.output = AxisNumbers(axes.strides[1])
    let tables = try axisMaps.tables(for: axes.origins.map { call.maps[$0] }, on: self)
    // Until all is queued that uses them: another thread's calls could get their memory in between.
    defer { withExtendedLifetime(tables) {} }
    kernelCall.hasWeights = tables.weights == nil ? 0 : 1
    kernelCall.starts = AxisNumbers(tables.starts)
    kernelCall.sources = AxisNumbers(tables.sources)
    kernelCall.weights = AxisNumbers(tables.weightStarts)
    try launch(
      .rearrange, "rearrange", .float32, items: count,
      [input.buffer, tables.numbers?.address, tables.weights?.address, output.buffer], kernelCall, purpose: purpose)
  }

  public func fill(_ storage: Storage, with pattern: UInt64) throws {
    try fill(storage.address, byteCount: storage.byteCount, with: pattern)
  }

  /// Whole words, which memory is always a multiple of.
  func fill(_ address: UnsafeMutableRawPointer, byteCount: Int, with pattern: UInt64) throws {
    var call = FillKernelCall()
    call.count = (byteCount + 7) / 8
    call.pattern = UInt(pattern)
    try launch(.rearrange, "fill_bytes", .float32, items: call.count, [address], call) { "filling \(byteCount) bytes" }
  }
}
