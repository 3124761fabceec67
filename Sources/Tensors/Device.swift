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

  public var description: String {
    switch self {
    case .mismatch(let operation, let expected, let got):
      "\(operation): expected a tensor on \(expected), got one on \(got)"
    case .noGPU(let devices):
      "no GPU was found; looked at the devices at hand: \(devices.map(\.name).joined(separator: ", "))"
    case .unknown(let name, let available):
      "no device '\(name)' here; expected auto or one of: \(available.map(\.name).joined(separator: ", "))"
    }
  }
}
