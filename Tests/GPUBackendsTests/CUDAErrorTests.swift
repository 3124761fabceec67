import GPUBackends
import InstanceNorm
import StandInCUDA
import Testing

/// Errors that CUDA reports some time after the call that caused them.
@Suite(.enabled(if: StandIn.isThere, "no OpenCL whose devices share the host's memory"))
struct CUDAErrorTests {
  @Test func `an error that comes late names the oldest call that may have caused it, then and ever after`() throws {
    let device = try StandIn.device(3)
    let memory = try Memory(device, of: [0] as [Double])
    try device.finish()
    stand_in_cuda_break(3, 1, 700)
    for number in 1...2 { try device.launch(filling(memory, with: 0, for: "call \(number)")) }
    let failure = DeviceError.failed(
      device: "cuda:3", call: "call 1",
      reason: """
        an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS, 700); or the call queued after it did \
        (INSTNORM_GPU_BLOCKING=1 tells which)
        """)
    #expect(throws: failure) { try memory.values() }
    #expect(throws: failure) { try device.launch(filling(memory, with: 0, for: "another call")) }
    #expect(device.allocate(byteCount: 64) == nil)
    #expect(throws: failure) { try device.finish() }
    // And giving back memory is no fault.
  }

  @Test func `calls that are known to be done are not blamed`() throws {
    let device = try StandIn.device(4)
    let memory = try Memory(device, of: [0] as [Double])
    try device.finish()
    stand_in_cuda_break(4, 39, 719)
    for number in 1...40 { try device.launch(filling(memory, with: 0, for: "call \(number)")) }
    do {
      try device.launch(filling(memory, with: 0, for: "call 41"))
      Issue.record("a broken device went on")
    } catch DeviceError.failed(device: "cuda:4", let call, let reason) {
      #expect(call == "call 16")
      #expect(
        reason.hasPrefix(
          "unspecified launch failure (CUDA_ERROR_LAUNCH_FAILED, 719); or one of the 24 calls queued after it did"))
    }
  }

  @Test func `where each call is waited for, the one that fails is named`() throws {
    let device = try StandIn.device(5, isBlocking: true)
    let memory = try Memory(device, of: [0] as [Double])
    stand_in_cuda_break(5, 1, 700)
    try device.launch(filling(memory, with: 0, for: "call 1"))
    let failure = DeviceError.failed(
      device: "cuda:5", call: "call 2",
      reason: "an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS, 700)")
    #expect(throws: failure) { try device.launch(filling(memory, with: 0, for: "call 2")) }
    #expect(throws: failure) { try device.launch(filling(memory, with: 0, for: "call 3")) }
  }

  @Test func `an error of someone else's is not blamed on a call of ours`() throws {
    let device = try StandIn.device(6)
    let memory = try Memory(device, of: [0] as [Double])
    let other = try StandIn.device(6)
    let theirs = try Memory(other, of: [0] as [Double])
    try device.launch(filling(memory, with: 0))
    try other.launch(filling(theirs, with: 0))
    try device.finish()
    stand_in_cuda_break(6, 0, 700)
    try other.launch(filling(theirs, with: 1))
    do {
      try device.launch(filling(memory, with: 0, for: "call 1"))
      Issue.record("a broken device went on")
    } catch DeviceError.failed(device: "cuda:6", let call, _) {
      #expect(call == "something else in this process")
    }
  }

  @Test func `a device that falls behind is waited for, and no call is lost`() throws {
    let device = try StandIn.device(7)
    stand_in_cuda_set_slow(7, 1)
    let memory = try Memory(device, of: [0] as [Double])
    for number in 1...3000 { try device.launch(filling(memory, with: Double(number))) }
    #expect(try memory.values() == [3000])
    stand_in_cuda_break(7, 500, 700)
    #expect(throws: DeviceError.self) {
      for number in 1...3000 { try device.launch(filling(memory, with: Double(number))) }
    }
  }
}
