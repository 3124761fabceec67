import CTensors

/// The processor.
///
/// Its kernels are compiled for several instruction sets, one of which is chosen when the program starts. The
/// environment variable `INSTNORM_ISA` overrides the choice: `avx512`, `avx2`, `x86_64`, `neon`, or `plain`, which is
/// Swift on float64 alone.
///
/// Results have the same bits for any number of threads: a plane's depend on that plane's values alone, and every
/// sum has a fixed order.
public final class CPUBackend: Backend {
  /// With one thread for each core.
  public static let shared = CPUBackend(
    checked: Int(tensors_processor_count()), .chosen, streamed: CacheSizes.streamed)

  /// How many threads a call uses, at most.
  public let threads: Int

  /// What its kernels are compiled for.
  package let instructionSet: InstructionSet

  /// From how many bytes on an output is written past the caches.
  package let streamed: Int

  /// - Throws: ``TensorError/argument(name:expected:got:)`` unless `threads` is 1 or more.
  public convenience init(threads: Int) throws {
    try self.init(threads: threads, .chosen)
  }

  package convenience init(
    threads: Int, _ instructionSet: InstructionSet, streamed: Int = CacheSizes.streamed
  ) throws {
    guard threads > 0 else {
      throw TensorError.argument(name: "threads", expected: "1 or more", got: "\(threads)")
    }
    self.init(checked: min(threads, ThreadedWork.mostThreads), instructionSet, streamed: streamed)
  }

  private init(checked threads: Int, _ instructionSet: InstructionSet, streamed: Int) {
    self.threads = threads
    self.instructionSet = instructionSet
    self.streamed = streamed
  }

  /// What the kernels are compiled for: `avx512`, `avx2`, `x86_64`, `neon` or `plain`.
  public var instructionSetName: String { instructionSet.rawValue }

  public var name: String { "cpu" }
  public var isGPU: Bool { false }
  public var isHostMemory: Bool { true }

  public var summary: String {
    let gibibytes = Double(MemoryPool.physicalMemory) / Double(1 << 30)
    let tenths = (gibibytes * 10).rounded() / 10
    let workers = threads == 1 ? "1 thread" : "\(threads) threads"
    return "\(Self.processorModel), \(instructionSet.rawValue), \(workers), \(tenths) GiB"
  }

  private static var processorModel: String {
    let model = firstLines(ofFile: "/proc/cpuinfo").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last.map { String($0.drop { $0 == " " }) }
    #if arch(x86_64)
      return model ?? "x86-64 processor"
    #else
      return model ?? "processor"
    #endif
  }

  // MARK: Memory

  public func allocate(byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer {
    try MemoryPool.shared.allocate(byteCount: byteCount)
  }

  public func deallocate(_ address: UnsafeMutableRawPointer, byteCount: Int) {
    MemoryPool.shared.deallocate(address, byteCount: byteCount)
  }

  public func copy(from source: UnsafeRawBufferPointer, to destination: Storage) {
    guard let base = source.baseAddress else { return }
    destination.address.copyMemory(from: base, byteCount: source.count)
  }

  public func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) {
    guard let base = destination.baseAddress else { return }
    base.copyMemory(from: source.address, byteCount: destination.count)
  }

  /// With as many threads as the layer would use.
  public func copy(from source: Storage, to destination: Storage) {
    let (from, to, count) = (source.address, destination.address, source.byteCount)
    let shares = ThreadedWork.shareCount(items: count, values: count / 4, threads: threads)
    ThreadedWork.run(items: count, values: count / 4, shares: shares) { _, bytes in
      (to + bytes.lowerBound).copyMemory(from: from + bytes.lowerBound, byteCount: bytes.count)
    }
  }

  public func fill(_ storage: Storage, with pattern: UInt64) {
    let words = (storage.byteCount + 7) / 8
    let target = storage.address.assumingMemoryBound(to: UInt64.self)
    let shares = ThreadedWork.shareCount(items: words, values: words, threads: threads)
    ThreadedWork.run(items: words, values: words, shares: shares) { _, items in
      (target + items.lowerBound).update(repeating: pattern, count: items.count)
    }
  }
}
