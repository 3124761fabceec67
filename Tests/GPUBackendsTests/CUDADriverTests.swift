import CGPUKernels
import Foundation
import GPUBackends
import InstanceNorm
import StandInCUDA
import Testing

/// Memory and kernels through CUDA's driver, which the stand-in stands in for.
@Suite(.enabled(if: StandIn.isThere, "no OpenCL whose devices share the host's memory"))
struct CUDADriverTests {
  // MARK: Memory

  @Test func `memory is written, copied and read in the order of the calls`() throws {
    let device = try StandIn.device(0)
    let first = try Memory(device, of: [1, 2, 3] as [Float])
    let second = try Memory(device, of: [0, 0, 0] as [Float])
    try device.copy(first.address, to: second.address, byteCount: 8)
    try first.write([4, 5, 6])
    #expect(try second.values() == [1, 2, 0])
    #expect(try first.values() == [4, 5, 6])
    #expect(Int(bitPattern: first.address) % 64 == 0)
  }

  @Test func `nothing is written, copied and read without a fault`() throws {
    let device = try StandIn.device(0)
    let memory = try Memory(device, of: [] as [Float])
    try device.copy(memory.address, to: memory.address, byteCount: 0)
    #expect(try memory.values() == [])
  }

  @Test func `what is not to be had is nil, until memory is given back`() throws {
    let device = try StandIn.device(2)
    stand_in_cuda_set_memory(2, 1 << 20)
    let large = try #require(device.allocate(byteCount: 1_000_000))
    #expect(device.allocate(byteCount: 100_000) == nil)
    #expect(device.allocate(byteCount: .max) == nil)
    #expect(device.allocate(byteCount: .max - 100) == nil)
    let small = try #require(device.allocate(byteCount: 1))
    #expect(stand_in_cuda_memory_in_use(2) == 1_000_000 + 64)
    device.free(large)
    device.free(try #require(device.allocate(byteCount: 100_000)))
    device.free(small)
    #expect(stand_in_cuda_memory_in_use(2) == 0)
  }

  @Test func `a copy beyond what is allocated throws, and the device goes on`() throws {
    let device = try StandIn.device(0)
    let memory = try Memory(device, of: Array(repeating: 1 as Float, count: 16))
    let reason = "invalid argument (CUDA_ERROR_INVALID_VALUE, 1)"
    #expect(throws: DeviceError.failed(device: "cuda:0", call: "copying 80 bytes on the device", reason: reason)) {
      try device.copy(memory.address, to: memory.address, byteCount: 80)
    }
    #expect(try memory.values() == Array(repeating: 1, count: 16))
  }

  // MARK: Kernels

  @Test(arguments: DType.allCases)
  func `kernels run on values of every type`(dtype: DType) throws {
    func run<Value: Scalar>(_: Value.Type) throws {
      let device = try StandIn.device(0)
      let values = (0..<1000).map { Value(Double($0 % 16)) }
      let x = try Memory(device, of: values)
      let y = try Memory(device, of: values)
      try device.launch(combination(of: x, into: y))
      #expect(try y.values().map(\.double) == values.map { 3 * $0.double })
    }
    try run(dtype.scalarType)
  }

  @Test(arguments: [16 << 10, 64 << 10, 80 << 10])
  func `a kernel has as much shared memory as it asks for`(sharedBytes: Int) throws {
    let device = try StandIn.device(0)
    let numbers = (0..<20_000).map { $0 % 7 }
    let values = try Memory(device, of: numbers.map { Float($0) })
    let sum = try Memory(device, of: [0] as [Double])
    var call = ReductionKernelCall()
    (call.outputs, call.pieces, call.isLast, call.team, call.reducedAxes) = (1, 1, 1, 256, 1)
    (call.count, call.length) = (numbers.count, numbers.count)
    (call.inputType, call.outputType) = (TYPE_FLOAT32, TYPE_FLOAT64)
    call.reducedInput.at.0 = 1
    try device.launch(
      KernelLaunch(
        .reduction, "reduce", .float32, blocks: 1, threads: 256, sharedBytes: sharedBytes,
        buffers: [values.address, sum.address], call: call
      ) { "sum" })
    #expect(try sum.values() == [Double(numbers.reduce(0, +))])
  }

  @Test func `a launch that cannot be throws what it was for, and the device goes on`() throws {
    let device = try StandIn.device(0)
    let memory = try Memory(device, of: [0] as [Double])
    for (blocks, threads, sharedBytes) in [(1, 2048, 0), (0, 1, 0), (1, .max, 0), (1, 1, 100 << 10), (1, 1, .max)] {
      var launch = filling(memory, with: 1, for: "filling it")
      (launch.blocks, launch.threads, launch.sharedBytes) = (blocks, threads, sharedBytes)
      do {
        try device.launch(launch)
        Issue.record("\(launch) went well")
      } catch DeviceError.failed(device: "cuda:0", let call, let reason) {
        #expect(call.hasPrefix("filling it"))
        #expect(reason == "invalid argument (CUDA_ERROR_INVALID_VALUE, 1)")
      }
    }
    try device.launch(filling(memory, with: 2))
    #expect(try memory.values() == [2])
  }

  @Test func `a kernel that does not exist is named`() throws {
    let device = try StandIn.device(0)
    let memory = try Memory(device, of: [0] as [Double])
    var launch = filling(memory, with: 1, for: "filling it")
    launch.kernel = "no_such_kernel"
    #expect(
      throws: DeviceError.failed(
        device: "cuda:0", call: "filling it with the kernel no_such_kernel for float32",
        reason: "named symbol not found (CUDA_ERROR_NOT_FOUND, 500)")
    ) { try device.launch(launch) }
  }

  @Test func `PTX that is too new is refused with both versions`() throws {
    let load: LoadModule = { _, _, _, _, _ in 222 }
    let device = try StandIn.device(0, replacing: ["cuModuleLoadDataEx": StandIn.address(load)])
    let memory = try Memory(device, of: [0] as [Double])
    #expect(
      throws: DeviceError.unavailable(
        name: "cuda:0",
        reason: """
          the driver does not take the rearrange kernels for float32: the provided PTX was compiled with an unsupported \
          toolchain. (CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222); it is of CUDA 12.2, and the kernels are for CUDA 12.2 \
          or later
          """)
    ) { try device.launch(filling(memory, with: 1)) }
  }

  @Test func `PTX that is not understood is refused with the compiler's words`() throws {
    let load: LoadModule = { _, _, count, options, values in
      for index in 0..<Int(count) where options[index] == 5 {
        if let log = values[index] { strcpy(log.assumingMemoryBound(to: CChar.self), "ptxas fatal: line 7\n") }
      }
      return 218
    }
    let device = try StandIn.device(0, replacing: ["cuModuleLoadDataEx": StandIn.address(load)])
    let memory = try Memory(device, of: [0] as [Double])
    #expect(
      throws: DeviceError.unavailable(
        name: "cuda:0",
        reason: """
          the driver does not take the rearrange kernels for float32: a PTX JIT compilation failed (CUDA_ERROR_INVALID_PTX, 218)
          ptxas fatal: line 7
          """)
    ) { try device.launch(filling(memory, with: 1)) }
  }

  // MARK: Neighbours

  @Test func `a thread's context is its own again after each call`() throws {
    let push = unsafeBitCast(
      stand_in_cuda_symbol("cuCtxPushCurrent_v2"), to: (@convention(c) (OpaquePointer?) -> UInt32).self)
    let pop = unsafeBitCast(
      stand_in_cuda_symbol("cuCtxPopCurrent_v2"),
      to: (@convention(c) (UnsafeMutablePointer<OpaquePointer?>) -> UInt32).self)
    let retain = unsafeBitCast(
      stand_in_cuda_symbol("cuDevicePrimaryCtxRetain"),
      to: (@convention(c) (UnsafeMutablePointer<OpaquePointer?>, Int32) -> UInt32).self)
    let get = unsafeBitCast(
      stand_in_cuda_symbol("cuCtxGetCurrent"),
      to: (@convention(c) (UnsafeMutablePointer<OpaquePointer?>) -> UInt32).self)
    var theirs: OpaquePointer?
    var current: OpaquePointer?
    #expect(retain(&theirs, 8) == 0)
    #expect(push(theirs) == 0)
    do {
      let device = try StandIn.device(0)
      let memory = try Memory(device, of: [1] as [Double])
      try device.launch(filling(memory, with: 2))
      #expect(throws: DeviceError.self) { try device.copy(memory.address, to: memory.address, byteCount: 1 << 30) }
      #expect(try memory.values() == [2])
      #expect(get(&current) == 0)
      #expect(current == theirs)
    }
    #expect(get(&current) == 0)
    #expect(current == theirs)
    #expect(pop(&current) == 0)
    #expect(get(&current) == 0)
    #expect(current == nil)
  }

  @Test func `any thread may call, and several at once`() async throws {
    let device = try StandIn.device(0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask {
          let values = (0..<500).map { Float($0 + thread) }
          let x = try Memory(device, of: values)
          for _ in 0..<20 {
            let y = try Memory(device, of: values)
            for _ in 0..<3 { try device.launch(combination(of: x, into: y)) }
            #expect(try y.values() == values.map { 15 * $0 })
          }
        }
      }
      try await group.waitForAll()
    }
    try device.finish()
  }
}

private typealias LoadModule =
  @convention(c) (
    UnsafeMutablePointer<OpaquePointer?>, UnsafeRawPointer, UInt32, UnsafeMutablePointer<UInt32>,
    UnsafeMutablePointer<UnsafeMutableRawPointer?>
  ) -> UInt32
