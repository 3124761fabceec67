import Tensors

/// The devices that drivers on this machine offer, looked for once.
public enum GPUs {
  /// All of them: `cuda:0` and so on, then `opencl:0` and so on.
  public static let all: [GPUBackend] = found.all
  /// Those that are GPUs and not processors, the best first: CUDA's before OpenCL's, more memory before less, and each
  /// card once.
  public static let best: [GPUBackend] = best(of: all)
  /// Why there are none of some interface.
  public static let unavailable: [DeviceError] = found.unavailable

  private static let found: (all: [GPUBackend], unavailable: [DeviceError]) = {
    var all: [GPUBackend] = []
    var unavailable: [DeviceError] = []
    func look(_ name: String, _ drivers: () throws -> [any GPUDriver]) {
      do {
        for (index, driver) in try keepingSignals({ try drivers() }).enumerated() {
          all.append(GPUBackend(name: "\(name):\(index)", driver: driver))
        }
      } catch {
        unavailable.append(.unavailable(name: name, reason: "\(error)"))
      }
    }
    look("cuda") { try CUDADriver.devices(in: DynamicLibrary(named: CUDADriver.libraryNames)) }
    look("opencl") { try OpenCLDriver.devices(in: DynamicLibrary(named: OpenCLDriver.libraryNames)) }
    return (all, unavailable)
  }()

  static func best(of all: [GPUBackend]) -> [GPUBackend] {
    let gpus = all.filter(\.isGPU)
    let cuda = gpus.filter { $0.isCUDA }
    // NVIDIA's cards are there under OpenCL too.
    let others = gpus.filter { gpu in
      !gpu.isCUDA && !(gpu.properties.vendor.contains("NVIDIA") && !cuda.isEmpty)
    }
    return [cuda, others].flatMap { $0.sorted { $0.memory > $1.memory } }
  }
}

extension GPUBackend {
  var isCUDA: Bool { name.hasPrefix("cuda") }
}
