import GPUBackends
import InstanceNorm
import Testing

/// What the tests of GPUs run on: every real GPU, and processors through OpenCL, once with float64 and once as if they
/// had none, as many GPUs have not; and CUDA's driver on its stand-in.
enum DevicesUnderTest {
  static let all: [Device] = GPUs.best.map { Device($0) } + processors + withoutDouble + standIns
  /// For what takes long and does not depend on the device.
  static let few: [Device] = GPUs.best.map { Device($0) } + processors.prefix(1)
  static let withDouble: [Device] = all.filter { $0.supportedTypes.contains(.float64) }
  static let processors = make(", processor", withoutDouble: false).map { Device($0) }
  static let withoutDouble = make(", without float64", withoutDouble: true).map { Device($0) }

  /// Processors as devices of their own, with memory that no other test uses.
  static func make(_ suffix: String, withoutDouble: Bool) -> [GPUBackend] {
    // Compiled without optimisation, since most of what a test would wait for is the compiler.
    let drivers = try? OpenCLDriver.devices(
      in: DynamicLibrary(named: OpenCLDriver.libraryNames), withoutDouble: withoutDouble, optimizing: false)
    return (drivers ?? []).enumerated().filter { !$1.properties.isGPU }.map { index, driver in
      GPUBackend(name: "opencl:\(index)\(suffix)", driver: driver)
    }
  }

  static let standIns: [Device] = {
    guard StandIn.isThere, let driver = try? StandIn.device(0) else { return [] }
    return [Device(GPUBackend(name: "cuda, a stand-in", driver: driver))]
  }()
}

@Suite struct DevicesUnderTestTests {
  @Test func `there is a device to test`() {
    #expect(!DevicesUnderTest.all.isEmpty, "no OpenCL device; on Debian, install pocl-opencl-icd")
  }
}
