/// Where a tensor's memory is, and who computes on it.
public struct Device: Sendable {
  public let backend: any Backend

  public init(_ backend: any Backend) {
    self.backend = backend
  }

  /// The processor, with as many threads as it has cores.
  public static let cpu = Device(CPUBackend.shared)

  /// The processor, with a given number of threads. Results have the same bits for any number.
  ///
  /// - Throws: ``TensorError/argument(name:expected:got:)`` unless `threads` is 1 or more.
  public static func cpu(threads: Int) throws -> Device {
    Device(try CPUBackend(threads: threads))
  }

  /// How the device is called on a command line: `cpu`, `cuda:0`.
  public var name: String { backend.name }

  /// What it is, for people: its model and memory.
  public var summary: String { backend.summary }

  /// Whether it is a GPU, so that `toGPU()` may choose it.
  public var isGPU: Bool { backend.isGPU }

  /// Bytes of memory that it has; where that is shared with others, what it may use now.
  public var memory: Int { backend.memory }

  /// The types that it computes in. Tensors may be of any type there, and be converted.
  public var supportedTypes: [DType] { backend.supportedTypes }

  /// Waits until all that was asked for is done. Calls on a GPU only queue their work; reading a tensor on the host
  /// waits too.
  ///
  /// - Throws: ``DeviceError/failed(device:call:reason:)`` when something of it failed.
  public func synchronize() throws { try backend.synchronize() }
}

extension Device: Hashable, CustomStringConvertible {
  /// Devices of the same name share their memory. The CPU with one thread and with seven is the same device.
  public static func == (first: Device, second: Device) -> Bool { first.name == second.name }

  public func hash(into hasher: inout Hasher) { hasher.combine(name) }

  public var description: String { name }
}

/// What can be wrong with where a tensor is.
public enum DeviceError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Two operands are not on the same device.
  case mismatch(operation: String, expected: Device, got: Device)
  /// A GPU was asked for and there is none among the devices that were looked at.
  case noGPU(lookedAt: [Device])
  /// There is no device of this name.
  case unknown(name: String, available: [Device])
  /// The device's driver is not there or does not work.
  case unavailable(name: String, reason: String)
  /// The device does not compute in this type.
  case unsupportedType(operation: String, device: String, got: DType)
  /// The device has no memory of this size to give: bytes asked for, bytes in tensors, bytes that it has in all.
  case outOfMemory(device: String, byteCount: Int, inUse: Int, total: Int)
  /// Something that was queued on the device failed.
  case failed(device: String, call: String, reason: String)

  public var description: String {
    switch self {
    case .mismatch(let operation, let expected, let got):
      "\(operation): expected a tensor on \(expected), got one on \(got)"
    case .noGPU(let devices):
      "no GPU was found; looked at the devices at hand: \(devices.map(\.name).joined(separator: ", "))"
    case .unknown(let name, let available):
      "no device '\(name)' here; expected auto, gpu or one of: \(available.map(\.name).joined(separator: ", "))"
    case .unavailable(let name, let reason):
      "\(name): \(reason)"
    case .unsupportedType(let operation, let device, let got):
      "\(operation): \(device) does not compute in \(got)"
    case .outOfMemory(let device, let byteCount, let inUse, let total):
      "\(device): out of memory: \(byteCount) bytes could not be allocated; \(inUse) of \(total) are in use"
    case .failed(let device, let call, let reason):
      "\(device): \(call) failed: \(reason)"
    }
  }
}
