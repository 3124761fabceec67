import CInstanceNorm
import Tensors

/// What a call can fail with.
enum CallError: Error {
  case argument(_ name: String, expected: String, got: String)
  case outOfMemory(_ text: String)
}

/// Runs the body of a function and says how it went. The caller's last error is only touched where it failed.
func status(_ function: StaticString, _ body: () throws(CallError) -> Void) -> instnorm_status {
  do {
    try body()
    return INSTNORM_OK
  } catch {
    switch error {
    case .argument(let name, let expected, let got):
      instnorm_set_last_error("\(function): \(name): expected \(expected), got \(got)")
      return INSTNORM_INVALID_ARGUMENT
    case .outOfMemory(let text):
      instnorm_set_last_error("\(function): \(text)")
      return INSTNORM_OUT_OF_MEMORY
    }
  }
}

/// What the library throws past checked arguments is that there is no memory.
func withMemory(_ body: () throws -> Void) throws(CallError) {
  do {
    try body()
  } catch {
    throw .outOfMemory("\(error)")
  }
}

extension Planes {
  init(checking pointer: UnsafePointer<instnorm_planes>?) throws(CallError) {
    guard let planes = pointer?.pointee else { throw .argument("planes", expected: "a pointer", got: "NULL") }
    func extent(_ name: String, _ value: Int64, least: Int64) throws(CallError) -> Int {
      guard value >= least, let extent = Int(exactly: value) else {
        throw .argument("planes->\(name)", expected: "\(least) or more", got: "\(value)")
      }
      return extent
    }
    let dtype: DType
    switch planes.dtype {
    case INSTNORM_FLOAT32: dtype = .float32
    case INSTNORM_FLOAT16: dtype = .float16
    case INSTNORM_BFLOAT16: dtype = .bfloat16
    case INSTNORM_FLOAT64: dtype = .float64
    default: throw .argument("planes->dtype", expected: "an instnorm_dtype", got: "\(planes.dtype.rawValue)")
    }
    let layout: Layout
    switch planes.layout {
    case INSTNORM_NCHW: layout = .nchw
    case INSTNORM_NHWC: layout = .nhwc
    default: throw .argument("planes->layout", expected: "an instnorm_layout", got: "\(planes.layout.rawValue)")
    }
    let images = try extent("images", planes.images, least: 0)
    let maps = try extent("maps", planes.maps, least: 1)
    let size = try extent("plane_size", planes.plane_size, least: 0)
    // Statistics take 16 bytes for each plane, as much as any value does.
    let (count, overflow) = images.multipliedReportingOverflow(by: maps)
    let (bytes, overflow2) = max(count, 1).multipliedReportingOverflow(by: max(size, 1))
    guard !overflow, !overflow2, bytes <= Int.max / 32 else {
      throw .argument(
        "planes", expected: "sizes whose bytes can be counted", got: "(\(images), \(maps), \(size))")
    }
    self.init(dtype: dtype, layout: layout, images: images, maps: maps, size: size)
  }

  var byteCount: Int { valueCount * dtype.byteCount }
}

/// An instnorm_options in Swift.
struct Options {
  var epsilon = 1e-5
  var activation = Activation.none
  var place = ResidualPlace.afterActivation
  private var threads = 0

  init(checking pointer: UnsafePointer<instnorm_options>?) throws(CallError) {
    guard let options = pointer?.pointee else { return }
    guard options.epsilon >= 0, options.epsilon.isFinite else {
      throw .argument("options->epsilon", expected: "a finite number, 0 or more", got: "\(options.epsilon)")
    }
    epsilon = options.epsilon
    switch options.activation {
    case INSTNORM_NO_ACTIVATION: activation = .none
    case INSTNORM_RELU: activation = .relu
    case INSTNORM_LEAKY_RELU:
      guard options.negative_slope.isFinite else {
        throw .argument("options->negative_slope", expected: "a finite number", got: "\(options.negative_slope)")
      }
      activation = .leakyReLU(slope: options.negative_slope)
    default:
      throw .argument(
        "options->activation", expected: "an instnorm_activation", got: "\(options.activation.rawValue)")
    }
    switch options.residual_place {
    case INSTNORM_AFTER_ACTIVATION: place = .afterActivation
    case INSTNORM_BEFORE_ACTIVATION: place = .beforeActivation
    default:
      throw .argument(
        "options->residual_place", expected: "an instnorm_residual_place", got: "\(options.residual_place.rawValue)")
    }
    guard options.threads >= 0 else {
      throw .argument("options->threads", expected: "0 or more", got: "\(options.threads)")
    }
    threads = Int(options.threads)
  }

  func backend() throws -> CPUBackend {
    threads == 0 || threads == CPUBackend.shared.threads ? CPUBackend.shared : try CPUBackend(threads: threads)
  }
}

/// A pointer that a caller gave, known to be there and aligned, and how far it reaches.
struct Argument {
  let name: StaticString
  /// Nil where none was given, or where there are no values to point to.
  let base: UnsafeMutableRawPointer?
  private let byteCount: Int
  private let isDouble: Bool

  private init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, count: Int, valueSize: Int, isOptional: Bool
  ) throws(CallError) {
    self.name = name
    byteCount = count * valueSize
    isDouble = valueSize == 8
    if pointer == nil, !isOptional, count > 0 { throw .argument("\(name)", expected: "a pointer", got: "NULL") }
    if let pointer, Int(bitPattern: pointer) % valueSize != 0 {
      throw .argument(
        "\(name)", expected: "an address that is a multiple of \(valueSize)",
        got: "0x\(String(UInt(bitPattern: pointer), radix: 16))")
    }
    base = UnsafeMutableRawPointer(mutating: pointer)
  }

  /// Shaped and typed as x.
  init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, data planes: Planes, isOptional: Bool = false
  ) throws(CallError) {
    try self.init(
      name, pointer, count: planes.valueCount, valueSize: planes.dtype.byteCount, isOptional: isOptional)
  }

  /// A value for each map.
  init(_ name: StaticString, _ pointer: UnsafeRawPointer?, parameters planes: Planes) throws(CallError) {
    try self.init(
      name, pointer, count: planes.maps, valueSize: planes.dtype.parameterDType.byteCount, isOptional: true)
  }

  /// A float64 for each plane.
  init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, statistics planes: Planes, isOptional: Bool = false
  ) throws(CallError) {
    try self.init(name, pointer, count: planes.count, valueSize: 8, isOptional: isOptional)
  }

  /// Where there are no values, some address that nothing is read from.
  var address: UnsafeMutableRawPointer { base ?? Self.nowhere }

  private static nonisolated(unsafe) let nowhere = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

  func values(absent: Double) -> ParameterValues {
    ParameterValues(base.map { UnsafeRawPointer($0) }, isDouble: isDouble, absent: absent)
  }

  /// That an output is an input's own memory or apart from it.
  func check(mayBe same: [Argument] = [], apartFrom others: [Argument]) throws(CallError) {
    for other in same where other.base != base || other.byteCount != byteCount { try checkApart(other) }
    for other in others { try checkApart(other) }
  }

  private func checkApart(_ other: Argument) throws(CallError) {
    guard let base, let start = other.base, byteCount > 0, other.byteCount > 0 else { return }
    guard base >= start + other.byteCount || start >= base + byteCount else {
      throw .argument(
        "\(name)", expected: "memory apart from \(other.name)'s", got: "memory that overlaps it")
    }
  }
}
