import CPUKernels
import Calls
import GPUBackends
import Tensors

/// A record that every device runs. Each device tries its implementations in order, the last of which is the reference.
protocol DeviceCall: Call {
  func run(on device: CPUBackend) throws
  func run(on device: GPUBackend) throws
}

extension DeviceCall {
  /// - Throws: what the device throws, and `DeviceError.unavailable(name:reason:)` where it does not compute.
  func run(on backend: any Backend) throws {
    if let cpu = backend as? CPUBackend { return try run(on: cpu) }
    if let gpu = backend as? GPUBackend { return try run(on: gpu) }
    guard let runner = backend as? any CallRunner else {
      throw DeviceError.unavailable(name: backend.name, reason: "it has memory and computes nothing")
    }
    try runner.run(self)
  }
}

extension NormCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension NormGradientCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension TrackCall: DeviceCall {
  func run(on device: CPUBackend) throws { device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension RecallCall: DeviceCall {
  func run(on device: CPUBackend) throws { device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension PointwiseCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension PointwiseGradientCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension BinaryCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension ReductionCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension MatrixCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension ConvolutionCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension PoolingCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension RearrangeCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension CombineCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}
extension AdamCall: DeviceCall {
  func run(on device: CPUBackend) throws { try device.run(self) }
  func run(on device: GPUBackend) throws { try device.run(self) }
}

extension Call {
  /// Runs any record on the CPU: for devices made of it.
  package func runOnCPU() throws {
    guard let call = self as? any DeviceCall else { return }
    try call.run(on: CPUBackend.shared)
  }
}
