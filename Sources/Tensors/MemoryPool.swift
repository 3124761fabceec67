import CTensors

/// Memory that is kept when a tensor goes, and given to the next tensor of the same size: the host's, or a GPU's.
///
/// A network asks for the same sizes at every step. Taking them from the system each time costs a page fault for
/// every 4 KiB, which for a layer that runs at the speed of memory is most of the time, and on a GPU a wait for all that
/// is queued; so memory goes back to the system only when ``limit`` is reached or ``trim()`` is called.
///
/// Blocks are aligned to 64 bytes. Sizes are rounded up to classes an eighth of a power of two apart, so
/// that similar sizes share blocks at the price of at most 12.5 % of the memory; below 512 bytes they are 64 apart.
public final class MemoryPool: Sendable {
  /// The pool that CPU tensors live in.
  public static let shared: MemoryPool = {
    // A copy of the process has the pool in one piece, whatever other threads were doing with it.
    pthread_atfork(
      { MemoryPool.shared.state.lockForFork() }, { MemoryPool.shared.state.unlockAfterFork() },
      { MemoryPool.shared.state.unlockAfterFork() })
    return MemoryPool(limit: physicalMemory / 8)
  }()

  /// How far every block's address is aligned, in bytes.
  public static let alignment = 64

  /// What the pool holds and has done, in bytes and calls.
  public struct Statistics: Equatable, Sendable {
    /// Bytes of tensors that are alive.
    public var bytesInUse = 0
    /// Bytes that are kept for tensors to come.
    public var bytesCached = 0
    /// How often the system was asked for memory.
    public var systemAllocations = 0
  }

  /// Where a pool takes memory from.
  package struct System: Sendable {
    /// The address of so many bytes; nil where there is no memory of this size to be had.
    package let allocate: @Sendable (_ byteCount: Int) -> UInt?
    package let free: @Sendable (_ address: UInt) -> Void

    package init(
      allocate: @escaping @Sendable (_ byteCount: Int) -> UInt?, free: @escaping @Sendable (_ address: UInt) -> Void
    ) {
      self.allocate = allocate
      self.free = free
    }

    /// The host's.
    static let host = System {
      var pointer: UnsafeMutableRawPointer?
      guard posix_memalign(&pointer, MemoryPool.alignment, $0) == 0 else { return nil }
      return pointer.map { UInt(bitPattern: $0) }
    } free: {
      release(UnsafeMutableRawPointer(bitPattern: $0))
    }
  }

  private struct State {
    var limit: Int
    /// By the number of their size class.
    var cached = Array(repeating: Addresses(), count: MemoryPool.classNumber(1 << 62) + 1)
    var statistics = Statistics()
    let system: System

    mutating func releaseCached() {
      for number in cached.indices {
        while let address = cached[number].popLast() { system.free(address) }
      }
      statistics.bytesCached = 0
    }
  }

  /// A list that says where there is no memory for one more, instead of ending the process as an array would.
  private struct Addresses {
    private var base: UnsafeMutablePointer<UInt>?
    private var count = 0
    private var capacity = 0

    mutating func popLast() -> UInt? {
      guard let base, count > 0 else { return nil }
      count -= 1
      return base[count]
    }

    /// False where there is no memory for it.
    mutating func append(_ address: UInt) -> Bool {
      if count == capacity {
        let larger = max(8, 2 * capacity)
        guard let moved = realloc(base, larger * MemoryLayout<UInt>.size) else { return false }
        (base, capacity) = (moved.assumingMemoryBound(to: UInt.self), larger)
      }
      base?[count] = address
      count += 1
      return true
    }

    func deallocate() { release(base) }
  }

  private let state: Locked<State>

  /// - Parameter limit: how many bytes are kept, at most, for tensors to come.
  public convenience init(limit: Int) {
    self.init(limit: limit, from: .host)
  }

  package init(limit: Int, from system: System) {
    state = Locked(State(limit: max(limit, 0), system: system))
  }

  deinit {
    trim()
    state.withLock { for list in $0.cached { list.deallocate() } }
  }

  /// How many bytes are kept, at most, for tensors to come; an eighth of the machine's memory for ``shared``.
  public var limit: Int {
    get { state.withLock { $0.limit } }
    set {
      state.withLock {
        $0.limit = max(newValue, 0)
        if $0.statistics.bytesCached > $0.limit { $0.releaseCached() }
      }
    }
  }

  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// Gives everything that no tensor uses back to the system.
  public func trim() {
    state.withLock { $0.releaseCached() }
  }

  /// Memory for `byteCount` bytes, not initialised. Give it back with ``deallocate(_:byteCount:)`` and the same
  /// count.
  ///
  /// - Throws: ``TensorError/outOfMemory(byteCount:)``, after the cached blocks were given back in vain.
  public func allocate(byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer {
    guard let size = Self.sizeClass(byteCount) else { throw TensorError.outOfMemory(byteCount: byteCount) }
    let number = Self.classNumber(size)
    let address: UInt? = state.withLock { state in
      var address = state.cached[number].popLast()
      if address != nil {
        state.statistics.bytesCached -= size
      } else {
        address = state.system.allocate(size)
        if address == nil, state.statistics.bytesCached > 0 {
          state.releaseCached()
          address = state.system.allocate(size)
        }
        state.statistics.systemAllocations += 1
      }
      if address != nil { state.statistics.bytesInUse += size }
      return address
    }
    guard let address, let pointer = UnsafeMutableRawPointer(bitPattern: address) else {
      throw TensorError.outOfMemory(byteCount: byteCount)
    }
    return pointer
  }

  /// Takes back what ``allocate(byteCount:)`` gave for the same `byteCount`.
  public func deallocate(_ pointer: UnsafeMutableRawPointer, byteCount: Int) {
    guard let size = Self.sizeClass(byteCount) else { return }
    state.withLock { state in
      state.statistics.bytesInUse -= size
      // Room is made by dropping what has lain unused, not the block that has just been in use.
      if size <= state.limit, state.statistics.bytesCached + size > state.limit { state.releaseCached() }
      if size <= state.limit, state.cached[Self.classNumber(size)].append(UInt(bitPattern: pointer)) {
        state.statistics.bytesCached += size
      } else {
        state.system.free(UInt(bitPattern: pointer))
      }
    }
  }

  /// The size of block that serves `byteCount`; nil where there is none.
  package static func sizeClass(_ byteCount: Int) -> Int? {
    guard byteCount >= 0, byteCount <= Int.max / 2 else { return nil }
    let needed = max(byteCount, alignment)
    let powerOfTwo = 1 << (Int.bitWidth - 1 - needed.leadingZeroBitCount)
    let step = max(powerOfTwo / 8, alignment)
    return (needed + step - 1) / step * step
  }

  /// Counts the size classes.
  private static func classNumber(_ size: Int) -> Int {
    let exponent = Int.bitWidth - 1 - size.leadingZeroBitCount
    // No size is below 64. The first classes are more than an eighth apart, which leaves numbers unused.
    return exponent * 8 + (size - (1 << exponent)) >> (exponent - 3)
  }

  /// The memory of this machine or, where that is less, of the container.
  package static var physicalMemory: Int {
    let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let limit = firstLines(ofFile: "/sys/fs/cgroup/memory.max").first.flatMap { Int($0) }
    return min(machine, limit ?? machine)
  }
}

/// `free`, which a member of that name hides.
private func release(_ address: UnsafeMutableRawPointer?) { free(address) }
