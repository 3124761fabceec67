import CGPUKernels
import Tensors

/// A GPU, or a processor that acts as one, through whatever interface its driver has.
///
/// Calls queue their work and return; reading a tensor waits. Memory is kept when a tensor goes (`MemoryPool`); since
/// work is done in the order in which it was queued, what a tensor leaves may be used by the next one at once.
public final class GPUBackend: Backend {
  public let name: String
  package let driver: any GPUDriver
  let properties: GPUProperties
  /// The device's memory.
  package let pool: MemoryPool
  let axisMaps = AxisMapCache()

  package init(name: String, driver: any GPUDriver) {
    self.name = name
    self.driver = driver
    properties = driver.properties
    // Of its own memory everything; of the host's as much as the CPU's tensors keep.
    pool = MemoryPool(
      limit: properties.sharesHostMemory ? properties.memory / 8 : properties.memory,
      from: .init {
        driver.allocate(byteCount: $0).map { UInt(bitPattern: $0) }
      } free: {
        if let address = UnsafeMutableRawPointer(bitPattern: $0) { driver.free(address) }
      })
  }

  public var summary: String {
    let tenths = (Double(properties.memory) / Double(1 << 30) * 10).rounded() / 10
    let kind = properties.isGPU ? "" : " on a processor"
    return "\(properties.model), \(properties.interface)\(kind), \(tenths) GiB"
  }

  public var isGPU: Bool { properties.isGPU }
  public var memory: Int { properties.memory }
  public var supportedTypes: [DType] { DType.allCases.filter { $0 != .float64 || properties.hasDouble } }

  public func synchronize() throws { try driver.finish() }

  // MARK: Memory

  public var isHostMemory: Bool { false }

  public func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer {
    let held = pool.statistics
    let rest = properties.memory - held.bytesInUse - byteCount
    // Some drivers promise memory that they do not have, and fail when it is used.
    guard rest >= 0 else {
      throw DeviceError.outOfMemory(
        device: name, byteCount: byteCount, inUse: held.bytesInUse, total: properties.memory)
    }
    if held.bytesCached > rest { pool.trim() }
    do {
      return try pool.allocate(byteCount: byteCount)
    } catch {
      // Not for want of memory, where the device does not work at all.
      try driver.finish()
      throw DeviceError.outOfMemory(
        device: name, byteCount: byteCount, inUse: pool.statistics.bytesInUse, total: properties.memory)
    }
  }

  public func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) {
    pool.deallocate(address, byteCount: byteCount)
  }

  public func copy(from source: UnsafeRawBufferPointer, to destination: Storage) throws {
    try driver.write(source, to: destination.address)
  }

  public func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) throws {
    try driver.read(source.address, into: destination)
  }

  public func copy(from source: Storage, to destination: Storage) throws {
    try driver.copy(source.address, to: destination.address, byteCount: source.byteCount)
  }

  /// Queues a kernel, once more with what the pool keeps given back when a driver finds only then that it is short of
  /// memory.
  func queue(_ launch: KernelLaunch) throws {
    do {
      try driver.launch(launch)
    } catch is OutOfDeviceMemory {
      pool.trim()
      do {
        try driver.launch(launch)
      } catch is OutOfDeviceMemory {
        throw DeviceError.outOfMemory(
          device: name, byteCount: 0, inUse: pool.statistics.bytesInUse, total: properties.memory)
      }
    }
  }

  /// Memory for what one call's kernels hand on to each other.
  func scratch(byteCount: Int) throws -> Storage {
    try Storage(byteCount: byteCount, on: self)
  }

  /// - Throws: `DeviceError.unsupportedType` for what this device does not compute in.
  func check(_ dtype: DType, _ operation: String) throws {
    guard dtype != .float64 || properties.hasDouble else {
      throw DeviceError.unsupportedType(operation: operation, device: name, got: dtype)
    }
  }
}
