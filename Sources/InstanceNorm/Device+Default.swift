import Tensors

// Here and not in Tensors, because only this level knows every backend there is.

extension Device {
  /// The devices at hand: the CPU, and the GPUs that the backends of this build find.
  public static let available: [Device] = [.cpu]

  /// The best device at hand: a GPU where there is one, else the CPU.
  public static let `default`: Device = available.first(where: \.isGPU) ?? .cpu

  /// The device of a name, as command lines give it; `auto` is ``default``.
  ///
  /// - Throws: `DeviceError.unknown(name:available:)`, which lists what there is.
  public init(named name: String) throws {
    if name == "auto" {
      self = .default
    } else if let device = Self.available.first(where: { $0.name == name }) {
      self = device
    } else {
      throw DeviceError.unknown(name: name, available: Self.available)
    }
  }
}

extension Tensor {
  /// The values on a GPU, the first one at hand; PuzzleLib's `gpuarray.to_gpu`.
  ///
  /// To take a GPU where there is one and else the CPU, write `to(.default)`.
  ///
  /// - Throws: `DeviceError.noGPU(lookedAt:)` where there is none.
  public func toGPU() throws -> Tensor {
    guard let gpu = Device.available.first(where: \.isGPU) else {
      throw DeviceError.noGPU(lookedAt: Device.available)
    }
    return try to(gpu)
  }
}
