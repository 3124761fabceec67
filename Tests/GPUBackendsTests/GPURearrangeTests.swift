import CPUKernels
import Calls
import GPUBackends
import InstanceNorm
import Testing

/// Values that go elsewhere on every device, against the reference.
@Suite struct GPURearrangeTests {
  private struct Form {
    var name: String
    var extents: Axes
    var from: Axes
    var to: Axes
    var maps: [AxisMap?] = []
    /// Of the input's axes, where they are not the output's.
    var inputExtents: Axes?
  }

  private static let picture: Axes = [2, 3, 4, 5]
  private static let rows: Axes = [60, 20, 5, 1]
  private static let mapsLast: Axes = [60, 1, 15, 3]

  /// An axis of four to ten places between those of five, and mirrored ones.
  private static let blend = AxisMap(
    starts: [0, 1, 3, 5, 5, 8], sources: [0, 0, 1, 1, 2, 3, 0, 2], weights: [1, 0.25, 0.75, -0.5, 1.5, 0.3, 0.3, 0.4],
    inputExtent: 4)

  private static let forms: [Form] = [
    Form(name: "as it is", extents: picture, from: rows, to: rows),
    Form(name: "to maps last", extents: picture, from: rows, to: mapsLast),
    Form(name: "to maps first", extents: picture, from: mapsLast, to: rows),
    Form(name: "repeated", extents: picture, from: [0, 1, 0, 0], to: rows),
    Form(name: "one value", extents: [], from: [], to: []),
    Form(name: "none", extents: [0, 3], from: [3, 1], to: [3, 1]),
    Form(
      name: "a part", extents: [2, 2, 4, 3], from: rows, to: [24, 12, 3, 1],
      maps: [nil, AxisMap([2, 0], inputExtent: 3), nil, AxisMap([1, 2, 4], inputExtent: 5)], inputExtents: picture),
    Form(
      name: "padded", extents: [2, 3, 6, 7], from: mapsLast, to: [126, 1, 21, 3],
      maps: [
        nil, nil, AxisMap([nil, 0, 1, 2, 3, nil], inputExtent: 4), AxisMap([1, 0, 1, 2, 3, 4, 3], inputExtent: 5),
      ], inputExtents: picture),
    Form(
      name: "resized", extents: [2, 3, 5, 5], from: rows, to: [75, 25, 5, 1], maps: [nil, nil, blend, nil],
      inputExtents: picture),
    Form(
      name: "the gradient of padding", extents: picture, from: [126, 42, 7, 1], to: rows,
      maps: [
        nil, nil, AxisMap([nil, 0, 1, 2, 3, nil], inputExtent: 4).transposed,
        AxisMap([1, 0, 1, 2, 3, 4, 3], inputExtent: 5).transposed,
      ], inputExtents: [2, 3, 6, 7]),
    Form(
      name: "the gradient of resizing both ways", extents: [1, 4, 4], from: [25, 5, 1], to: [16, 1, 4],
      maps: [nil, blend.transposed, blend.transposed], inputExtents: [1, 5, 5]),
    Form(
      name: "no sources", extents: [3, 2], from: [2, 1], to: [2, 1],
      maps: [AxisMap([nil, nil, nil], inputExtent: 3), nil], inputExtents: [3, 2]),
    Form(
      name: "an axis of one place", extents: [1, 4], from: [4, 1], to: [4, 1],
      maps: [AxisMap([2], inputExtent: 3), nil], inputExtents: [3, 4]),
  ]

  @Test(arguments: DevicesUnderTest.all) func `every form between all types`(device: Device) throws {
    for form in Self.forms {
      for from in DType.allCases {
        for to in DType.allCases { try check(form, from, to, on: device) }
      }
    }
  }

  private func check(_ form: Form, _ from: DType, _ to: DType, on device: Device) throws {
    let gpu = try #require(device.backend as? GPUBackend)
    let isMoved = form.maps.allSatisfy { $0?.isSelection ?? true }
    let special: [Double] = [.nan, .infinity, -0.0, 65504, 1e-40, 1e300, 0x1.0101p0, -.infinity, 2051, 1e-7]
    var numbers = randomNumbers(reach(form.inputExtents ?? form.extents, form.from), seed: 1)
    // Infinite values that meet others are for sums to decide.
    if isMoved { for (index, value) in special.enumerated() where index < numbers.count { numbers[index] = value } }
    let input = try Twin(numbers, from, on: device, start: 3)
    let output = try Twin.unwritten(reach(form.extents, form.to), to, on: device, start: 5)
    func call(isOnHost: Bool) -> RearrangeCall {
      RearrangeCall(
        extents: form.extents, input: input.view(form.from, isOnHost: isOnHost),
        output: output.view(form.to, isOnHost: isOnHost), maps: form.maps)
    }
    if !isMoved, from == .float64 || to == .float64, !device.supportedTypes.contains(.float64) {
      #expect(throws: DeviceError.self) { try gpu.run(call(isOnHost: false)) }
      return
    }
    ReferenceRearrange(call(isOnHost: true)).run()
    try gpu.run(call(isOnHost: false))
    let fault = try output.fault { isMoved ? 0 : to.unit(of: $1) + 1e-13 }
    #expect(fault == nil, "\(form.name), \(from) to \(to)")
  }

  @Test func `maps that come again are not copied again, and their memory is bounded`() throws {
    let gpu = try #require(DevicesUnderTest.make(", alone", withoutDouble: false).first)
    let input = try Twin([1, 2, 3], .float32, on: Device(gpu))
    let output = try Twin.unwritten(4, .float32, on: Device(gpu))
    func move(_ number: Int) throws -> Int {
      let sources = [number / 27, number / 9 % 3, number / 3 % 3, number % 3]
      try gpu.run(
        RearrangeCall(
          extents: [4], input: input.view([1], isOnHost: false), output: output.view([1], isOnHost: false),
          maps: [AxisMap(sources, inputExtent: 3)]))
      #expect(try output.values().device == sources.map { Double($0 + 1) })
      return gpu.pool.statistics.bytesInUse
    }
    let first = try move(0)
    #expect(try move(0) == first)
    let held = try (0..<160).map { try move($0 % 80) }
    #expect(held[1] > first && held[70] == held[159])
  }

  @Test(arguments: DevicesUnderTest.all) func `memory is filled to its end`(device: Device) throws {
    for byteCount in [8, 24, 8000] {
      let storage = try Storage(byteCount: byteCount, on: device.backend)
      try device.backend.fill(storage, with: 0x0123_4567_89ab_cdef)
      var words = [UInt64](repeating: 0, count: byteCount / 8)
      try words.withUnsafeMutableBytes { try device.backend.copy(from: storage, to: $0) }
      #expect(words.allSatisfy { $0 == 0x0123_4567_89ab_cdef })
    }
  }
}
