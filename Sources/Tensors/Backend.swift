/// A device: memory, and what is known of it. What it computes is not its own matter: operations and the kernels that
/// run them are in the targets above.
public protocol Backend: AnyObject, Sendable {
  // MARK: What it is

  /// How the device is called on a command line: `cpu`, `cuda:0`.
  var name: String { get }
  /// What the device is, for people.
  var summary: String { get }
  var isGPU: Bool { get }
  /// Bytes of memory that it has; where that is shared with others, what it may use now.
  var memory: Int { get }
  /// The types that it computes in. Tensors may be of any type, and be converted.
  var supportedTypes: [DType] { get }
  /// Waits until all that was asked for is done, on devices where calls only queue it.
  ///
  /// - Throws: ``DeviceError/failed(device:call:reason:)`` when something of it failed.
  func synchronize() throws

  // MARK: Memory

  /// Uninitialised memory, aligned to 64 bytes and a multiple of 8 bytes long.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer
  /// Takes back what ``allocate(byteCount:)`` gave for the same `byteCount`.
  func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int)
  /// Whether ``Storage/address`` may be read and written by the processor directly.
  var isHostMemory: Bool { get }
  /// Copies `source.count` bytes from the host into this backend's memory.
  func copy(from source: UnsafeRawBufferPointer, to destination: Storage) throws
  /// Copies `destination.count` bytes from this backend's memory to the host.
  func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) throws
  /// Copies the whole of one storage to another of the same size, both this backend's.
  func copy(from source: Storage, to destination: Storage) throws
  /// Makes every 8 bytes of a storage the same. The last of them may lie partly beyond its size.
  func fill(_ storage: Storage, with pattern: UInt64) throws
}

extension Backend {
  public var memory: Int { MemoryPool.physicalMemory }

  public var supportedTypes: [DType] { DType.allCases }

  public func synchronize() throws {}
}
