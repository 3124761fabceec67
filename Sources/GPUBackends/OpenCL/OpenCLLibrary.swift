/// The functions of OpenCL 1.2 that are used, in the library that leads to the drivers.
struct OpenCLLibrary: Sendable {
  typealias Handle = UnsafeMutableRawPointer
  typealias Status = Int32
  typealias Info = @convention(c) (Handle?, UInt32, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Status
  typealias Release = @convention(c) (Handle?) -> Status

  let getPlatformIDs: @convention(c) (UInt32, UnsafeMutablePointer<Handle?>?, UnsafeMutablePointer<UInt32>?) -> Status
  let getDeviceIDs:
    @convention(c) (Handle?, UInt64, UInt32, UnsafeMutablePointer<Handle?>?, UnsafeMutablePointer<UInt32>?) -> Status
  let getDeviceInfo: Info
  let createContext:
    @convention(c) (
      UnsafePointer<Int>?, UInt32, UnsafePointer<Handle?>, UnsafeRawPointer?, UnsafeRawPointer?,
      UnsafeMutablePointer<Status>?
    ) -> Handle?
  let createCommandQueue: @convention(c) (Handle?, Handle?, UInt64, UnsafeMutablePointer<Status>?) -> Handle?
  let createBuffer:
    @convention(c) (Handle?, UInt64, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Status>?) -> Handle?
  let releaseMemObject: Release
  let createProgramWithSource:
    @convention(c) (
      Handle?, UInt32, UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int>?, UnsafeMutablePointer<Status>?
    ) -> Handle?
  let buildProgram:
    @convention(c) (
      Handle?, UInt32, UnsafePointer<Handle?>?, UnsafePointer<CChar>?, UnsafeRawPointer?, UnsafeRawPointer?
    ) -> Status
  let getProgramBuildInfo:
    @convention(c) (Handle?, Handle?, UInt32, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Status
  let createKernel: @convention(c) (Handle?, UnsafePointer<CChar>, UnsafeMutablePointer<Status>?) -> Handle?
  let setKernelArg: @convention(c) (Handle?, UInt32, Int, UnsafeRawPointer?) -> Status
  let enqueueNDRangeKernel:
    @convention(c) (
      Handle?, Handle?, UInt32, UnsafePointer<Int>?, UnsafePointer<Int>, UnsafePointer<Int>?, UInt32,
      UnsafePointer<Handle?>?, UnsafeMutablePointer<Handle?>?
    ) -> Status
  let enqueueWriteBuffer:
    @convention(c) (
      Handle?, Handle?, UInt32, Int, Int, UnsafeRawPointer?, UInt32, UnsafePointer<Handle?>?,
      UnsafeMutablePointer<Handle?>?
    ) -> Status
  let enqueueReadBuffer:
    @convention(c) (
      Handle?, Handle?, UInt32, Int, Int, UnsafeMutableRawPointer?, UInt32, UnsafePointer<Handle?>?,
      UnsafeMutablePointer<Handle?>?
    ) -> Status
  let enqueueCopyBuffer:
    @convention(c) (
      Handle?, Handle?, Handle?, Int, Int, Int, UInt32, UnsafePointer<Handle?>?, UnsafeMutablePointer<Handle?>?
    ) -> Status
  let flush: Release
  let finish: Release
  let getEventInfo: Info
  let releaseEvent: Release

  init(_ library: DynamicLibrary) throws(LibraryError) {
    getPlatformIDs = try library.function("clGetPlatformIDs")
    getDeviceIDs = try library.function("clGetDeviceIDs")
    getDeviceInfo = try library.function("clGetDeviceInfo")
    createContext = try library.function("clCreateContext")
    createCommandQueue = try library.function("clCreateCommandQueue")
    createBuffer = try library.function("clCreateBuffer")
    releaseMemObject = try library.function("clReleaseMemObject")
    createProgramWithSource = try library.function("clCreateProgramWithSource")
    buildProgram = try library.function("clBuildProgram")
    getProgramBuildInfo = try library.function("clGetProgramBuildInfo")
    createKernel = try library.function("clCreateKernel")
    setKernelArg = try library.function("clSetKernelArg")
    enqueueNDRangeKernel = try library.function("clEnqueueNDRangeKernel")
    enqueueWriteBuffer = try library.function("clEnqueueWriteBuffer")
    enqueueReadBuffer = try library.function("clEnqueueReadBuffer")
    enqueueCopyBuffer = try library.function("clEnqueueCopyBuffer")
    flush = try library.function("clFlush")
    finish = try library.function("clFinish")
    getEventInfo = try library.function("clGetEventInfo")
    releaseEvent = try library.function("clReleaseEvent")
  }

  // MARK: Questions

  /// What some object says of itself, as bytes.
  func bytes(_ ask: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Status) -> [UInt8] {
    var size = 0
    guard ask(0, nil, &size) == 0, size > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: size)
    return ask(size, &bytes, nil) == 0 ? bytes : []
  }

  func text(ofDevice device: Handle, _ key: UInt32) -> String {
    text(bytes { getDeviceInfo(device, key, $0, $1, $2) })
  }

  func text(_ bytes: [UInt8]) -> String {
    var text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }

  /// A number of whatever width.
  func number(ofDevice device: Handle, _ key: UInt32) -> Int {
    let bytes = bytes { getDeviceInfo(device, key, $0, $1, $2) }
    return bytes.prefix(8).reversed().reduce(0) { $0 &<< 8 | Int($1) }
  }

  /// Whether a call found no memory on the device.
  static func isOutOfMemory(_ status: Status) -> Bool { status == -4 || status == -5 }

  /// What a status means.
  static func meaning(of status: Status) -> String {
    let name =
      switch status {
      case -1: "no device was found"
      case -3: "the compiler is not available"
      case -4: "out of device memory (CL_MEM_OBJECT_ALLOCATION_FAILURE)"
      case -5: "out of resources"
      case -6: "out of host memory"
      case -11: "the kernels do not compile"
      case -14: "a call that was queued before failed"
      case -46: "there is no such kernel"
      case -48: "the kernel is not valid"
      case -51: "an argument has the wrong size"
      case -52: "an argument is missing"
      case -54: "too many threads in a work-group"
      case -61: "too large a buffer"
      case -1001: "no driver is installed, or none could be loaded"
      default: "an error"
      }
    return "\(name) (OpenCL \(status))"
  }
}
