import InstanceNorm
import TestSupport
import Testing
import instnorm

/// That the tool's test of a device finds what is wrong with one.
@Suite struct BrokenPromiseTests {
  /// What a device does wrong, and what of the promises it breaks.
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
    Fault("sums are off", .sums, breaks: "few and many planes, small and large") { values, _ in
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

  @Test(arguments: faults) func `a fault breaks the promise that it is against`(fault: Fault) throws {
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
    case result, mean, invStd, gradient, sums, residual, given, conversion, arithmetic, step, reading
  }

  private let place: Place
  private let spoil: (_ values: inout [Double], _ call: Int) -> Void
  /// Of normalisation, so far.
  private var calls = 0

  init(_ place: Place, _ spoil: @escaping (_ values: inout [Double], _ call: Int) -> Void) {
    self.place = place
    self.spoil = spoil
  }

  /// Its memory is the host's in truth; only the base class hides it.
  private func spoil(_ tensor: Tensor, at places: Place...) {
    guard places.contains(place), tensor.count > 0 else { return }
    func write<S: Scalar>(_ type: S.Type) {
      let memory = UnsafeMutableBufferPointer(
        start: tensor.storage.address.assumingMemoryBound(to: S.self), count: tensor.count)
      var values = memory.map(\.double)
      spoil(&values, calls)
      for index in memory.indices { memory[index] = S(values[index]) }
    }
    write(tensor.dtype.scalarType)
  }

  override func copy(from source: Storage, to destination: UnsafeMutableRawBufferPointer) {
    super.copy(from: source, to: destination)
    if place == .reading, !destination.isEmpty { destination[destination.count - 1] ^= 1 }
  }
  override func convert(_ source: Tensor, into destination: inout Tensor) throws {
    try super.convert(source, into: &destination)
    spoil(destination, at: .conversion)
  }
  override func apply(_ operation: Elementwise, _ first: Tensor, _ second: Tensor, into output: inout Tensor) throws {
    try super.apply(operation, first, second, into: &output)
    spoil(output, at: .arithmetic)
  }
  override func adamStep(
    _ step: AdamStep, gradient: Tensor, parameter: inout Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor
  ) throws {
    try super.adamStep(
      step, gradient: gradient, parameter: &parameter, firstMoment: &firstMoment, secondMoment: &secondMoment)
    spoil(parameter, at: .step)
  }
  override func normalize(
    _ input: Tensor, over sharing: MomentSharing, scale: Tensor?, bias: Tensor?, epsilon: Double, epilogue: Epilogue,
    into output: inout Tensor, mean: inout Tensor, invStd: inout Tensor
  ) throws {
    try super.normalize(
      input, over: sharing, scale: scale, bias: bias, epsilon: epsilon, epilogue: epilogue, into: &output, mean: &mean,
      invStd: &invStd)
    calls += 1
    spoil(output, at: .result)
    spoil(mean, at: .mean)
    spoil(invStd, at: .invStd)
  }
  override func normalize(
    _ input: Tensor, mean: Tensor, invStd: Tensor, scale: Tensor?, bias: Tensor?, epilogue: Epilogue,
    into output: inout Tensor
  ) throws {
    try super.normalize(
      input, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue, into: &output)
    spoil(output, at: .given)
  }
  override func normalizeGradient(
    _ gradient: Tensor, input: Tensor, over sharing: MomentSharing?, mean: Tensor, invStd: Tensor, scale: Tensor?,
    bias: Tensor?, epilogue: Epilogue, sums: inout Tensor, into inputGradient: inout Tensor,
    residualGradient: inout Tensor?
  ) throws {
    try super.normalizeGradient(
      gradient, input: input, over: sharing, mean: mean, invStd: invStd, scale: scale, bias: bias, epilogue: epilogue,
      sums: &sums, into: &inputGradient, residualGradient: &residualGradient)
    spoil(inputGradient, at: .gradient)
    spoil(sums, at: .sums)
    if let residualGradient { spoil(residualGradient, at: .residual) }
  }
}
