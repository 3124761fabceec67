import GPUBackends
import InstanceNorm
import TestSupport
import Testing

/// Tensors that live on a device: their values, arithmetic, memory and errors.
@Suite struct GPUTensorTests {
  @Test(arguments: DevicesUnderTest.all) func `conversions between all types and layouts round as the CPU's`(
    device: Device
  ) throws {
    let special: [Double] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, 65504, 65520, 65519.99, 0x1p-24, 0x1.8p-25, 0x1p-25, 1e-45, 1e-40,
      -1e-46, 3.4028235e38, 3.4028236e38, 1e300, -1e-300, 1.00048828125, 1.0004882812500002, 2049, 2051, 1.00390625,
      0x1.01p0, 0x1.0100001p0, 0x1.00ffffffp0, .leastNonzeroMagnitude, 1.1754943e-38, 0x1p-149, 0x1.8p-149, 0x1p-150,
      0x1.0001p-150,
    ]
    let random = try Tensor.randomNormal([7 * 5 * 9 * 3 - special.count], seed: 1, dtype: .float64)
    let values = try special + random.doubles.map { $0 * 300 }
    for from in DType.allCases {
      let source = try Tensor(values, shape: [3, 7, 5, 9]).to(from)
      for to in DType.allCases {
        for (first, second) in [(Layout.nchw, Layout.nchw), (.nchw, .nhwc), (.nhwc, .nchw), (.nhwc, .nhwc)] {
          let own = try source.to(first).to(device).to(to).to(second)
          #expect(own.device == device)
          let expected = try source.to(first).to(to).to(second)
          let pairs = zip(try own.doubles, try expected.doubles)
          // NaN's sign and digits are anyone's.
          #expect(pairs.allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }, "\(from) to \(to)")
        }
      }
    }
  }

  @Test(arguments: DevicesUnderTest.all, DType.allCases) func `arithmetic is the CPU's`(
    device: Device, dtype: DType
  ) throws {
    guard device.supportedTypes.contains(dtype) else { return }
    for count in [1, 3, 8, 257, 70_000] {
      let (a, b) = (
        try Tensor.randomNormal([count], seed: 1, dtype: dtype), try Tensor.randomNormal([count], seed: 2, dtype: dtype)
      )
      func run(on device: Device) throws -> [[Double]] {
        let (x, y) = (try a.to(device), try b.to(device))
        var combined = y
        try combined.combine(0.3, x, beta: -1.7)
        var replaced = try Tensor(repeating: .nan, shape: [count], dtype: dtype, on: device)
        try replaced.combine(2, x, beta: 0)
        var filled = x
        try filled.fill(with: 0.1)
        // The copies that were written to have left what they were copied from as it was.
        return try [x + y, x - y, x * y, 0.7 * x, combined, replaced, filled, x, y].map { try $0.doubles }
      }
      let (own, expected) = (try run(on: device), try run(on: .cpu))
      let unit: Double =
        switch dtype {
        case .float64: 1e-15
        case .float32: 1.2e-7
        case .float16: 1e-3
        case .bfloat16: 8e-3
        }
      for (first, second) in zip(own, expected) {
        #expect(first.count == second.count)
        let worst = worst(zip(first, second).map { abs($0 - $1) / max(1, abs($1)) })
        #expect(worst <= unit)
      }
      let (sum, other) = (try a.to(device).sum().scalar(), try a.sum().scalar())
      #expect(abs(sum - other) <= unit * max(1, abs(other)) + 1e-15 * Double(count))
    }
  }

  @Test(arguments: DevicesUnderTest.all) func `values are read and written through the device`(device: Device) throws {
    var tensor = try Tensor.randomNormal([2, 3, 4, 5], seed: 1).to(device)
    let host = try tensor.toHost()
    #expect(tensor.device == device && host.device == .cpu)
    #expect(try tensor[1, 2, 3, 4] == host[1, 2, 3, 4])
    #expect("\(tensor)" == "\(host)")
    try tensor.set(8, at: 0, 0, 0, 1)
    #expect(tensor.device == device)
    #expect(try tensor[0, 0, 0, 1] == 8)
    #expect(try tensor.planeSummaries().count == 6)
    let empty = try Tensor.zeros([0, 3]).to(device)
    #expect(try empty.doubles == [] && empty.sum().scalar() == 0)
  }

  // MARK: Errors

  @Test(arguments: DevicesUnderTest.withoutDouble) func `what a device does not compute in is said`(
    device: Device
  ) throws {
    #expect(device.supportedTypes == [.float16, .bfloat16, .float32])
    let norm = try InstanceNorm2D(numOfMaps: 3)
    try norm.calcMode(.float64)
    try norm.to(device)
    let x = try Tensor.zeros([1, 3, 2, 2], dtype: .float64).to(device)
    let error = #expect(throws: DeviceError.self) { try norm(x) }
    #expect("\(try #require(error))".contains("\(device)"))
    #expect("\(try #require(error))".contains("float64"))
    #expect(throws: DeviceError.self) { try x + x }
  }

  @Test func `a device that is not there is said, with those that are`() throws {
    let error = #expect(throws: DeviceError.self) { try Device.opencl(77) }
    let text = "\(try #require(error))"
    #expect(text.contains("opencl:77") || text.contains("opencl"))
    if !GPUs.all.isEmpty { #expect(text.contains(GPUs.all[0].name)) }
    #expect(throws: DeviceError.self) { try Device.gpu(77) }
    #expect(throws: DeviceError.self) { try Device(named: "gpu:") }
    #expect(throws: DeviceError.self) { try Device(named: "opencl:-1") }
  }

  @Test(arguments: DevicesUnderTest.all) func `tensors on two devices in one call throw, naming both`(
    device: Device
  ) throws {
    let norm = try InstanceNorm2D(numOfMaps: 3)
    let x = try Tensor.zeros([1, 3, 2, 2])
    let error = #expect(throws: DeviceError.self) { try norm(x.to(device)) }
    let text = "\(try #require(error))"
    #expect(text.contains(device.name) && text.contains("cpu"))
    #expect(throws: DeviceError.self) { try x + x.to(device) }
  }

  @Test(arguments: DevicesUnderTest.all) func `memory that is not to be had is an error with sizes`(
    device: Device
  ) throws {
    let error = #expect(throws: DeviceError.self) {
      try Tensor(uninitialized: [1 << 20, 1 << 22], dtype: .float32, on: device)
    }
    guard case .outOfMemory(let name, let byteCount, _, let total) = try #require(error) else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(name == device.name && byteCount == 1 << 44 && total == device.memory)
    // Nothing is lost by it.
    #expect(try Tensor(repeating: 2, shape: [3], on: device).doubles == [2, 2, 2])
  }

  @Test func `more memory than there is is an error, however little a time`() throws {
    let backend = try #require(DevicesUnderTest.make(", alone", withoutDouble: false).first)
    let part = backend.memory / 4 + 1
    var held: [Storage] = []
    let error = #expect(throws: DeviceError.self) {
      for _ in 0..<4 { held.append(try Storage(byteCount: part, on: backend)) }
    }
    guard case .outOfMemory(_, let byteCount, let inUse, _) = try #require(error) else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(held.count == 3 && byteCount == part && inUse >= 3 * part)
    // What goes can be had again.
    held = []
    held.append(try Storage(byteCount: part, on: backend))
  }

  // MARK: Memory

  @Test func `after the first call nothing is allocated`() throws {
    let backend = try #require(DevicesUnderTest.make(", alone", withoutDouble: false).first)
    let device = Device(backend)
    let model = try Sequential([
      InstanceNorm2D(numOfMaps: 24), ReLU(), BatchNorm2D(numOfMaps: 24), LayerNorm2D(numOfMaps: 24, perElement: (9, 9)),
    ])
    try model.to(device)
    let optimizer = try Adam()
    try optimizer.setup(on: model)
    let x = try Tensor.randomNormal([2, 24, 9, 9], seed: 1).to(device)
    func step() throws {
      try model(x)
      try model.backward(x)
      try optimizer.update()
    }
    for _ in 0..<4 { try step() }
    let before = backend.pool.statistics.systemAllocations
    for _ in 0..<5 { try step() }
    #expect(backend.pool.statistics.systemAllocations == before)
    let inUse = backend.pool.statistics.bytesInUse
    model.reset()
    #expect(backend.pool.statistics.bytesInUse < inUse)
    backend.pool.trim()
    #expect(backend.pool.statistics.bytesCached == 0)
    try step()
  }

  @Test func `a queued call does not hold on to its tensors`() throws {
    let backend = try #require(DevicesUnderTest.make(", alone", withoutDouble: false).first)
    let x = try Tensor.randomNormal([2, 3, 50, 60], seed: 1).to(Device(backend))
    let norm = try InstanceNorm2D(numOfMaps: 3)
    try norm.to(Device(backend))
    // Gradients of scale and bias stay.
    try norm(x)
    try norm.backward(x)
    norm.reset()
    let before = backend.pool.statistics.bytesInUse
    for _ in 0..<10 {
      try norm(x + x)
      try norm.backward(0.5 * x)
    }
    norm.reset()
    #expect(backend.pool.statistics.bytesInUse == before)
  }

  @Test(arguments: DevicesUnderTest.all) func `any thread may call`(device: Device) async throws {
    let x = try Tensor.randomNormal([2, 5, 30, 31], seed: 1)
    let norm = try InstanceNorm2D(numOfMaps: 5)
    try norm.to(device)
    let expected = try bits(norm(x.to(device)))
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let norm = try InstanceNorm2D(numOfMaps: 5)
          try norm.to(device)
          return try (0..<20).allSatisfy { _ in try bits(norm(x.to(device))) == expected }
        }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }
}
