import CGPUKernels
import Tensors

/// A GPU of NVIDIA's, through CUDA's driver.
///
/// It works in the device's primary context, which other libraries in the process share, and makes that context on
/// first use. What a thread had as its current context is that again after each call. All goes to one stream of ours,
/// which waits for nobody else's.
package final class CUDADriver: GPUDriver {
  package let name: String
  package let properties: GPUProperties

  let library: CUDALibrary
  let device: CUDevice
  /// Whether each call is waited for.
  let isBlocking: Bool
  /// Whether the device can reach all of the host's memory by itself. A copy from there may then still be going on
  /// when the call returns.
  private let readsPageableMemory: Bool
  let state = Locked(State())

  struct Session {
    var context: CUContext
    var stream: CUStream
  }

  struct Kernel {
    var function: CUFunction
    /// What it may have of shared memory. More than this every kernel has to ask for.
    var sharedBytes = 48 << 10
  }

  struct KernelKey: Hashable {
    /// Where the literal is: quicker to look for than its letters.
    var name: UnsafePointer<UInt8>
    var dtype: DType
  }

  /// An event, and how many calls are done when it is.
  struct Mark {
    var event: CUEvent
    var count: Int
  }

  struct State {
    var session: Session?
    /// What every call throws from now on.
    var failure: DeviceError?
    var modules: [KernelProgram: CUModule] = [:]
    var kernels: [KernelKey: Kernel] = [:]
    var calls = QueuedCalls()
    var marks: [Mark] = []
    var spareEvents: [CUEvent] = []
  }

  /// - Parameter ordinal: the driver's number for it, which counts devices that are too old as well.
  init(
    library: CUDALibrary, ordinal: Int32, name: String, interface: String, isBlocking: Bool
  ) throws(LibraryError) {
    var device: CUDevice = 0
    var bytes = 0
    var label: [CChar] = Array(repeating: 0, count: 256)
    try library.require("cuDeviceGet", library.cuDeviceGet(&device, ordinal))
    try library.require("cuDeviceTotalMem", library.cuDeviceTotalMem(&bytes, device))
    try library.require("cuDeviceGetName", library.cuDeviceGetName(&label, Int32(label.count), device))
    func attribute(_ attribute: CUAttribute) -> Int {
      var value: Int32 = 0
      return library.cuDeviceGetAttribute(&value, attribute.rawValue, device) == .success ? Int(value) : 0
    }
    let model = label.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    let capability = (attribute(.computeCapabilityMajor), attribute(.computeCapabilityMinor))
    guard capability >= (7, 0) else {
      let has = "\(capability.0).\(capability.1)"
      throw .refused("\(model) has compute capability \(has); 7.0 or higher is needed")
    }
    self.library = library
    self.device = device
    self.isBlocking = isBlocking
    self.name = name
    readsPageableMemory = attribute(.readsPageableMemory) != 0
    properties = GPUProperties(
      model: model, interface: interface, vendor: "NVIDIA Corporation", memory: bytes, isGPU: true, hasDouble: true,
      threadLimit: min(Int(THREAD_LIMIT), attribute(.threadsPerBlock)),
      sharedLimit: attribute(.sharedBytesPerBlockOptIn),
      cacheBytes: attribute(.l2CacheBytes), processors: attribute(.multiprocessors))
  }

  deinit {
    state.withLock { state in
      guard let session = state.session else { return }
      _ = inContext(session.context) {
        _ = library.cuStreamSynchronize(session.stream)
        for event in state.marks.map(\.event) + state.spareEvents { _ = library.cuEventDestroy(event) }
        for module in state.modules.values { _ = library.cuModuleUnload(module) }
        return library.cuStreamDestroy(session.stream)
      }
      _ = library.cuDevicePrimaryCtxRelease(device)
    }
  }

  // MARK: Memory

  package func allocate(byteCount: Int) -> UnsafeMutableRawPointer? {
    guard byteCount <= Int.max - 64 else { return nil }
    let rounded = max((byteCount + 63) / 64 * 64, 64)
    return state.withLock { state in
      // Of a device that does not work, waiting for it tells why.
      guard let session = try? open(&state) else { return nil }
      var address: CUDevicePointer?
      let result = inContext(session.context) { library.cuMemAlloc(&address, rounded) }
      return result == .success ? address : nil
    }
  }

  package func free(_ address: UnsafeMutableRawPointer) {
    // After a failure the memory is lost with the context.
    guard let session = state.withLock({ $0.failure == nil ? $0.session : nil }) else { return }
    _ = inContext(session.context) {
      // CUDA need not wait for a stream that is not its own.
      _ = library.cuStreamSynchronize(session.stream)
      return library.cuMemFree(address)
    }
  }

  package func place(of address: UnsafeMutableRawPointer) -> (buffer: UnsafeMutableRawPointer, offset: Int) {
    (address, 0)
  }

  package func write(_ source: UnsafeRawBufferPointer, to address: UnsafeMutableRawPointer) throws {
    guard let bytes = source.baseAddress, source.count > 0 else { return }
    try queue("copying \(source.count) bytes to the device") { _, session in
      let result = library.cuMemcpyHtoDAsync(address, bytes, source.count, session.stream)
      guard result == .success, mayBeReadLater(bytes) else { return result }
      return library.cuStreamSynchronize(session.stream)
    }
  }

  package func read(_ address: UnsafeMutableRawPointer, into destination: UnsafeMutableRawBufferPointer) throws {
    guard let bytes = destination.baseAddress, destination.count > 0 else { return }
    try wait("copying \(destination.count) bytes from the device") { session in
      let result = library.cuMemcpyDtoHAsync(bytes, address, destination.count, session.stream)
      return result == .success ? library.cuStreamSynchronize(session.stream) : result
    }
  }

  package func copy(
    _ source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer, byteCount: Int
  ) throws {
    guard byteCount > 0 else { return }
    try queue("copying \(byteCount) bytes on the device") { _, session in
      library.cuMemcpyDtoDAsync(destination, source, byteCount, session.stream)
    }
  }

  package func finish() throws {
    try wait("waiting") { library.cuStreamSynchronize($0.stream) }
  }

  /// Whether a copy from here may read after its call has returned. Ordinary memory goes through the driver's own
  /// first, unless the device can do without; what another library has pinned does not.
  private func mayBeReadLater(_ source: UnsafeRawPointer) -> Bool {
    let memoryType: UInt32 = 2
    var value: UInt32 = 0
    return readsPageableMemory || library.cuPointerGetAttribute(&value, memoryType, source) == .success
  }

  // MARK: Kernels

  package func launch(_ launch: KernelLaunch) throws {
    let purpose = launch.purpose
    try queue(purpose()) { state, session in
      let function = try function(for: launch, &state)
      return withArguments(launch.buffers, launch.call) { arguments in
        // Numbers that no GPU has room for become others of that kind, and the driver says so.
        library.cuLaunchKernel(
          function, UInt32(clamping: launch.blocks), 1, 1, UInt32(clamping: launch.threads), 1, 1,
          UInt32(clamping: launch.sharedBytes ?? 0), session.stream, arguments, nil)
      }
    }
  }

  /// Calls the body with the addresses of a kernel's arguments.
  private func withArguments<Call: KernelCall>(
    _ buffers: [UnsafeMutableRawPointer?], _ call: Call,
    _ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> CUResult
  ) -> CUResult {
    withUnsafePointer(to: call) { call in
      buffers.withUnsafeBufferPointer { buffers in
        withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: buffers.count + 1) { arguments in
          for index in buffers.indices {
            arguments.initializeElement(at: index, to: UnsafeMutableRawPointer(mutating: buffers.baseAddress! + index))
          }
          arguments.initializeElement(at: buffers.count, to: UnsafeMutableRawPointer(mutating: call))
          return body(arguments.baseAddress)
        }
      }
    }
  }

  private func function(for launch: KernelLaunch, _ state: inout State) throws -> CUFunction {
    let key = KernelKey(name: launch.kernel.utf8Start, dtype: launch.dtype)
    let sharedBytes = launch.sharedBytes ?? 0
    if let kernel = state.kernels[key], kernel.sharedBytes >= sharedBytes { return kernel.function }

    let program = KernelProgram(family: launch.family, dtype: launch.dtype)
    let module = try state.modules[program] ?? loadModule(program)
    state.modules[program] = module
    var function: CUFunction?
    let found = launch.kernel.withUTF8Buffer { name in
      name.withMemoryRebound(to: CChar.self) { library.cuModuleGetFunction(&function, module, $0.baseAddress!) }
    }
    try check(found, &state) { "\(launch.purpose()) with the kernel \(launch.kernel) for \(launch.dtype)" }
    guard let function else { throw DeviceError.failed(device: name, call: launch.purpose(), reason: "no function") }

    var kernel = Kernel(function: function)
    if sharedBytes > kernel.sharedBytes {
      let maxDynamicSharedBytes: UInt32 = 8
      // All that there is, so that nobody who asks for less takes it back.
      let limit = max(sharedBytes, properties.sharedLimit)
      let result = library.cuFuncSetAttribute(function, maxDynamicSharedBytes, Int32(clamping: limit))
      try check(result, &state) { "\(launch.purpose()) with \(sharedBytes) bytes of shared memory" }
      kernel.sharedBytes = limit
    }
    state.kernels[key] = kernel
    return function
  }

  /// Has the driver compile kernels for this device, or fetch what it has kept of an earlier time.
  private func loadModule(_ program: KernelProgram) throws -> CUModule {
    guard let ptx = kernel_ptx(program.family.number, program.dtype.kernelType) else {
      throw DeviceError.unavailable(name: name, reason: "there are no \(program.family) kernels for \(program.dtype)")
    }
    var module: CUModule?
    var log: [CChar] = Array(repeating: 0, count: 4096)
    let logByteCount = log.count - 1
    let result = log.withUnsafeMutableBytes { log in
      var options = [CUOption.errorLogBuffer.rawValue, CUOption.errorLogBufferByteCount.rawValue]
      var values = [log.baseAddress, UnsafeMutableRawPointer(bitPattern: logByteCount)]
      return library.cuModuleLoadDataEx(&module, ptx, 2, &options, &values)
    }
    if result == .success, let module { return module }

    var reason = "the driver does not take the \(program.family) kernels for \(program.dtype): \(library.words(result))"
    if result == .unsupportedPTXVersion {
      let needed = CUDAVersion.ofKernels.map { ", and the kernels are for CUDA \($0) or later" } ?? ""
      reason += "; it is of \(properties.interface)\(needed)"
    }
    let said = log.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }.split(separator: "\n")
    throw DeviceError.unavailable(name: name, reason: ([Substring(reason)] + said).joined(separator: "\n"))
  }
}
