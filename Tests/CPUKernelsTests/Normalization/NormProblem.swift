import CPUKernels
import Calls
import Tensors
import TestSupport
import Testing

/// What the layer can be asked for beside the normalisation.
struct NormForm: CustomStringConvertible {
  var activation: Activation = .none
  var place: ResidualPlace?

  static let plain = NormForm()

  static let all: [NormForm] = [Activation.none, .relu, .leakyReLU(slope: 0.2)].flatMap { activation in
    [nil, .beforeActivation, .afterActivation].map { NormForm(activation: activation, place: $0) }
  }

  var description: String { "\(activation), residual \(place.map { "\($0)" } ?? "none")" }

  func activated(_ n: Double) -> Double {
    switch activation {
    case .none: n
    case .relu: n > 0 ? n : 0
    case .leakyReLU(let slope): n > 0 ? n : slope * n
    }
  }

  func slope(_ n: Double) -> Double {
    switch activation {
    case .none: 1
    case .relu: n > 0 ? 1 : 0
    case .leakyReLU(let slope): n > 0 ? 1 : slope
    }
  }
}

/// One call forward and one backward, and what goes into them, as it lies in memory.
struct NormProblem {
  var planes: Planes
  var form = NormForm.plain
  /// Which planes share their moments; nil for statistics that are given.
  var sharing: MomentSharing? = .instance
  /// What the statistics are, where they are given.
  var given: (mean: [Double], invStd: [Double]) = ([], [])
  var epsilon = 1e-5
  var x: RawMemory
  var dy: RawMemory
  var residual: RawMemory
  var scale: [Float]
  var bias: [Float]

  /// - Parameter value: the value of a plane at an index.
  init(
    _ planes: Planes, form: NormForm = .plain, epsilon: Double = 1e-5, scale: [Float]? = nil, bias: [Float]? = nil,
    seed: UInt64 = 1, value: (_ plane: Int, _ index: Int, _ noise: Double) -> Double
  ) {
    self.planes = planes
    self.form = form
    self.epsilon = epsilon
    var noise = Noise(seed: seed)
    self.scale = scale ?? (0..<planes.maps).map { _ in Float(noise.next() * 1.5) }
    self.bias = bias ?? (0..<planes.maps).map { _ in Float(noise.next()) }
    func made(_ value: (Int, Int) -> Double) -> RawMemory {
      var values = Array(repeating: 0.0, count: planes.valueCount)
      for plane in 0..<planes.count {
        for index in 0..<planes.size { values[planes.position(plane, index)] = value(plane, index) }
      }
      return RawMemory(planes.dtype, values)
    }
    x = made { value($0, $1, noise.next()) }
    dy = made { _, _ in noise.next() }
    residual = made { _, _ in noise.next() }
  }

  func inputs(at place: RawMemory.Place) -> NormProblem {
    var moved = self
    moved.x = RawMemory(copyOf: x, at: place)
    moved.dy = RawMemory(copyOf: dy, at: place)
    moved.residual = RawMemory(copyOf: residual, at: place)
    return moved
  }

  // MARK: Running

  struct Result {
    var y: RawMemory
    var dx: RawMemory
    var dn: RawMemory
    var mean: RawMemory
    var invStd: RawMemory
    var sums: RawMemory

    /// What differs from another result, bit by bit.
    func differences(from other: Result) -> [String] {
      var found: [String] = []
      if !y.hasSameBytes(as: other.y) { found.append("y") }
      if !dx.hasSameBytes(as: other.dx) { found.append("dx") }
      if !dn.hasSameBytes(as: other.dn) { found.append("dn") }
      if !mean.hasSameBytes(as: other.mean) { found.append("mean") }
      if !invStd.hasSameBytes(as: other.invStd) { found.append("invStd") }
      if !sums.hasSameBytes(as: other.sums) { found.append("sums") }
      return found
    }

    var areFencesIntact: Bool { [y, dx, dn, mean, invStd, sums].allSatisfy(\.isFenceIntact) }
  }

  /// Which memory a result takes the place of.
  enum InPlace: CaseIterable {
    case no
    /// y is x, dx is dy.
    case gradient
    /// y is x, dx is x.
    case input
  }

  func run(_ backend: CPUBackend, at place: RawMemory.Place = .offset(0), inPlace: InPlace = .no) throws -> Result {
    let (scale, bias) = parameters(at: place)
    let count = planes.count
    let y = inPlace == .no ? RawMemory(planes.dtype, planes.valueCount, at: place) : RawMemory(copyOf: x, at: place)
    let mean = RawMemory(.float64, count, at: place)
    let invStd = RawMemory(.float64, count, at: place)
    if sharing == nil {
      mean.set(given.mean)
      invStd.set(given.invStd)
    }
    try backend.run(
      NormCall(
        planes: planes, input: inPlace == .no ? x.address : y.address, output: y.address,
        scale: ParameterValues(scale.address, isDouble: false, absent: 1),
        bias: ParameterValues(bias.address, isDouble: false, absent: 0), epsilon: epsilon,
        activation: form.activation, residual: form.place == nil ? nil : residual.address,
        place: form.place ?? .afterActivation, sharing: sharing, mean: mean.doubles, invStd: invStd.doubles))

    let dx: RawMemory
    switch inPlace {
    case .no: dx = RawMemory(planes.dtype, planes.valueCount, at: place)
    case .gradient: dx = RawMemory(copyOf: dy, at: place)
    case .input: dx = RawMemory(copyOf: x, at: place)
    }
    let dn = RawMemory(planes.dtype, planes.valueCount, at: place)
    let sums = RawMemory(.float64, 2 * count, at: place)
    var call = NormGradientCall(
      planes: planes, gradient: inPlace == .gradient ? dx.address : dy.address,
      input: inPlace == .input ? dx.address : x.address,
      scale: ParameterValues(scale.address, isDouble: false, absent: 1),
      bias: ParameterValues(bias.address, isDouble: false, absent: 0), activation: form.activation,
      residual: form.place == nil ? nil : residual.address, place: form.place ?? .afterActivation,
      sharing: sharing, mean: UnsafePointer(mean.doubles), invStd: UnsafePointer(invStd.doubles), sums: sums.doubles,
      inputGradient: nil)
    // Of planes that share, the sums are the engine's own; what counts is what is made of them.
    let totals = RawMemory(planes.dtype.parameterDType, 2 * planes.maps, at: place)
    if sumsAreTotals {
      call.biasGradient = totals.address
      call.scaleGradient = totals.address + totals.byteCount / 2
    }
    // First the sums alone: they must be those that come with dx.
    try backend.run(call)
    let alone = RawMemory(copyOf: sumsAreTotals ? totals : sums, at: .offset(0))
    call.inputGradient = dx.address
    call.residualGradient = dn.address
    try backend.run(call)
    let reported = sumsAreTotals ? totals : sums
    if !alone.hasSameBytes(as: reported) || !sums.isFenceIntact { throw Disagreement() }
    return Result(y: y, dx: dx, dn: dn, mean: mean, invStd: invStd, sums: reported)
  }

  /// Whether a result has sums over the planes of each map, (2, C), and not over each plane, (2, N, C).
  var sumsAreTotals: Bool { sharing?.isOfSinglePlanes(planes) == false }

  /// The sums alone were not those that came with dx.
  struct Disagreement: Error {}

  private func parameters(at place: RawMemory.Place) -> (scale: RawMemory, bias: RawMemory) {
    (
      RawMemory(.float32, scale.map(Double.init), at: place), RawMemory(.float32, bias.map(Double.init), at: place)
    )
  }
}

/// N, C and H W.
typealias Extent = (images: Int, maps: Int, size: Int)

extension Planes {
  init(_ dtype: DType, _ layout: Layout, _ extent: Extent) {
    self.init(dtype: dtype, layout: layout, images: extent.images, maps: extent.maps, size: extent.size)
  }

  /// Where a plane's value lies, in values from the start. Written down once more from the definition of the layouts.
  func position(_ plane: Int, _ index: Int) -> Int {
    layout == .nchw ? plane * size + index : (plane / maps * size + index) * maps + plane % maps
  }

  /// A plane's values in memory.
  func values(of plane: Int, in memory: RawMemory) -> [Double] {
    (0..<size).map { memory[position(plane, $0)] }
  }
}

extension RawMemory {
  var doubles: UnsafeMutablePointer<Double> { address.assumingMemoryBound(to: Double.self) }
}

/// Numbers whose distribution is near the normal one, fast.
struct Noise {
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func next() -> Double {
    var bits = generator.next()
    var sum = 0.0
    for _ in 0..<4 {
      sum += Double(bits & 0xFFFF)
      bits >>= 16
    }
    return (sum / 65536 - 2) * 1.732
  }
}

/// The instruction sets of this machine's processor, and `plain`.
enum Engines {
  static let tuned = tunedSets.map { Engine(instructions: $0) }
  static let all = tuned + [Engine(instructions: .plain)]
}

struct Engine: CustomTestStringConvertible, Sendable {
  let instructions: InstructionSet
  var name: String { instructions.rawValue }
  var testDescription: String { name }

  /// - Parameter streams: whether every output goes past the caches, however small.
  func backend(threads: Int = 1, streams: Bool = false) throws -> CPUBackend {
    try CPUBackend(threads: threads, instructions, streamed: streams ? 0 : CacheSizes.streamed)
  }
}
