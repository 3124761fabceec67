import CGPUKernels
import GPUBackends
import InstanceNorm
import StandInCUDA
import Testing

/// The stand-in for CUDA's driver.
enum StandIn {
  static let isThere = stand_in_cuda_is_there() != 0

  /// Its functions, with others instead of some: addresses, or nil for one that is missing.
  static func library(replacing others: [String: UnsafeMutableRawPointer?] = [:]) -> DynamicLibrary {
    let others = others.mapValues { UInt(bitPattern: $0) }
    return DynamicLibrary { name in
      others[name].map { UnsafeMutableRawPointer(bitPattern: $0) } ?? stand_in_cuda_symbol(name)
    }
  }

  /// One of its devices, which the caller should share with no other test that spoils it.
  static func device(
    _ ordinal: Int, isBlocking: Bool = false, replacing others: [String: UnsafeMutableRawPointer?] = [:]
  ) throws -> CUDADriver {
    let countAll: @convention(c) (UnsafeMutablePointer<Int32>) -> UInt32 = {
      $0.pointee = Int32(STAND_IN_CUDA_DEVICES)
      return 0
    }
    let others = others.merging(["cuDeviceGetCount": address(countAll)]) { first, _ in first }
    return try CUDADriver.devices(in: library(replacing: others), isBlocking: isBlocking)[ordinal]
  }

  /// Where a function of C is.
  static func address<Function>(_ function: Function) -> UnsafeMutableRawPointer {
    unsafeBitCast(function, to: UnsafeMutableRawPointer.self)
  }
}

/// Values on a device, which are given back when the last reference goes.
final class Memory<Value: Scalar> {
  let device: CUDADriver
  let address: UnsafeMutableRawPointer
  let count: Int

  init(_ device: CUDADriver, of values: [Value]) throws {
    self.device = device
    count = values.count
    address = try #require(device.allocate(byteCount: count * MemoryLayout<Value>.stride))
    try write(values)
  }

  deinit { device.free(address) }

  func write(_ values: [Value]) throws {
    try values.withUnsafeBytes { try device.write($0, to: address) }
  }

  func values() throws -> [Value] {
    var values = Array(repeating: Value(0), count: count)
    try values.withUnsafeMutableBytes { try device.read(address, into: $0) }
    return values
  }
}

/// y becomes x + 2 y.
func combination<Value>(of x: Memory<Value>, into y: Memory<Value>) -> KernelLaunch {
  let threads = 64
  return KernelLaunch(
    .updates, "combine", Value.dtype, blocks: (x.count + threads - 1) / threads, threads: threads,
    buffers: [x.address, y.address],
    call: CombineKernelCall(count: x.count, a: UInt((1.0).bitPattern), b: UInt((2.0).bitPattern))
  ) { "combine" }
}

/// A number becomes another.
func filling(_ memory: Memory<Double>, with value: Double, for purpose: String = "fill") -> KernelLaunch {
  KernelLaunch(
    .rearrange, "fill_bytes", .float32, blocks: 1, threads: 32, buffers: [memory.address],
    call: FillKernelCall(count: memory.count, pattern: UInt(value.bitPattern))
  ) { purpose }
}
