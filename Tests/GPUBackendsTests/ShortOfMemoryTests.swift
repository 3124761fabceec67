import GPUBackends
import InstanceNorm
import TestSupport
import Testing

/// Drivers that find only when a kernel is to run that they have no memory for it.
@Suite struct ShortOfMemoryTests {
  @Test func `what the pool keeps is given back, and the kernel queued again`() throws {
    let driver = try ShortDriver(refusals: 1)
    let backend = GPUBackend(name: "short", driver: driver)
    let x = try Tensor([1, 2, 3] as [Float]).to(Device(backend))
    do { _ = try Tensor([4, 5, 6] as [Float]).to(Device(backend)) }
    driver.begin()
    #expect(backend.pool.statistics.bytesCached > 0)
    let doubled = try x + x
    #expect(backend.pool.statistics.bytesCached == 0)
    #expect(try doubled.doubles == [2, 4, 6])
  }

  @Test func `what is still not to be had is an error, and the next call works`() throws {
    let driver = try ShortDriver(refusals: 2)
    let backend = GPUBackend(name: "short", driver: driver)
    let x = try Tensor([1, 2, 3] as [Float]).to(Device(backend))
    driver.begin()
    let error = #expect(throws: DeviceError.self) { try x + x }
    guard case .outOfMemory("short", _, _, backend.memory) = try #require(error) else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(try (x + x).doubles == [2, 4, 6])
  }
}

/// Refuses some launches for want of memory.
private final class ShortDriver: GPUDriver, @unchecked Sendable {
  // Unchecked: one test has it.
  private let base: any GPUDriver
  private let refusals: Int
  private var left = 0

  init(refusals: Int) throws {
    self.refusals = refusals
    base = try #require(DevicesUnderTest.make("", withoutDouble: false).first).driver
  }

  /// From now on.
  func begin() { left = refusals }

  var properties: GPUProperties { base.properties }
  func allocate(byteCount: Int) -> UnsafeMutableRawPointer? { base.allocate(byteCount: byteCount) }
  func free(_ address: UnsafeMutableRawPointer) { base.free(address) }
  func place(of address: UnsafeMutableRawPointer) -> (buffer: UnsafeMutableRawPointer, offset: Int) {
    base.place(of: address)
  }
  func write(_ source: UnsafeRawBufferPointer, to address: UnsafeMutableRawPointer) throws {
    try base.write(source, to: address)
  }
  func read(_ address: UnsafeMutableRawPointer, into destination: UnsafeMutableRawBufferPointer) throws {
    try base.read(address, into: destination)
  }
  func copy(_ source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer, byteCount: Int) throws {
    try base.copy(source, to: destination, byteCount: byteCount)
  }
  func launch(_ launch: KernelLaunch) throws {
    if left > 0 {
      left -= 1
      throw OutOfDeviceMemory()
    }
    try base.launch(launch)
  }
  func finish() throws { try base.finish() }
}
