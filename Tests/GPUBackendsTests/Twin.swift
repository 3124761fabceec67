import Calls
import InstanceNorm
import Testing

/// The same values on the host, for a reference, and on a device: in the middle of more memory, which has to stay as it
/// is.
struct Twin {
  let host: Storage
  let device: Storage
  let dtype: DType
  let count: Int
  private static let margin = 16

  /// - Parameter start: how many values before these the memory begins.
  private let start: Int

  init(_ values: [Double], _ dtype: DType, on device: Device, start: Int = 0) throws {
    self.dtype = dtype
    count = values.count
    self.start = start
    let padded = Array(repeating: Double.nan, count: start) + values + Array(repeating: .nan, count: Self.margin)
    let byteCount = padded.count * dtype.byteCount
    host = try Storage(byteCount: byteCount, on: Device.cpu.backend)
    self.device = try Storage(byteCount: byteCount, on: device.backend)
    func write<Value: Scalar>(_: Value.Type) throws {
      let typed = padded.map { Value($0) }
      try typed.withUnsafeBytes {
        host.address.copyMemory(from: $0.baseAddress!, byteCount: byteCount)
        try self.device.backend.copy(from: $0, to: self.device)
      }
    }
    try write(dtype.scalarType)
  }

  /// What nobody has written yet: NaN.
  static func unwritten(_ count: Int, _ dtype: DType, on device: Device, start: Int = 0) throws -> Twin {
    try Twin(Array(repeating: .nan, count: count), dtype, on: device, start: start)
  }

  var hostAddress: UnsafeMutableRawPointer { host.address + start * dtype.byteCount }
  var deviceAddress: UnsafeMutableRawPointer { device.address + start * dtype.byteCount }

  func view(_ strides: Axes, isOnHost: Bool) -> View {
    View(isOnHost ? hostAddress : deviceAddress, dtype, strides: strides)
  }

  /// The values on host and device.
  func values() throws -> (host: [Double], device: [Double]) {
    func read<Value: Scalar>(_: Value.Type) throws -> ([Double], [Double]) {
      let total = start + count + Self.margin
      var values = [Value](repeating: Value(0), count: total)
      try values.withUnsafeMutableBytes { try device.backend.copy(from: device, to: $0) }
      let isKept = (0..<total).allSatisfy { (start..<start + count).contains($0) || values[$0].double.isNaN }
      #expect(isKept, "a value beside the output was written")
      let typed = hostAddress.assumingMemoryBound(to: Value.self)
      return ((0..<count).map { typed[$0].double }, values[start..<start + count].map(\.double))
    }
    return try read(dtype.scalarType)
  }

  /// The first value that differs by more than is allowed for its place.
  func fault(_ allowed: (_ index: Int, _ expected: Double) -> Double) throws -> String? {
    let (expected, own) = try values()
    for (index, (a, b)) in zip(expected, own).enumerated() {
      if a.isNaN ? b.isNaN : a == b { continue }
      let error = abs(a - b)
      if !(error <= allowed(index, a)) { return "value \(index) is \(b) and not \(a)" }
    }
    return nil
  }
}

extension DType {
  /// By how much a value of this type may differ from the nearest of it that is that of exact arithmetic.
  func unit(of value: Double) -> Double {
    switch self {
    case .float16: max(abs(value) * 0x1p-10, 0x1p-24)
    case .bfloat16: max(abs(value) * 0x1p-7, 0x1p-133)
    case .float32: max(abs(value) * 0x1p-23, 0x1p-149)
    case .float64: max(abs(value) * 0x1p-52, 0x1p-1074)
    }
  }

  /// What a few roundings in the type that it is computed in come to.
  var arithmetic: Double { self == .float64 ? 1e-14 : 1e-6 }
}

/// Numbers from -1 to 1, some of which are round.
func randomNumbers(_ count: Int, seed: UInt64) -> [Double] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { $0 % 7 == 3 ? 0.5 : Double.random(in: -1...1, using: &generator) }
}
