import Conformance
import InstanceNorm
import TestSupport
import Testing

/// The conformance kit finds what is wrong with a device.
@Suite struct BrokenPromiseTests {
  /// Something that a device does wrong, and the promises that this breaks.
  struct Fault: Sendable, CustomTestStringConvertible {
    let broken: Set<String>
    let place: FaultyBackend.Place
    let spoil: @Sendable (_ values: inout [Double], _ call: Int) -> Void
    let testDescription: String

    init(
      _ description: String, _ place: FaultyBackend.Place, breaks broken: String...,
      by spoil: @escaping @Sendable (_ values: inout [Double], _ call: Int) -> Void
    ) {
      testDescription = description
      self.place = place
      self.broken = Set(broken)
      self.spoil = spoil
    }
  }

  static let faults = [
    Fault(
      "results are off by 1e-5", .result, breaks: "planes of 1 to 300 values", "few and many planes, small and large",
      "a plane of 2^24 values", "means far larger than the deviation", "the largest and the smallest magnitudes",
      "an activation and a residual, fused in both places", "every type of normalisation"
    ) { values, _ in for index in values.indices { values[index] *= 1 + 1e-5 } },
    Fault("means are off", .mean, breaks: "few and many planes, small and large") { values, _ in values[0] += 1e-4 },
    Fault("deviations are off", .invStd, breaks: "few and many planes, small and large") { values, _ in
      values[0] *= 1 + 1e-4
    },
    Fault("gradients are off", .gradient, breaks: "few and many planes, small and large") { values, _ in
      for index in values.indices { values[index] *= 1.001 }
    },
    Fault("gradients of parameters are off", .parameters, breaks: "few and many planes, small and large") { values, _ in
      for index in values.indices { values[index] = values[index] * 1.01 + 1 }
    },
    Fault("a residual's gradient is off", .residual, breaks: "an activation and a residual, fused in both places") {
      values, _ in
      values[0] += 0.1
    },
    Fault("given statistics are used badly", .given, breaks: "running statistics") { values, _ in values[0] += 1e-3 },
    Fault("conversions are off by a bit", .conversion, breaks: "conversions, to the bit") { values, _ in
      values[values.count - 1] *= 1 + 0x1p-7
    },
    Fault("arithmetic is off", .arithmetic, breaks: "arithmetic and activations") { values, _ in
      values[values.count - 1] += 0.1
    },
    Fault("Adam's steps are off", .step, breaks: "optimizers' steps", "20 steps of training with Adam") { values, _ in
      for index in values.indices { values[index] *= 1.01 }
    },
    Fault(
      "no two results are the same", .result, breaks: "the same bits from run to run, and in place",
      "what cannot be is an error, and nothing is lost"
    ) { values, call in values[0] += Double(call) },
    Fault("results depend on the batch", .result, breaks: "a plane has the same bits in any batch") { values, _ in
      values[0] += Double(values.count)
    },
    Fault("a NaN goes everywhere", .result, breaks: "NaN and infinity stay in their plane") { values, _ in
      if values.contains(where: \.isNaN) { values = values.map { _ in .nan } }
    },
    Fault("constant planes are nearly constant", .result, breaks: "constant planes give exactly the bias") {
      values, _ in
      values[values.count - 1] += 1e-3
    },
    Fault("what is read is not what is there", .reading, breaks: "saved here, loaded on the CPU") { values, _ in
      values[0] += 1
    },
  ]

  @Test func `a device without a fault keeps every promise`() {
    for promise in Promise.all {
      let finding = Finding(promise, on: Device(FarBackend()))
      #expect(finding.isKept, "\(promise.title): \(finding.fault ?? "")")
    }
  }

  @Test(arguments: faults) func `a fault breaks every promise that it should`(fault: Fault) throws {
    for title in fault.broken {
      let promise = try #require(Promise.all.first { $0.title == title })
      let finding = Finding(promise, on: Device(FaultyBackend(fault.place, fault.spoil)))
      #expect(!finding.isKept && finding.fault != nil, "\(title)")
    }
  }

  @Test func `there is a fault for every promise`() {
    #expect(Self.faults.reduce(into: Set()) { $0.formUnion($1.broken) } == Set(Promise.all.map(\.title)))
  }
}

/// A device that spoils what it computes in one place.
final class FaultyBackend: FarBackend, @unchecked Sendable {
  enum Place {
    case result, mean, invStd, gradient, parameters, residual, given, conversion, arithmetic, step, reading
  }

  private let place: Place
  private let spoil: (_ values: inout [Double], _ call: Int) -> Void
  /// How often it has normalised so far.
  private var calls = 0

  init(_ place: Place, _ spoil: @escaping (_ values: inout [Double], _ call: Int) -> Void) {
    self.place = place
    self.spoil = spoil
    super.init()
    runner = { [unowned self] call in
      try call.runOnCPU()
      self.spoil(call)
    }
  }

  /// Spoils values in place. The memory is really the host's; only the base class hides that.
  private func spoil(_ address: UnsafeMutableRawPointer?, _ dtype: DType, _ count: Int, at place: Place) {
    guard place == self.place, let address, count > 0 else { return }
    func write<S: Scalar>(_ type: S.Type) {
      let memory = UnsafeMutableBufferPointer(start: address.assumingMemoryBound(to: S.self), count: count)
      var values = memory.map(\.double)
      spoil(&values, calls)
      for index in memory.indices { memory[index] = S(values[index]) }
    }
    write(dtype.scalarType)
  }

  override func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) {
    super.copy(from: source, to: destination)
    if place == .reading, !destination.isEmpty { destination[destination.count - 1] ^= 1 }
  }

  private func spoil(_ call: any Call) {
    switch call {
    case let call as NormCall:
      let planes = call.planes
      guard call.sharing != nil else { return spoil(call.output, planes.dtype, planes.valueCount, at: .given) }
      calls += 1
      spoil(call.output, planes.dtype, planes.valueCount, at: .result)
      spoil(call.mean, .float64, planes.count, at: .mean)
      spoil(call.invStd, .float64, planes.count, at: .invStd)
    case let call as NormGradientCall:
      spoil(call.inputGradient, call.planes.dtype, call.planes.valueCount, at: .gradient)
      spoil(call.residualGradient, call.planes.dtype, call.planes.valueCount, at: .residual)
      let dtype = call.planes.dtype.parameterDType
      for gradient in [call.scaleGradient, call.biasGradient] {
        spoil(gradient, dtype, call.planes.maps, at: .parameters)
      }
    case let call as RearrangeCall where call.input.dtype != call.output.dtype:
      spoil(call.output.address, call.output.dtype, call.extents.reduce(1, *), at: .conversion)
    case let call as BinaryCall:
      spoil(call.output.address, call.output.dtype, call.extents.reduce(1, *), at: .arithmetic)
    case let call as AdamCall:
      spoil(call.parameter, call.dtype, call.count, at: .step)
    default: break
    }
  }
}
