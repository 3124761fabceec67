import InstanceNorm

/// A device that tells how much of its memory is in use, and has been at once.
public final class MeteredBackend: FarBackend, @unchecked Sendable {
  // Unchecked: a test uses its device from one task.
  public private(set) var inUse = 0
  public var most = 0

  public override func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer {
    inUse += byteCount
    most = max(most, inUse)
    return try super.allocate(byteCount: byteCount)
  }

  public override func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) {
    inUse -= byteCount
    super.deallocate(address, byteCount: byteCount)
  }
}
