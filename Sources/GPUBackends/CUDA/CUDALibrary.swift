/// What the driver's functions return: 0, or which error.
typealias CUResult = UInt32
typealias CUDevice = Int32
typealias CUContext = OpaquePointer
typealias CUStream = OpaquePointer
typealias CUEvent = OpaquePointer
typealias CUModule = OpaquePointer
typealias CUFunction = OpaquePointer
/// CUDA's is an integer as wide as a pointer, which is passed as a pointer is.
typealias CUDevicePointer = UnsafeMutableRawPointer

/// The functions of CUDA's driver that this package calls, as `cuda.h` declares them.
struct CUDALibrary: @unchecked Sendable {
  // Unchecked: addresses of functions that any thread may call.

  typealias Out<Value> = UnsafeMutablePointer<Value>

  let cuInit: @convention(c) (_ flags: UInt32) -> CUResult
  let cuDriverGetVersion: @convention(c) (Out<Int32>) -> CUResult
  let cuGetErrorName: @convention(c) (CUResult, Out<UnsafePointer<CChar>?>) -> CUResult
  let cuGetErrorString: @convention(c) (CUResult, Out<UnsafePointer<CChar>?>) -> CUResult

  let cuDeviceGetCount: @convention(c) (Out<Int32>) -> CUResult
  let cuDeviceGet: @convention(c) (Out<CUDevice>, _ ordinal: Int32) -> CUResult
  let cuDeviceGetName: @convention(c) (Out<CChar>, _ capacity: Int32, CUDevice) -> CUResult
  let cuDeviceTotalMem: @convention(c) (Out<Int>, CUDevice) -> CUResult
  let cuDeviceGetAttribute: @convention(c) (Out<Int32>, CUAttribute.RawValue, CUDevice) -> CUResult

  let cuDevicePrimaryCtxRetain: @convention(c) (Out<CUContext?>, CUDevice) -> CUResult
  let cuDevicePrimaryCtxRelease: @convention(c) (CUDevice) -> CUResult
  let cuCtxPushCurrent: @convention(c) (CUContext) -> CUResult
  let cuCtxPopCurrent: @convention(c) (Out<CUContext?>) -> CUResult

  let cuStreamCreate: @convention(c) (Out<CUStream?>, _ flags: UInt32) -> CUResult
  let cuStreamSynchronize: @convention(c) (CUStream) -> CUResult
  let cuStreamDestroy: @convention(c) (CUStream) -> CUResult

  let cuEventCreate: @convention(c) (Out<CUEvent?>, _ flags: UInt32) -> CUResult
  let cuEventRecord: @convention(c) (CUEvent, CUStream) -> CUResult
  let cuEventQuery: @convention(c) (CUEvent) -> CUResult
  let cuEventSynchronize: @convention(c) (CUEvent) -> CUResult
  let cuEventDestroy: @convention(c) (CUEvent) -> CUResult

  let cuMemAlloc: @convention(c) (Out<CUDevicePointer?>, _ byteCount: Int) -> CUResult
  let cuMemFree: @convention(c) (CUDevicePointer) -> CUResult
  let cuMemcpyHtoDAsync: @convention(c) (CUDevicePointer, UnsafeRawPointer, Int, CUStream) -> CUResult
  let cuMemcpyDtoHAsync: @convention(c) (UnsafeMutableRawPointer, CUDevicePointer, Int, CUStream) -> CUResult
  let cuMemcpyDtoDAsync: @convention(c) (CUDevicePointer, CUDevicePointer, Int, CUStream) -> CUResult
  let cuPointerGetAttribute: @convention(c) (Out<UInt32>, _ attribute: UInt32, UnsafeRawPointer) -> CUResult

  let cuModuleLoadDataEx:
    @convention(c) (
      Out<CUModule?>, _ image: UnsafeRawPointer, _ optionCount: UInt32, Out<CUOption.RawValue>,
      Out<UnsafeMutableRawPointer?>
    ) -> CUResult
  let cuModuleUnload: @convention(c) (CUModule) -> CUResult
  let cuModuleGetFunction: @convention(c) (Out<CUFunction?>, CUModule, _ name: UnsafePointer<CChar>) -> CUResult
  let cuFuncSetAttribute: @convention(c) (CUFunction, _ attribute: UInt32, _ value: Int32) -> CUResult
  let cuLaunchKernel:
    @convention(c) (
      CUFunction, _ blocksX: UInt32, _ blocksY: UInt32, _ blocksZ: UInt32,
      _ threadsX: UInt32, _ threadsY: UInt32, _ threadsZ: UInt32,
      _ sharedBytes: UInt32, CUStream, _ arguments: Out<UnsafeMutableRawPointer?>?, _ extra: UnsafeMutableRawPointer?
    ) -> CUResult

  // Where a function has changed, its old self keeps the plain name and the new one gets a suffix, which cuda.h hides.
  init(_ library: DynamicLibrary) throws(LibraryError) {
    cuInit = try library.function("cuInit")
    cuDriverGetVersion = try library.function("cuDriverGetVersion")
    cuGetErrorName = try library.function("cuGetErrorName")
    cuGetErrorString = try library.function("cuGetErrorString")
    cuDeviceGetCount = try library.function("cuDeviceGetCount")
    cuDeviceGet = try library.function("cuDeviceGet")
    cuDeviceGetName = try library.function("cuDeviceGetName")
    cuDeviceTotalMem = try library.function("cuDeviceTotalMem_v2")
    cuDeviceGetAttribute = try library.function("cuDeviceGetAttribute")
    cuDevicePrimaryCtxRetain = try library.function("cuDevicePrimaryCtxRetain")
    cuDevicePrimaryCtxRelease = try library.function("cuDevicePrimaryCtxRelease_v2")
    cuCtxPushCurrent = try library.function("cuCtxPushCurrent_v2")
    cuCtxPopCurrent = try library.function("cuCtxPopCurrent_v2")
    cuStreamCreate = try library.function("cuStreamCreate")
    cuStreamSynchronize = try library.function("cuStreamSynchronize")
    cuStreamDestroy = try library.function("cuStreamDestroy_v2")
    cuEventCreate = try library.function("cuEventCreate")
    cuEventRecord = try library.function("cuEventRecord")
    cuEventQuery = try library.function("cuEventQuery")
    cuEventSynchronize = try library.function("cuEventSynchronize")
    cuEventDestroy = try library.function("cuEventDestroy_v2")
    cuMemAlloc = try library.function("cuMemAlloc_v2")
    cuMemFree = try library.function("cuMemFree_v2")
    cuMemcpyHtoDAsync = try library.function("cuMemcpyHtoDAsync_v2")
    cuMemcpyDtoHAsync = try library.function("cuMemcpyDtoHAsync_v2")
    cuMemcpyDtoDAsync = try library.function("cuMemcpyDtoDAsync_v2")
    cuPointerGetAttribute = try library.function("cuPointerGetAttribute")
    cuModuleLoadDataEx = try library.function("cuModuleLoadDataEx")
    cuModuleUnload = try library.function("cuModuleUnload")
    cuModuleGetFunction = try library.function("cuModuleGetFunction")
    cuFuncSetAttribute = try library.function("cuFuncSetAttribute")
    cuLaunchKernel = try library.function("cuLaunchKernel")
  }

  /// An error in the driver's words, with its name and number.
  func words(_ result: CUResult) -> String {
    var words: UnsafePointer<CChar>?
    var name: UnsafePointer<CChar>?
    guard cuGetErrorString(result, &words) == CUResult.success, cuGetErrorName(result, &name) == CUResult.success,
      let words, let name
    else { return "an error that the driver has no words for (\(result))" }
    return "\(String(cString: words)) (\(String(cString: name)), \(result))"
  }
}

extension CUResult {
  static let success: CUResult = 0
  static let unsupportedPTXVersion: CUResult = 222
  static let notReady: CUResult = 600

  /// Whether this is what a kernel or a copy did on the device, some time before the call that says so. After it the
  /// context answers every call with the same.
  var cameLate: Bool {
    switch self {
    // Memory or a link with uncorrectable errors; a bad address; a launch that took too long; an assertion; what
    // instructions can do wrong; any other failure of a kernel; unknown.
    case 214, 220, 226, 700, 702, 710, 714...719, 999: true
    default: false
    }
  }
}

/// What can be asked about a device.
enum CUAttribute: UInt32 {
  case threadsPerBlock = 1
  case multiprocessors = 16
  case l2CacheBytes = 38
  case computeCapabilityMajor = 75
  case computeCapabilityMinor = 76
  case readsPageableMemory = 88
  case sharedBytesPerBlockOptIn = 97
}

/// What the compiler of PTX is told.
enum CUOption: UInt32 {
  case errorLogBuffer = 5
  case errorLogBufferByteCount = 6
}
