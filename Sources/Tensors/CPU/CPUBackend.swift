import Foundation

/// The processor.
///
/// The layer runs on loops that are compiled for several instruction sets and chosen when the program starts. The
/// environment variable `INSTNORM_ISA` overrides the choice: `avx512`, `avx2`, `x86_64`, `neon`, or `plain`, which is
/// Swift on float64 alone. All else is plain.
///
/// Results have the same bits for any number of threads: a plane's depend on that plane's values alone, and every
/// sum has a fixed order.
public final class CPUBackend: Backend {
  /// With one thread for each core.
  public static let shared = CPUBackend(checked: max(ProcessInfo.processInfo.activeProcessorCount, 1))

  /// How many threads a call uses, at most.
  public let threads: Int

  /// The inner loops; nil for plain Swift.
  let kernels: Kernels?

  /// From how many bytes on an output is written past the caches.
  let streamed: Int

  /// - Throws: ``TensorError/argument(name:expected:got:)`` unless `threads` is 1 or more.
  public convenience init(threads: Int) throws {
    try self.init(threads: threads, kernels: Kernels.chosen)
  }

  package init(threads: Int, kernels: Kernels?, streamed: Int = CacheSizes.streamed) throws {
    guard threads > 0 else {
      throw TensorError.argument(name: "threads", expected: "1 or more", got: "\(threads)")
    }
    self.threads = min(threads, Parallel.mostThreads)
    self.kernels = kernels
    self.streamed = streamed
  }

  private init(checked threads: Int) {
    self.threads = threads
    kernels = Kernels.chosen
    streamed = CacheSizes.streamed
  }

  /// What the layer's loops run on: `avx512`, `avx2`, `x86_64`, `neon` or `plain`.
  public var instructionSet: String { kernels?.name ?? "plain" }

  public var name: String { "cpu" }
  public var isGPU: Bool { false }
  public var isHostMemory: Bool { true }

  public var summary: String {
    let gibibytes = Double(MemoryPool.physicalMemory) / Double(1 << 30)
    let tenths = (gibibytes * 10).rounded() / 10
    return "\(Self.processorModel), \(instructionSet), \(threads) thread\(threads == 1 ? "" : "s"), \(tenths) GiB"
  }

  private static var processorModel: String {
    let model = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?
      .split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last?.trimmingCharacters(in: .whitespaces)
    #if arch(x86_64)
      return model ?? "x86-64 processor"
    #else
      return model ?? "processor"
    #endif
  }

  // MARK: Memory

  public func allocate(byteCount: Int) throws -> UnsafeMutableRawPointer {
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
    let shares = Parallel.shareCount(items: count, values: count / 4, threads: threads)
    Parallel.run(items: count, values: count / 4, shares: shares) { _, bytes in
      (to + bytes.lowerBound).copyMemory(from: from + bytes.lowerBound, byteCount: bytes.count)
    }
  }
}
