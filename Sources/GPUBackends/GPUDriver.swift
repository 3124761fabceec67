import CGPUKernels
import Tensors

/// One GPU as its programming interface shows it: memory, kernels, and a queue that does what it is given in order.
///
/// Calls queue and return; only reading waits. What fails on the device is thrown by the next call or read, as
/// `DeviceError.failed`, which names the call that caused it. All of it may be called from any thread.
package protocol GPUDriver: AnyObject, Sendable {
  var properties: GPUProperties { get }

  /// Memory of the device, aligned to 64 bytes or better and a multiple of 64 bytes; nil where there is none of this
  /// size to be had.
  func allocate(byteCount: Int) -> UnsafeMutableRawPointer?
  /// Gives memory back once what is queued no longer needs it.
  func free(_ address: UnsafeMutableRawPointer)

  /// What kernels are given for an address, and how many bytes from its start they find what the address names: some
  /// interfaces only have whole allocations for them.
  func place(of address: UnsafeMutableRawPointer) -> (buffer: UnsafeMutableRawPointer, offset: Int)

  /// Copies from the host. The source may change as soon as the call returns.
  func write(_ source: UnsafeRawBufferPointer, to address: UnsafeMutableRawPointer) throws
  /// Copies to the host, once all that was queued before is done.
  func read(_ address: UnsafeMutableRawPointer, into destination: UnsafeMutableRawBufferPointer) throws
  /// Copies within the device.
  func copy(_ source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer, byteCount: Int) throws

  /// Queues a kernel.
  ///
  /// - Throws: ``OutOfDeviceMemory`` where the driver takes memory only now, and there is none.
  func launch(_ launch: KernelLaunch) throws

  /// Waits until all that was queued is done.
  func finish() throws
}

/// A driver found, when it was to use memory that it had promised, that it has none.
package struct OutOfDeviceMemory: Error {
  package init() {}
}

/// Kernels that are compiled together when one of them is first used: a program for each type of values, or one that is
/// told types as arguments.
package enum KernelFamily: Sendable {
  case normalization, statistics, pointwise, binary, updates, reduction, matrix, convolution, pooling, rearrange

  /// What the kernels' texts are found by.
  var number: Int32 {
    switch self {
    case .normalization: Int32(FAMILY_NORMALIZATION)
    case .statistics: Int32(FAMILY_STATISTICS)
    case .pointwise: Int32(FAMILY_POINTWISE)
    case .binary: Int32(FAMILY_BINARY)
    case .updates: Int32(FAMILY_UPDATES)
    case .reduction: Int32(FAMILY_REDUCTION)
    case .matrix: Int32(FAMILY_MATRIX)
    case .convolution: Int32(FAMILY_CONVOLUTION)
    case .pooling: Int32(FAMILY_POOLING)
    case .rearrange: Int32(FAMILY_REARRANGE)
    }
  }
}

/// Kernels of a family as they are compiled for a type.
struct KernelProgram: Hashable {
  var family: KernelFamily
  var dtype: DType
}

/// A kernel, what it runs on and how wide.
package struct KernelLaunch {
  /// What the kernel is compiled with.
  package var family: KernelFamily
  /// The kernel's name in the source.
  package var kernel: StaticString
  /// The type of values that it is compiled for; float32 where it is told types as arguments.
  package var dtype: DType
  /// How many blocks (OpenCL's work-groups); 1 or more.
  package var blocks: Int
  /// How many threads each has.
  package var threads: Int
  /// Bytes of shared memory (OpenCL's local memory) of a block. Of a kernel that uses it this is the last argument.
  package var sharedBytes: Int?
  /// The kernel's first arguments: memory of the device, each as ``GPUDriver/place(of:)`` has it, or none.
  package var buffers: [UnsafeMutableRawPointer?]
  /// The argument after these: one of the structures of KernelCalls.h.
  package var call: any KernelCall
  /// What errors say was being done, made only for them. It is kept until the call is known to be done, and must not
  /// hold on to tensors.
  package var purpose: () -> String

  package init(
    _ family: KernelFamily, _ kernel: StaticString, _ dtype: DType, blocks: Int, threads: Int, sharedBytes: Int? = nil,
    buffers: [UnsafeMutableRawPointer?], call: any KernelCall, purpose: @escaping () -> String
  ) {
    self.family = family
    self.kernel = kernel
    self.dtype = dtype
    self.blocks = blocks
    self.threads = threads
    self.sharedBytes = sharedBytes
    self.buffers = buffers
    self.call = call
    self.purpose = purpose
  }
}

/// A structure that a kernel gets by value.
package protocol KernelCall {}

extension KernelCall {
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withUnsafeBytes(of: self, body)
  }
}

extension NormKernelCall: KernelCall {}
extension StatisticsKernelCall: KernelCall {}
extension PointwiseKernelCall: KernelCall {}
extension BinaryKernelCall: KernelCall {}
extension CombineKernelCall: KernelCall {}
extension AdamKernelCall: KernelCall {}
extension ReductionKernelCall: KernelCall {}
extension MatrixKernelCall: KernelCall {}
extension ConvolutionKernelCall: KernelCall {}
extension PoolingKernelCall: KernelCall {}
extension RearrangeKernelCall: KernelCall {}
extension FillKernelCall: KernelCall {}

/// What a device is and can do.
package struct GPUProperties: Equatable, Sendable {
  /// Its model, for people.
  package var model: String
  /// The interface and the driver's version, for people: `CUDA 12.4`, `OpenCL 1.2`.
  package var interface: String
  /// Who makes it, as the driver says: to know that two interfaces show the same device.
  package var vendor: String
  /// Bytes.
  package var memory: Int
  /// Whether its memory is the host's, which other programs need too.
  package var sharesHostMemory: Bool
  /// Whether it is a GPU: not a processor that runs OpenCL.
  package var isGPU: Bool
  /// Whether it computes in float64.
  package var hasDouble: Bool
  /// Threads of a block, at most.
  package var threadLimit: Int
  /// Bytes of shared memory that a block may have, at most.
  package var sharedLimit: Int
  /// Bytes of the cache that all of the device shares; 0 where unknown.
  package var cacheBytes: Int
  /// How many blocks' worth of processors it has: CUDA's multiprocessors, OpenCL's compute units.
  package var processors: Int

  package init(
    model: String, interface: String, vendor: String, memory: Int, isGPU: Bool, hasDouble: Bool, threadLimit: Int,
    sharedLimit: Int, cacheBytes: Int, processors: Int, sharesHostMemory: Bool = false
  ) {
    self.model = model
    self.interface = interface
    self.vendor = vendor
    self.memory = memory
    self.sharesHostMemory = sharesHostMemory
    self.isGPU = isGPU
    self.hasDouble = hasDouble
    self.threadLimit = threadLimit
    self.sharedLimit = sharedLimit
    self.cacheBytes = cacheBytes
    self.processors = processors
  }
}

extension DType {
  /// What the kernels call the type.
  package var kernelType: Int32 {
    switch self {
    case .float16: TYPE_FLOAT16
    case .bfloat16: TYPE_BFLOAT16
    case .float32: TYPE_FLOAT32
    case .float64: TYPE_FLOAT64
    }
  }
}
