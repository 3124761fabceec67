import CTensors

/// The memory of one tensor, or of several that have not yet been told apart by a write.
///
/// It belongs to the backend that allocated it and goes back there when the last tensor lets go. The address is
/// the backend's own: on the CPU a pointer, on a GPU whatever names memory there.
public final class Storage: @unchecked Sendable {
  // Unchecked: the memory is only written through a tensor that holds the sole reference.

  public let address: UnsafeMutableRawPointer
  public let byteCount: Int
  public let backend: any Backend
  /// Which backend it is, to compare without counting references.
  package let backendIdentity: ObjectIdentifier

  /// Whether a plan is being traced to which the values are unknown, so that they are neither read nor changed
  /// meanwhile except by operations. Only the tracing thread has such memory.
  package var isTraced = false

  /// Uninitialised memory for `byteCount` bytes.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``.
  public init(byteCount: Int, on backend: any Backend) throws {
    self.address = try backend.allocate(byteCount: byteCount)
    self.byteCount = byteCount
    self.backend = backend
    backendIdentity = ObjectIdentifier(backend)
  }

  /// - Throws: ``TensorError/traced(shape:)`` while a plan is traced that the values depend on.
  func requireKnown(_ shape: Shape) throws {
    if isTraced, tensors_get_recording() != nil { throw TensorError.traced(shape: shape) }
  }

  deinit {
    backend.deallocate(address, byteCount: byteCount)
  }
}
