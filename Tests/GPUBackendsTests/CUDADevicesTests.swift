import GPUBackends
import InstanceNorm
import StandInCUDA
import Testing

/// Which devices CUDA's driver offers, or why it offers none.
@Suite(.enabled(if: StandIn.isThere, "no OpenCL whose devices share the host's memory"))
struct CUDADevicesTests {
  @Test func `a library that is not there is missing, by its name`() {
    do {
      _ = try DynamicLibrary(named: ["libno-such-library.so.1"])
      Issue.record("opened a library that is not there")
    } catch {
      guard case .missing(let reason) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(reason.contains("libno-such-library.so.1"))
    }
  }

  @Test func `a driver without a function that is needed is refused by that function's name`() {
    #expect(throws: LibraryError.symbol("cuStreamDestroy_v2")) {
      try CUDADriver.devices(in: StandIn.library(replacing: ["cuStreamDestroy_v2": nil]))
    }
  }

  @Test func `a driver that does not work is refused in its own words`() {
    let cuInit: @convention(c) (UInt32) -> UInt32 = { _ in 100 }
    #expect(
      throws: LibraryError.refused(
        "libcuda.so.1: cuInit failed: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE, 100)")
    ) {
      try CUDADriver.devices(in: StandIn.library(replacing: ["cuInit": StandIn.address(cuInit)]))
    }
  }

  @Test func `an error that the driver has no words for is refused by its number`() {
    let cuInit: @convention(c) (UInt32) -> UInt32 = { _ in 4321 }
    #expect(
      throws: LibraryError.refused("libcuda.so.1: cuInit failed: an error that the driver has no words for (4321)")
    ) {
      try CUDADriver.devices(in: StandIn.library(replacing: ["cuInit": StandIn.address(cuInit)]))
    }
  }

  @Test func `a driver without a device is refused`() {
    let count: @convention(c) (UnsafeMutablePointer<Int32>) -> UInt32 = {
      $0.pointee = 0
      return 0
    }
    #expect(throws: LibraryError.refused("libcuda.so.1: the driver shows no device")) {
      try CUDADriver.devices(in: StandIn.library(replacing: ["cuDeviceGetCount": StandIn.address(count)]))
    }
  }

  @Test func `a driver that is too old for the kernels is refused, with both versions`() {
    let version: @convention(c) (UnsafeMutablePointer<Int32>) -> UInt32 = {
      $0.pointee = 11_080
      return 0
    }
    #expect(
      throws: LibraryError.refused("libcuda.so.1: the driver is of CUDA 11.8, and 12.2 or later is needed")
    ) {
      try CUDADriver.devices(in: StandIn.library(replacing: ["cuDriverGetVersion": StandIn.address(version)]))
    }
  }

  @Test func `a device that is too old for the kernels is refused, with what it has`() {
    let attribute: @convention(c) (UnsafeMutablePointer<Int32>, UInt32, Int32) -> UInt32 = { value, attribute, _ in
      value.pointee = attribute == 75 ? 6 : 1
      return 0
    }
    #expect(
      throws: LibraryError.refused("Stand-in 0 has compute capability 6.1; 7.0 or higher is needed")
    ) {
      try CUDADriver.devices(in: StandIn.library(replacing: ["cuDeviceGetAttribute": StandIn.address(attribute)]))
    }
  }

  @Test func `devices are numbered, and say what they are`() throws {
    let devices = try CUDADriver.devices(in: StandIn.library())
    #expect(devices.map(\.name) == ["cuda:0", "cuda:1"])
    #expect(
      devices[1].properties
        == GPUProperties(
          model: "Stand-in 1", interface: "CUDA 12.2", vendor: "NVIDIA Corporation", memory: 1 << 30, isGPU: true,
          hasDouble: true, threadLimit: 512, sharedLimit: 96 << 10, cacheBytes: 4 << 20, processors: 4))
  }

  @Test func `a device that cannot be used says so when it is used, not before`() throws {
    let retain: @convention(c) (UnsafeMutablePointer<OpaquePointer?>, Int32) -> UInt32 = { _, _ in 2 }
    let device = try StandIn.device(0, replacing: ["cuDevicePrimaryCtxRetain": StandIn.address(retain)])
    let reason = "cuDevicePrimaryCtxRetain failed: out of memory (CUDA_ERROR_OUT_OF_MEMORY, 2)"
    #expect(device.allocate(byteCount: 64) == nil)
    #expect(throws: DeviceError.unavailable(name: "cuda:0", reason: reason)) { try device.finish() }
  }
}
