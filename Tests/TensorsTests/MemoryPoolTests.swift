import InstanceNorm
import Testing

@Suite struct MemoryPoolTests {
  @Test func `memory that comes back is given out again`() throws {
    let pool = MemoryPool(limit: 1 << 20)
    let first = try pool.allocate(byteCount: 1000)
    pool.deallocate(first, byteCount: 1000)
    #expect(pool.statistics.bytesCached == 1024)
    // Of the same class, so the same block.
    let second = try pool.allocate(byteCount: 1010)
    #expect(second == first)
    #expect(pool.statistics.systemAllocations == 1)
    #expect(pool.statistics.bytesInUse == 1024)
    pool.deallocate(second, byteCount: 1010)
  }

  @Test func `no more is kept than the limit, and trim keeps nothing`() throws {
    let pool = MemoryPool(limit: 10_000)
    let blocks = try (0..<8).map { _ in try pool.allocate(byteCount: 4096) }
    for block in blocks {
      pool.deallocate(block, byteCount: 4096)
      #expect(pool.statistics.bytesCached <= 10_000)
    }
    #expect(pool.statistics.bytesCached > 0)
    pool.trim()
    #expect(pool.statistics.bytesCached == 0)
    #expect(pool.statistics.bytesInUse == 0)

    let large = try pool.allocate(byteCount: 20_000)
    pool.deallocate(large, byteCount: 20_000)
    #expect(pool.statistics.bytesCached == 0)

    pool.limit = 100_000
    pool.deallocate(try pool.allocate(byteCount: 20_000), byteCount: 20_000)
    #expect(pool.statistics.bytesCached >= 20_000)
    pool.limit = 0
    #expect(pool.statistics.bytesCached == 0)
  }

  @Test func `what was kept for other sizes makes room for what is in use`() throws {
    let pool = MemoryPool(limit: 10_000)
    for size in [1024, 2048, 4096] { pool.deallocate(try pool.allocate(byteCount: size), byteCount: size) }
    let block = try pool.allocate(byteCount: 8192)
    pool.deallocate(block, byteCount: 8192)
    let before = pool.statistics.systemAllocations
    pool.deallocate(try pool.allocate(byteCount: 8192), byteCount: 8192)
    #expect(pool.statistics.systemAllocations == before)
  }

  @Test func `what is kept goes back before memory is said to be out`() throws {
    // A system with room for one block.
    let isTaken = Locked(false)
    let pool = MemoryPool(
      limit: 1 << 20,
      from: MemoryPool.System { _ in
        isTaken.withLock { taken in
          if taken { return nil }
          taken = true
          return 64
        }
      } free: { _ in
        isTaken.withLock { $0 = false }
      })
    pool.deallocate(try pool.allocate(byteCount: 1000), byteCount: 1000)
    let other = try pool.allocate(byteCount: 5000)
    #expect(throws: TensorError.outOfMemory(byteCount: 100)) { try pool.allocate(byteCount: 100) }
    pool.deallocate(other, byteCount: 5000)
  }

  @Test func `a block that is too large to keep drives nothing out`() throws {
    let pool = MemoryPool(limit: 10_000)
    pool.deallocate(try pool.allocate(byteCount: 8192), byteCount: 8192)
    pool.deallocate(try pool.allocate(byteCount: 20_000), byteCount: 20_000)
    #expect(pool.statistics.bytesCached == 8192)
  }

  @Test func `classes waste an eighth at most and hold what is asked for`() {
    for size in [0, 1, 63, 64, 65, 511, 513, 4097, 99_999, 1 << 30, (1 << 40) + 1] {
      let given = MemoryPool.sizeClass(size) ?? 0
      #expect(given >= size)
      #expect(given <= max(64 * ((size + 63) / 64), size + size / 8 + 64) && given > 0)
      #expect(given % 64 == 0)
    }
    #expect(MemoryPool.sizeClass(Int.max) == nil)
    #expect(MemoryPool.sizeClass(-1) == nil)
  }

  @Test func `what the system does not have throws, with the size`() {
    let pool = MemoryPool(limit: 0)
    #expect(throws: TensorError.outOfMemory(byteCount: 1 << 60)) { try pool.allocate(byteCount: 1 << 60) }
    for byteCount in [Int.max, Int.max / 2, Int.max / 4] {
      #expect(throws: TensorError.outOfMemory(byteCount: byteCount)) { try pool.allocate(byteCount: byteCount) }
    }
    #expect(pool.statistics.bytesInUse == 0)
  }
}
