import Calls
import GPUBackends
import InstanceNorm
import TestSupport
import Testing

/// What a device's normalisation writes, in every small case of pictures, maps and places: where a launch
/// leaves something out, it shows here, since outputs are NaN before each call.
@Suite struct EverySmallShapeTests {
  @Test(arguments: DevicesUnderTest.all, DType.allCases) func `every output is written, and right`(
    device: Device, dtype: DType
  ) throws {
    guard device.supportedTypes.contains(dtype) else { return }
    // All that a device sees of height and width is their product, and how that stands to a vector of 16 bytes. The
    // types differ in nothing else.
    let places = dtype == .float32 ? [1, 2, 3, 4, 25] : [1, 9]
    let counts = dtype == .float32 ? [1, 2, 3, 4, 5] : [1, 2, 4]
    for images in counts {
      for maps in counts {
        for size in places {
          for layout in Layout.allCases {
            for sharing in Self.kinds(maps: maps) {
              let problem = try Problem(images: images, maps: maps, size: size, sharing, layout, dtype)
              let faults = try problem.faults(on: device)
              try #require(faults.isEmpty, "\(problem): \(faults)")
            }
          }
        }
      }
    }
  }

  /// Every type of normalisation that there is for so many maps: one group is a layer, and groups of one map are
  /// instances.
  private static func kinds(maps: Int) -> [MomentSharing] {
    [.instance, .layer, .batch] + (1...maps).filter { 1 < $0 && $0 < maps && maps % $0 == 0 }.map { .group($0) }
  }
}

/// One normalisation, forward and backward, with its outputs from the formulas.
private struct Problem: CustomStringConvertible {
  let (images, maps, size): (Int, Int, Int)
  let (sharing, layout, dtype): (MomentSharing, Layout, DType)
  // In the order of (N, C, H W), rounded to their types.
  let (x, gradients, factors, offsets): ([Double], [Double], [Double], [Double])
  let expected: Reference
  let epsilon = 1e-3

  var description: String { "\(images) x \(maps) x \(size) \(sharing) \(layout) \(dtype)" }

  init(images: Int, maps: Int, size: Int, _ sharing: MomentSharing, _ layout: Layout, _ dtype: DType) throws {
    (self.images, self.maps, self.size) = (images, maps, size)
    (self.sharing, self.layout, self.dtype) = (sharing, layout, dtype)
    let (count, seed) = (images * maps * size, UInt64(images * 100 + maps * 10 + size))
    x = dtype.rounded(randomNumbers(count, seed: seed).map { $0 * 2 + 2 })
    gradients = dtype.rounded(randomNumbers(count, seed: seed + 1))
    factors = dtype.parameterDType.rounded(randomNumbers(maps, seed: seed + 2).map { $0 + 1.5 })
    offsets = dtype.parameterDType.rounded(randomNumbers(maps, seed: seed + 3))
    expected = Reference(
      x, maps: maps, planeSize: size, sets: planeSets(sharing, images: images, maps: maps), scale: factors,
      bias: offsets, epsilon: epsilon, grad: gradients)
  }

  /// Where in memory the value is that is (N, C, H W) row by row.
  private func place(of index: Int) -> Int {
    if layout == .nchw { return index }
    let (plane, place) = (index / size, index % size)
    return (plane / maps * size + place) * maps + plane % maps
  }

  private func values(_ numbers: [Double], on device: Device) throws -> Twin {
    var memory = numbers
    for index in numbers.indices { memory[place(of: index)] = numbers[index] }
    return try Twin(memory, dtype, on: device)
  }

  /// The outputs that are not as expected.
  func faults(on device: Device) throws -> [String] {
    let gpu = try #require(device.backend as? GPUBackend)
    let planes = Planes(dtype: dtype, layout: layout, images: images, maps: maps, size: size)
    let (x, dy) = (try values(self.x, on: device), try values(gradients, on: device))
    let factors = try Twin(self.factors, dtype.parameterDType, on: device)
    let offsets = try Twin(self.offsets, dtype.parameterDType, on: device)
    let isDouble = dtype == .float64
    let scale = ParameterValues(factors.deviceAddress, isDouble: isDouble, absent: 1)
    let bias = ParameterValues(offsets.deviceAddress, isDouble: isDouble, absent: 0)
    func output() throws -> Twin { try .unwritten(self.x.count, dtype, on: device) }
    func perPlane(_ rows: Int = 1) throws -> Twin { try .unwritten(rows * images * maps, .float64, on: device) }
    var faults: [String] = []
    func hold(_ name: String, _ twin: Twin, _ isRight: (Int, Double) -> Bool) throws {
      let values = try twin.values().device
      let isOutput = values.count == self.x.count && twin.dtype == dtype
      let all = values.indices.allSatisfy { isRight($0, values[isOutput ? place(of: $0) : $0]) }
      if !all { faults.append(name) }
    }

    let (y, mean, invStd) = (try output(), try perPlane(), try perPlane())
    var call = NormCall(
      planes: planes, input: x.deviceAddress, output: y.deviceAddress, scale: scale, bias: bias, epsilon: epsilon,
      sharing: sharing, mean: mean.numbers, invStd: invStd.numbers)
    try gpu.run(call)
    try hold("y", y, isResult)
    try hold("mean", mean, isMean)
    try hold("invStd", invStd, isInverse)

    let again = try output()
    (call.output, call.sharing) = (again.deviceAddress, nil)
    try gpu.run(call)
    try hold("y by given statistics", again, isResult)

    let (ownMean, ownInvStd) = (try perPlane(), try perPlane())
    (call.output, call.sharing) = (nil, sharing)
    (call.mean, call.invStd) = (ownMean.numbers, ownInvStd.numbers)
    try gpu.run(call)
    try hold("mean alone", ownMean, isMean)
    try hold("invStd alone", ownInvStd, isInverse)

    let (dx, dn, sums) = (try output(), try output(), try perPlane(2))
    var back = NormGradientCall(
      planes: planes, gradient: dy.deviceAddress, input: x.deviceAddress, scale: scale, bias: bias, sharing: sharing,
      mean: mean.numbers, invStd: invStd.numbers, sums: sums.numbers, inputGradient: dx.deviceAddress,
      residualGradient: dn.deviceAddress)
    try gpu.run(back)
    try hold("dx", dx, isGradient)
    try hold("dn", dn) { $1 == gradients[$0] }
    let added = try sums.values().device
    if added.contains(where: \.isNaN) { faults.append("sums") }
    for map in 0..<maps {
      func total(_ row: Int) -> Double {
        (0..<images).reduce(0) { $0 + added[(row * images + $1) * maps + map] }
      }
      if !(abs(total(0) - expected.biasGrad[map]) <= allowedSum) { faults.append("sum of dn") }
      if !(abs(total(1) - expected.scaleGrad[map]) <= allowedSum) { faults.append("sum of dn xhat") }
    }

    let onlySums = try perPlane(2)
    (back.sums, back.inputGradient, back.residualGradient) = (onlySums.numbers, nil, nil)
    try gpu.run(back)
    try hold("sums alone", onlySums) { abs($1 - added[$0]) <= allowedSum }
    return faults
  }

  // MARK: What is allowed

  /// What a value of size 1 is rounded by where results are stored.
  private var unit: Double {
    switch dtype {
    case .float16: 0x1p-10
    case .bfloat16: 0x1p-7
    case .float32, .float64: 0
    }
  }

  /// What arithmetic of the type may add to that.
  private var arithmetic: Double { dtype == .float64 ? 1e-12 : 1e-6 }

  private var allowedSum: Double { 1e-5 * Double(images * size) * arithmetic / 1e-6 }

  private func isResult(_ index: Int, _ value: Double) -> Bool {
    let (factor, offset) = (factors[index / size % maps], offsets[index / size % maps])
    let xhat = (expected.y[index] - offset) / factor
    let allowed = arithmetic * (abs(factor) * max(1, abs(xhat)) + abs(offset))
    return abs(value - expected.y[index]) <= allowed + unit * max(abs(expected.y[index]), 0x1p-14)
  }

  private func isMean(_ plane: Int, _ value: Double) -> Bool {
    abs(value - expected.mean[plane]) <= 1e-6 * (1 / expected.invStd[plane] + abs(expected.mean[plane]) * 1e-6)
  }

  private func isInverse(_ plane: Int, _ value: Double) -> Bool {
    abs(value - expected.invStd[plane]) <= 1e-6 * expected.invStd[plane]
  }

  private func isGradient(_ index: Int, _ value: Double) -> Bool {
    let (plane, factor) = (index / size, factors.map(abs).max() ?? 1)
    let largest = gradients.map(abs).max() ?? 0
    // |xhat| is at most the root of how many values share.
    let xhat = Double(images * maps * size).squareRoot()
    let allowed = 4 * arithmetic * factor * expected.invStd[plane] * largest * max(1, xhat)
    return abs(value - expected.xGrad[index]) <= allowed + unit * max(abs(expected.xGrad[index]), 0x1p-14)
  }
}

extension Twin {
  /// Values of float64 on the device.
  fileprivate var numbers: UnsafeMutablePointer<Double> { deviceAddress.assumingMemoryBound(to: Double.self) }
}

extension DType {
  /// The nearest numbers that the type has.
  fileprivate func rounded(_ numbers: [Double]) -> [Double] {
    func round<Value: Scalar>(_: Value.Type) -> [Double] { numbers.map { Value($0).double } }
    return round(scalarType)
  }
}
