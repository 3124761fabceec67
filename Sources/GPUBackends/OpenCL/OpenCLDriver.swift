import CGPUKernels
import Foundation
import Tensors

/// A device of OpenCL 1.2 or later: AMD's, Intel's, NVIDIA's, or a processor through PoCL.
///
/// Memory has addresses of our own (`OpenCLBuffers`). The kernels are compiled when they are first used, a family at a time.
package final class OpenCLDriver: GPUDriver, @unchecked Sendable {
  // Unchecked: what changes is under the lock, and OpenCL's functions may be called from any thread, but for those that
  // concern a kernel's arguments, which are under the lock too.

  package let properties: GPUProperties
  private let library: OpenCLLibrary
  private let device: OpenCLLibrary.Handle
  private let name: String
  private let optimizing: Bool

  private struct Programs {
    var context: OpenCLLibrary.Handle?
    var queue: OpenCLLibrary.Handle?
    var buffers = OpenCLBuffers()
    var programs: [KernelProgram: OpenCLLibrary.Handle] = [:]
    var kernels: [KernelKey: OpenCLLibrary.Handle] = [:]
    /// Calls that may not be done yet, oldest first.
    var pending: [(event: OpenCLLibrary.Handle, purpose: () -> String)] = []
    /// What failed, which every later call says again.
    var failure: DeviceError?
  }
  private let state = Locked(Programs())

  private struct KernelKey: Hashable {
    let name: UnsafePointer<UInt8>
    let dtype: DType
  }

  /// How many calls are remembered by name, at most.
  private static let pendingLimit = 256

  enum Key {
    static let allDevices: UInt64 = 0xFFFF_FFFF
    static let type: UInt32 = 0x1000
    static let computeUnits: UInt32 = 0x1002
    static let workGroupSize: UInt32 = 0x1004
    static let cacheSize: UInt32 = 0x101E
    static let memory: UInt32 = 0x101F
    static let localMemory: UInt32 = 0x1023
    static let name: UInt32 = 0x102B
    static let hostUnifiedMemory: UInt32 = 0x1035
    static let vendor: UInt32 = 0x102C
    static let driverVersion: UInt32 = 0x102D
    static let version: UInt32 = 0x102F
    static let extensions: UInt32 = 0x1030
    static let buildLog: UInt32 = 0x1183
    static let eventStatus: UInt32 = 0x11D3
    static let gpu = 4
    static let accelerator = 8
  }

  init(
    _ library: OpenCLLibrary, _ device: OpenCLLibrary.Handle, name: String, withoutDouble: Bool, optimizing: Bool
  ) {
    self.library = library
    self.device = device
    self.name = name
    self.optimizing = optimizing
    let extensions = library.text(ofDevice: device, Key.extensions).split(separator: " ")
    let version = library.text(ofDevice: device, Key.version).split(separator: " ").prefix(2).joined(separator: " ")
    properties = GPUProperties(
      model: library.text(ofDevice: device, Key.name), interface: version,
      vendor: library.text(ofDevice: device, Key.vendor), memory: library.number(ofDevice: device, Key.memory),
      isGPU: library.number(ofDevice: device, Key.type) & (Key.gpu | Key.accelerator) != 0,
      hasDouble: extensions.contains("cl_khr_fp64") && !withoutDouble,
      // All devices have so many; with more, fewer registers are left to each.
      threadLimit: min(256, library.number(ofDevice: device, Key.workGroupSize)),
      sharedLimit: library.number(ofDevice: device, Key.localMemory),
      cacheBytes: library.number(ofDevice: device, Key.cacheSize),
      processors: library.number(ofDevice: device, Key.computeUnits),
      sharesHostMemory: library.number(ofDevice: device, Key.hostUnifiedMemory) & 1 != 0)
  }

  // MARK: Memory

  package func allocate(byteCount: Int) -> UnsafeMutableRawPointer? {
    state.withLock { state in
      guard (try? open(&state)) != nil else { return nil }
      var status: OpenCLLibrary.Status = 0
      let buffer = library.createBuffer(state.context, 1, byteCount, nil, &status)
      guard status == 0, let buffer else { return nil }
      return state.buffers.add(buffer, byteCount: byteCount)
    }
  }

  package func free(_ address: UnsafeMutableRawPointer) {
    if let buffer = state.withLock({ $0.buffers.remove(address) }) { _ = library.releaseMemObject(buffer) }
  }

  package func place(of address: UnsafeMutableRawPointer) -> (buffer: UnsafeMutableRawPointer, offset: Int) {
    let offset = state.withLock { $0.buffers.find(address)?.offset } ?? 0
    return (address - offset, offset)
  }

  package func write(_ source: UnsafeRawBufferPointer, to address: UnsafeMutableRawPointer) throws {
    guard let base = source.baseAddress, source.count > 0 else { return }
    let (queue, buffer, offset) = try openQueue(for: address)
    let status = library.enqueueWriteBuffer(queue, buffer, 1, offset, source.count, base, 0, nil, nil)
    try check(status, "writing \(source.count) bytes")
  }

  package func read(_ address: UnsafeMutableRawPointer, into destination: UnsafeMutableRawBufferPointer) throws {
    guard let base = destination.baseAddress, destination.count > 0 else { return }
    let (queue, buffer, offset) = try openQueue(for: address)
    let status = library.enqueueReadBuffer(queue, buffer, 1, offset, destination.count, base, 0, nil, nil)
    try check(status, "reading \(destination.count) bytes")
    try state.withLock { try collect(&$0) }
  }

  package func copy(
    _ source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer, byteCount: Int
  ) throws {
    guard byteCount > 0 else { return }
    let (queue, from, fromOffset) = try openQueue(for: source)
    let (_, to, toOffset) = try openQueue(for: destination)
    let status = library.enqueueCopyBuffer(queue, from, to, fromOffset, toOffset, byteCount, 0, nil, nil)
    try check(status, "copying \(byteCount) bytes")
  }

  package func finish() throws {
    let queue = try state.withLock { state in
      try open(&state)
      return state.queue
    }
    try check(library.finish(queue), "waiting")
    try state.withLock { try collect(&$0) }
  }

  // MARK: Kernels

  package func launch(_ launch: KernelLaunch) throws {
    try state.withLock { state in
      try open(&state)
      if state.pending.count >= Self.pendingLimit { try collect(&state) }
      let kernel = try kernel(launch, &state)
      func check(_ status: OpenCLLibrary.Status) throws {
        guard status != 0 else { return }
        if OpenCLLibrary.isOutOfMemory(status) { throw OutOfDeviceMemory() }
        throw DeviceError.failed(
          device: name, call: launch.purpose(), reason: "\(launch.kernel): \(OpenCLLibrary.meaning(of: status))")
      }
      var index: UInt32 = 0
      for address in launch.buffers {
        let place = try address.map { try find($0, in: state) }
        guard place?.offset ?? 0 == 0 else {
          throw DeviceError.failed(
            device: name, call: launch.purpose(), reason: "\(launch.kernel): memory of which a kernel needs the start")
        }
        var buffer = place?.handle
        try check(library.setKernelArg(kernel, index, MemoryLayout<OpenCLLibrary.Handle>.size, &buffer))
        index += 1
      }
      try launch.call.withBytes { try check(library.setKernelArg(kernel, index, $0.count, $0.baseAddress)) }
      index += 1
      if let bytes = launch.sharedBytes { try check(library.setKernelArg(kernel, index, bytes, nil)) }
      var (global, local) = (launch.blocks * launch.threads, launch.threads)
      var event: OpenCLLibrary.Handle?
      try check(library.enqueueNDRangeKernel(state.queue, kernel, 1, nil, &global, &local, 0, nil, &event))
      // Some drivers begin only when they are told to.
      try check(library.flush(state.queue))
      if let event { state.pending.append((event, launch.purpose)) }
    }
  }

  private func kernel(_ launch: KernelLaunch, _ state: inout Programs) throws -> OpenCLLibrary.Handle {
    let key = KernelKey(name: launch.kernel.utf8Start, dtype: launch.dtype)
    if let kernel = state.kernels[key] { return kernel }
    let program = try program(KernelProgram(family: launch.family, dtype: launch.dtype), &state)
    var status: OpenCLLibrary.Status = 0
    guard let kernel = library.createKernel(program, "\(launch.kernel)", &status) else {
      throw DeviceError.unavailable(name: name, reason: "\(launch.kernel): \(OpenCLLibrary.meaning(of: status))")
    }
    state.kernels[key] = kernel
    return kernel
  }

  private func program(_ key: KernelProgram, _ state: inout Programs) throws -> OpenCLLibrary.Handle {
    if let program = state.programs[key] { return program }
    var sources: [UnsafePointer<CChar>?] = [kernel_prelude_opencl]
    while let source = kernel_source(key.family.number, Int32(sources.count) - 1) { sources.append(source) }
    var status: OpenCLLibrary.Status = 0
    let program = library.createProgramWithSource(state.context, UInt32(sources.count), sources, nil, &status)
    guard let program, status == 0 else {
      throw DeviceError.unavailable(name: name, reason: OpenCLLibrary.meaning(of: status))
    }
    // Without warnings, which some drivers write to the standard error.
    let options = [
      "-cl-std=CL1.2 -w -DVALUE_TYPE=\(key.dtype.kernelType)", properties.hasDouble ? "-DHAS_DOUBLE" : "",
      // A processor's compiler is slow enough to be spared the copies.
      properties.isGPU ? "" : "-DCALLS", optimizing ? "" : "-cl-opt-disable",
    ].joined(separator: " ")
    var device: OpenCLLibrary.Handle? = device
    status = keepingSignals { library.buildProgram(program, 1, &device, options, nil, nil) }
    guard status == 0 else {
      let log = library.text(
        library.bytes { library.getProgramBuildInfo(program, self.device, Key.buildLog, $0, $1, $2) })
      throw DeviceError.unavailable(name: name, reason: "\(OpenCLLibrary.meaning(of: status)): \(log)")
    }
    state.programs[key] = program
    return program
  }

  // MARK: Context and errors

  /// The queue, and what an address names.
  private func openQueue(
    for address: UnsafeMutableRawPointer
  ) throws -> (queue: OpenCLLibrary.Handle?, buffer: OpenCLLibrary.Handle, offset: Int) {
    try state.withLock { state in
      try open(&state)
      let (buffer, offset) = try find(address, in: state)
      return (state.queue, buffer, offset)
    }
  }

  private func find(
    _ address: UnsafeMutableRawPointer, in state: Programs
  ) throws -> (handle: OpenCLLibrary.Handle, offset: Int) {
    guard let place = state.buffers.find(address) else {
      throw DeviceError.failed(device: name, call: "looking for memory", reason: "\(address) is none of the device's")
    }
    return place
  }

  /// Makes context and queue when they are first needed.
  private func open(_ state: inout Programs) throws {
    if let failure = state.failure { throw failure }
    if state.queue != nil { return }
    var device: OpenCLLibrary.Handle? = device
    var status: OpenCLLibrary.Status = 0
    let context = keepingSignals { library.createContext(nil, 1, &device, nil, nil, &status) }
    guard status == 0 else {
      throw DeviceError.unavailable(name: name, reason: "no context: \(OpenCLLibrary.meaning(of: status))")
    }
    let queue = keepingSignals { library.createCommandQueue(context, self.device, 0, &status) }
    guard status == 0 else {
      throw DeviceError.unavailable(name: name, reason: "no queue: \(OpenCLLibrary.meaning(of: status))")
    }
    (state.context, state.queue) = (context, queue)
  }

  /// Forgets calls that are done; throws what one that failed says.
  private func collect(_ state: inout Programs) throws {
    var rest: [(event: OpenCLLibrary.Handle, purpose: () -> String)] = []
    for call in state.pending {
      var status: OpenCLLibrary.Status = 0
      _ = library.getEventInfo(call.event, Key.eventStatus, MemoryLayout<OpenCLLibrary.Status>.size, &status, nil)
      if status < 0, state.failure == nil {
        state.failure = .failed(
          device: name, call: call.purpose(), reason: OpenCLLibrary.meaning(of: status))
      }
      if status > 0 { rest.append(call) } else { _ = library.releaseEvent(call.event) }
    }
    // Of more than can be remembered, the oldest are as good as done. Half of them, so that not every call looks.
    if rest.count >= Self.pendingLimit {
      let forgotten = rest.count - Self.pendingLimit / 2
      for call in rest.prefix(forgotten) { _ = library.releaseEvent(call.event) }
      rest.removeFirst(forgotten)
    }
    state.pending = rest
    if let failure = state.failure { throw failure }
  }

  private func check(_ status: OpenCLLibrary.Status, _ call: String) throws {
    guard status != 0 else { return }
    // The cause may be a call before.
    try state.withLock { try collect(&$0) }
    throw DeviceError.failed(device: name, call: call, reason: OpenCLLibrary.meaning(of: status))
  }
}
