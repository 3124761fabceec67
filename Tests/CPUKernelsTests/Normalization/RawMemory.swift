import CPUKernels
import Calls
import Foundation
import Tensors

/// Memory as callers from other languages have it: values of some type that begin anywhere.
///
/// It lies between two pages that nobody may touch, so that a kernel that reads or writes beyond ends the test.
final class RawMemory {
  let dtype: DType
  let count: Int
  let address: UnsafeMutableRawPointer

  private let room: Room
  private let fence: UInt8 = 0xA5

  enum Place {
    /// That many values after a multiple of 64 bytes.
    case offset(Int)
    /// The last value ends where the untouchable page begins.
    case end
    /// The first value begins where the untouchable page ends.
    case start
  }

  init(_ dtype: DType, _ count: Int, at place: Place = .offset(0)) {
    self.dtype = dtype
    self.count = count
    let bytes = count * dtype.byteCount
    room = Rooms.take(byteCount: bytes + 64 + 16 * dtype.byteCount)
    switch place {
    case .offset(let values): address = room.first + 64 + values * dtype.byteCount
    case .end: address = room.end - bytes
    case .start: address = room.first
    }
    // What lies around it on its own pages is looked after, too.
    memset(room.first, Int32(fence), room.end - room.first)
  }

  convenience init(_ dtype: DType, _ values: [Double], at place: Place = .offset(0)) {
    self.init(dtype, values.count, at: place)
    set(values)
  }

  /// The same bytes elsewhere.
  convenience init(copyOf other: RawMemory, at place: Place) {
    self.init(other.dtype, other.count, at: place)
    memcpy(address, other.address, byteCount)
  }

  deinit { Rooms.giveBack(room) }

  var byteCount: Int { count * dtype.byteCount }

  func set(_ values: [Double]) {
    func write<S: Scalar>(_ type: S.Type) {
      let base = address.assumingMemoryBound(to: S.self)
      for (index, value) in values.enumerated() { base[index] = S(value) }
    }
    switch dtype {
    case .float16: write(Float16.self)
    case .bfloat16: write(BFloat16.self)
    case .float32: write(Float.self)
    case .float64: write(Double.self)
    }
  }

  var values: [Double] {
    func read<S: Scalar>(_ type: S.Type) -> [Double] {
      let base = address.assumingMemoryBound(to: S.self)
      if count == 0 { return [] }
      return [Double](unsafeUninitializedCapacity: count) { buffer, written in
        for index in 0..<count { buffer[index] = base[index].double }
        written = count
      }
    }
    switch dtype {
    case .float16: return read(Float16.self)
    case .bfloat16: return read(BFloat16.self)
    case .float32: return read(Float.self)
    case .float64: return read(Double.self)
    }
  }

  func hasSameBytes(as other: RawMemory) -> Bool {
    byteCount == other.byteCount && memcmp(address, other.address, byteCount) == 0
  }

  subscript(index: Int) -> Double {
    switch dtype {
    case .float16: address.assumingMemoryBound(to: Float16.self)[index].double
    case .bfloat16: address.assumingMemoryBound(to: BFloat16.self)[index].double
    case .float32: address.assumingMemoryBound(to: Float.self)[index].double
    case .float64: address.assumingMemoryBound(to: Double.self)[index]
    }
  }

  /// Whether nothing was written before and after the values.
  var isFenceIntact: Bool {
    func isIntact(_ from: UnsafeMutableRawPointer, _ to: UnsafeMutableRawPointer) -> Bool {
      UnsafeRawBufferPointer(start: from, count: to - from).allSatisfy { $0 == fence }
    }
    return isIntact(max(room.first, address - 128), address)
      && isIntact(address + byteCount, min(room.end, address + byteCount + 128))
  }
}

/// Whole pages between two that nobody may touch.
private struct Room: @unchecked Sendable {
  let first: UnsafeMutableRawPointer
  let end: UnsafeMutableRawPointer
}

/// Rooms that were used before, since a new one costs more than most calls on it.
private enum Rooms {
  private static let free = Locked<[Int: [Room]]>([:])

  static func take(byteCount: Int) -> Room {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let bytes = (byteCount + page - 1) / page * page
    if let room = free.withLock({ $0[bytes]?.popLast() }) { return room }
    let mapping = mmap(nil, bytes + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapping, mapping != MAP_FAILED else { fatalError("no memory for a test") }
    mprotect(mapping, page, PROT_NONE)
    mprotect(mapping + page + bytes, page, PROT_NONE)
    return Room(first: mapping + page, end: mapping + page + bytes)
  }

  static func giveBack(_ room: Room) {
    let bytes = room.end - room.first
    if bytes > 1 << 20 {
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      munmap(room.first - page, bytes + 2 * page)
    } else {
      free.withLock { $0[bytes, default: []].append(room) }
    }
  }
}
