import Foundation
import Tensors

extension OpenCLDriver {
  /// What the library that leads to the drivers is called.
  #if canImport(Darwin)
    package static let libraryNames = ["/System/Library/Frameworks/OpenCL.framework/OpenCL"]
  #else
    package static let libraryNames = ["libOpenCL.so.1", "libOpenCL.so"]
  #endif

  /// The devices of all drivers, numbered as they come.
  ///
  /// - Parameters:
  ///   - library: OpenCL's.
  ///   - withoutDouble: for tests: as if no device had float64.
  ///   - optimizing: for tests: whether kernels are compiled to be fast, which takes ten times longer.
  /// - Throws: ``LibraryError`` when there is none.
  package static func devices(
    in library: DynamicLibrary, withoutDouble: Bool = false, optimizing: Bool = true
  ) throws(LibraryError) -> [OpenCLDriver] {
    let library = try OpenCLLibrary(library)
    // Drivers that are asked by two threads at once while they start may say that they have no devices.
    startLock.lock()
    defer { startLock.unlock() }
    var count: UInt32 = 0
    let status = library.getPlatformIDs(0, nil, &count)
    guard status == 0, count > 0 else {
      throw .refused("OpenCL finds no platform: \(OpenCLLibrary.meaning(of: status == 0 ? -1001 : status))")
    }
    var platforms = [OpenCLLibrary.Handle?](repeating: nil, count: Int(count))
    _ = library.getPlatformIDs(count, &platforms, nil)
    var drivers: [OpenCLDriver] = []
    for platform in platforms {
      var count: UInt32 = 0
      guard library.getDeviceIDs(platform, Key.allDevices, 0, nil, &count) == 0, count > 0 else { continue }
      var devices = [OpenCLLibrary.Handle?](repeating: nil, count: Int(count))
      _ = library.getDeviceIDs(platform, Key.allDevices, count, &devices, nil)
      for case let device? in devices {
        drivers.append(
          OpenCLDriver(
            library, device, name: "opencl:\(drivers.count)", withoutDouble: withoutDouble, optimizing: optimizing))
      }
    }
    guard !drivers.isEmpty else {
      throw .refused("OpenCL's platforms have no device (PoCL needs a folder to write to: POCL_CACHE_DIR)")
    }
    return drivers
  }

  private static let startLock = NSLock()
}
