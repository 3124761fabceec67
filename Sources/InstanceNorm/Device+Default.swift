import GPUBackends
import Operations
import Tensors

// Here and not in Tensors, because only this level knows every backend there is.

extension Device {
  /// The devices at hand: the CPU, and what the drivers of CUDA and OpenCL offer.
  public static let available: [Device] = [.cpu] + GPUs.all.map { Device($0) }

  /// Why there are no devices of CUDA or OpenCL: that the driver is not there, or does not work.
  public static var unavailable: [DeviceError] { GPUs.unavailable }

  /// The best device at hand: the best GPU, else the CPU. An OpenCL device that is a processor is only used when asked
  /// for by name.
  public static let `default`: Device = GPUs.best.first.map { Device($0) } ?? .cpu

  /// A GPU through NVIDIA's CUDA.
  ///
  /// - Throws: `DeviceError.unavailable(name:reason:)` without a driver, `DeviceError.unknown(name:available:)` when
  ///   there are fewer.
  public static func cuda(_ index: Int = 0) throws -> Device { try Device(named: "cuda:\(index)") }

  /// A device of OpenCL, which may be a processor.
  ///
  /// - Throws: as ``cuda(_:)`` does.
  public static func opencl(_ index: Int = 0) throws -> Device { try Device(named: "opencl:\(index)") }

  /// A real GPU, the best first.
  ///
  /// - Throws: `DeviceError.noGPU(lookedAt:)` when there are fewer.
  public static func gpu(_ index: Int = 0) throws -> Device {
    guard GPUs.best.indices.contains(index) else { throw DeviceError.noGPU(lookedAt: available) }
    return Device(GPUs.best[index])
  }

  /// The device of a name, as command lines give it: one of ``available``; `auto` for ``default``, `gpu` and `gpu:1`
  /// for ``gpu(_:)``, `cuda` and `opencl` for the first of these.
  ///
  /// - Throws: `DeviceError.unknown(name:available:)`, which lists what there is; as ``cuda(_:)`` and ``gpu(_:)`` do.
  public init(named name: String) throws {
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    let index = parts.count == 2 ? Int(parts[1]) : parts.count == 1 ? 0 : nil
    if name == "cpu" {
      // Which starts no drivers.
      self = .cpu
    } else if name == "auto" {
      self = .default
    } else if parts.first == "gpu", let index {
      self = try .gpu(index)
    } else if let device = Self.available.first(where: { $0.name == name || $0.name == "\(name):0" }) {
      self = device
    } else if let missing = Self.unavailable.first(where: { $0.isOf("\(parts[0])") }) {
      throw missing
    } else {
      throw DeviceError.unknown(name: name, available: Self.available)
    }
  }
}

extension DeviceError {
  fileprivate func isOf(_ interface: String) -> Bool {
    if case .unavailable(let name, _) = self { return name == interface }
    return false
  }
}

extension Tensor {
  /// The values on a GPU, the best one at hand; PuzzleLib's `gpuarray.to_gpu`.
  ///
  /// To take a GPU where there is one and else the CPU, write `to(.default)`.
  ///
  /// - Throws: `DeviceError.noGPU(lookedAt:)` where there is none.
  public func toGPU() throws -> Tensor { try to(.gpu()) }
}
