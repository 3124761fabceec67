import Calls
import Tensors

/// The maps of some axes in a device's memory, one after the other, as a kernel reads them.
final class AxisMapTables: Sendable {
  /// Starts and sources, Int32; nil where no axis has a map.
  let numbers: DeviceArray?
  /// Float64; nil where no map has any.
  let weights: DeviceArray?
  /// Where in these each axis has its own; -1 where it has none.
  let starts: Axes
  let sources: Axes
  let weightStarts: Axes

  fileprivate init(_ maps: [AxisMap?], on backend: GPUBackend) throws {
    var (numbers, weights): ([Int32], [Double]) = ([], [])
    var (starts, sources, weightStarts): (Axes, Axes, Axes) = ([], [], [])
    for map in maps {
      starts.append(map == nil ? -1 : numbers.count)
      numbers += map?.starts ?? []
      sources.append(map == nil ? -1 : numbers.count)
      numbers += map?.sources ?? []
      weightStarts.append(map?.weights == nil ? -1 : weights.count)
      weights += map?.weights ?? []
    }
    (self.starts, self.sources, self.weightStarts) = (starts, sources, weightStarts)
    self.numbers = numbers.isEmpty ? nil : try DeviceArray(numbers, on: backend)
    self.weights = weights.isEmpty ? nil : try DeviceArray(weights, on: backend)
  }
}

/// Numbers in a device's memory, which goes back to the pool with the last reference: when all is queued that uses it.
final class DeviceArray: Sendable {
  // As a number, which may be sent.
  private let bits: UInt
  private let byteCount: Int
  private let pool: MemoryPool

  var address: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: bits) }

  init(_ numbers: [some BitwiseCopyable], on backend: GPUBackend) throws {
    pool = backend.pool
    byteCount = numbers.withUnsafeBytes(\.count)
    let address = try backend.allocate(byteCount: byteCount)
    bits = UInt(bitPattern: address)
    try numbers.withUnsafeBytes { try backend.driver.write($0, to: address) }
  }

  deinit {
    if let address { pool.deallocate(address, byteCount: byteCount) }
  }
}

/// The tables of the last maps. A network has the same at each step, and some drivers wait for all that is queued before
/// they copy.
final class AxisMapCache: Sendable {
  private static let limit = 64
  /// Oldest use first.
  private let entries = Locked<[(maps: [AxisMap?], tables: AxisMapTables)]>([])

  func tables(for maps: [AxisMap?], on backend: GPUBackend) throws -> AxisMapTables {
    let found = entries.withLock { entries in
      entries.lastIndex { $0.maps == maps }.map { index in
        let entry = entries.remove(at: index)
        entries.append(entry)
        return entry.tables
      }
    }
    if let found { return found }
    let tables = try AxisMapTables(maps, on: backend)
    entries.withLock { entries in
      entries.append((maps, tables))
      if entries.count > Self.limit { entries.removeFirst() }
    }
    return tables
  }
}
