import CGPUKernels
import Foundation
import Tensors

extension CUDADriver {
  /// The names under which the driver may be found.
  package static let libraryNames = ["libcuda.so.1", "libcuda.so"]

  /// The devices that the driver shows and that the kernels run on, as `cuda:0` and so on. None of them is touched
  /// before it is used.
  ///
  /// - Throws: `LibraryError` where there are none, with the driver's reason.
  package static func devices(
    in library: DynamicLibrary, isBlocking: Bool = QueuedCalls.areWaitedFor
  ) throws(LibraryError) -> [CUDADriver] {
    let library = try CUDALibrary(library)
    var version: Int32 = 0
    var count: Int32 = 0
    try library.require("cuInit", library.cuInit(0))
    try library.require("cuDriverGetVersion", library.cuDriverGetVersion(&version))
    try library.require("cuDeviceGetCount", library.cuDeviceGetCount(&count))
    guard count > 0 else { throw .refused("\(libraryNames[0]): the driver shows no device") }

    let has = CUDAVersion(major: Int(version) / 1000, minor: Int(version) % 1000 / 10)
    if let needed = CUDAVersion.ofKernels, has < needed {
      throw .refused("\(libraryNames[0]): the driver is of CUDA \(has), and \(needed) or later is needed")
    }
    var devices: [CUDADriver] = []
    var refusal: LibraryError?
    for ordinal in 0..<count {
      do {
        devices.append(
          try CUDADriver(
            library: library, ordinal: ordinal, name: "cuda:\(devices.count)", interface: "CUDA \(has)",
            isBlocking: isBlocking))
      } catch {
        refusal = refusal ?? error
      }
    }
    if devices.isEmpty, let refusal { throw refusal }
    return devices
  }
}

extension CUDALibrary {
  func require(_ function: String, _ result: CUResult) throws(LibraryError) {
    if result != .success { throw .refused("\(CUDADriver.libraryNames[0]): \(function) failed: \(words(result))") }
  }
}

/// A version of CUDA, as drivers have one.
struct CUDAVersion: Comparable, CustomStringConvertible {
  var major: Int
  var minor: Int

  var description: String { "\(major).\(minor)" }

  static func < (first: CUDAVersion, second: CUDAVersion) -> Bool {
    (first.major, first.minor) < (second.major, second.minor)
  }

  /// The first whose drivers take the kernels' PTX, which says a version of its own: 8.2 is CUDA 12.2's, up to 8.5.
  static let ofKernels: CUDAVersion? = {
    let key = ".version 8."
    return strstr(kernel_ptx(KernelFamily.normalization.number, DType.float32.kernelType), key).map {
      CUDAVersion(major: 12, minor: Int(atoi($0 + key.utf8.count)))
    }
  }()
}
