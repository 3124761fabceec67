import InstanceNorm

/// A device whose memory the host cannot read, made of the CPU: every tensor must come and go through the backend's
/// own copies, and every computation must be told by a record.
open class FarBackend: CallRunner, @unchecked Sendable {
  // Unchecked: what it holds is set before it is used.
  public let name = "far:0"
  public let summary = "memory out of the host's reach"
  public let isGPU = true
  public let isHostMemory = false
  private let cpu = CPUBackend.shared

  public init() {}

  open func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer { try cpu.allocate(byteCount: byteCount) }
  open func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) {
    cpu.deallocate(address, byteCount: byteCount)
  }
  open func copy(from source: UnsafeRawBufferPointer, to destination: Storage) {
    cpu.copy(from: source, to: destination)
  }
  open func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) {
    cpu.copy(from: source, to: destination)
  }
  open func copy(from source: Storage, to destination: Storage) { cpu.copy(from: source, to: destination) }
  open func fill(_ storage: Storage, with pattern: UInt64) { cpu.fill(storage, with: pattern) }

  /// Runs the records: as the CPU does, unless a test wants to see them or have them run wrongly.
  package final var runner: (any Call) throws -> Void = { try $0.runOnCPU() }

  package final func run(_ call: any Call) throws { try runner(call) }
}
