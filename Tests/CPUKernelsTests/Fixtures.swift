import CPUKernels
import Calls
import Foundation
import Tensors

/// Memory with a margin before it, which has to stay as it was, and one after it where the count is odd: where it is
/// even, the memory ends with the values, so that the address sanitizer sees who reads beyond.
final class Memory {
  let dtype: DType
  let count: Int
  let address: UnsafeMutableRawPointer
  private let base: UnsafeMutableRawPointer
  private let bytes: Int
  private static let margin = 128

  /// - Parameter offset: how many values after a multiple of 64 bytes it begins.
  init(_ dtype: DType, _ count: Int, offset: Int = 0) {
    self.dtype = dtype
    self.count = count
    bytes = (count + offset) * dtype.byteCount + (count % 2 == 0 ? 1 : 2) * Self.margin
    base = .allocate(byteCount: bytes, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0xA5, count: bytes)
    address = base + Self.margin + offset * dtype.byteCount
  }

  convenience init(_ dtype: DType, _ values: [Double], offset: Int = 0) {
    self.init(dtype, values.count, offset: offset)
    for (index, value) in values.enumerated() { self[index] = value }
  }

  deinit { base.deallocate() }

  subscript(index: Int) -> Double {
    get { Values(address, dtype)[index] }
    set { Values(address, dtype)[index] = newValue }
  }

  var values: [Double] { (0..<count).map { self[$0] } }

  var bits: [UInt8] { Array(UnsafeRawBufferPointer(start: address, count: count * dtype.byteCount)) }

  func hasBits(of other: Memory) -> Bool {
    count == other.count && memcmp(address, other.address, count * dtype.byteCount) == 0
  }

  var isMarginIntact: Bool {
    let end = address + count * dtype.byteCount
    return UnsafeRawBufferPointer(start: base, count: address - base).allSatisfy { $0 == 0xA5 }
      && UnsafeRawBufferPointer(start: end, count: base + bytes - end).allSatisfy { $0 == 0xA5 }
  }
}

/// Numbers that are the same in every run (SplitMix64).
struct Numbers: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

  /// From -4 to 4, now and then exactly 0.
  mutating func value() -> Double {
    below(16) == 0 ? 0 : Double(Int64(bitPattern: next()) >> 11) * 0x1p-50
  }

  mutating func values(_ count: Int) -> [Double] { (0..<count).map { _ in value() } }
}

extension DType {
  /// How much of a value rounding to the type loses, at most.
  var roundoff: Double {
    switch self {
    case .float16: 0x1p-11
    case .bfloat16: 0x1p-8
    case .float32: 0x1p-24
    case .float64: 0x1p-53
    }
  }

  /// The distance of the smallest numbers.
  var leastNonzero: Double {
    switch self {
    case .float16: 0x1p-24
    case .bfloat16: 0x1p-133
    case .float32: 0x1p-149
    case .float64: 0x1p-1074
    }
  }
}

/// Whether `value` is `expected` but for `tolerance`, and where that is beyond a type's range as it is, or NaN, is that.
func agree(_ value: Double, _ expected: Double, within tolerance: Double) -> Bool {
  if value.isNaN || expected.isNaN { return value.isNaN && expected.isNaN }
  if value == expected { return true }
  return (value - expected).magnitude <= tolerance
}

let tunedSets = InstructionSet.available.filter { $0 != .plain }

func backend(_ set: InstructionSet, threads: Int = 1, streamed: Int = 1 << 30) throws -> CPUBackend {
  try CPUBackend(threads: threads, set, streamed: streamed)
}
