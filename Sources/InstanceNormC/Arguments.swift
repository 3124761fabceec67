import CInstanceNorm
import Calls
import Tensors

/// Runs the body of a function and says how it went. The caller's last error is only touched where it failed.
func status(_ function: StaticString, _ body: () throws(CallError) -> Void) -> instnorm_status {
  do {
    try body()
    return INSTNORM_OK
  } catch {
    return error.tell(function)
  }
}

/// What the library throws past checked arguments is that there is no memory.
func withMemory(_ body: () throws(TensorError) -> Void) throws(CallError) {
  do {
    try body()
  } catch {
    guard case .outOfMemory(let byteCount) = error else { return }
    throw .outOfMemory(byteCount: byteCount)
  }
}

/// An address that values cannot be at.
private func misaligned(_ name: StaticString, _ address: UInt, _ alignment: Int) -> CallError {
  .argument(
    name, expected: Words("an address that is a multiple of ", .integer(alignment)), got: Words("", .address(address)))
}

extension UnsafePointer {
  /// What is there, once it is known that something can be.
  fileprivate func load(_ name: StaticString) throws(CallError) -> Pointee {
    let (address, alignment) = (UInt(bitPattern: self), MemoryLayout<Pointee>.alignment)
    guard address % UInt(alignment) == 0 else { throw misaligned(name, address, alignment) }
    return pointee
  }
}

/// A value of an enumeration that is none of its cases. Swift has it unsigned, but -1 may have come.
private func unknown(_ name: StaticString, _ type: StaticString, _ value: UInt32) -> CallError {
  .argument(name, expected: Words("an ", .name(type)), got: Words("", .integer(Int(Int32(bitPattern: value)))))
}

extension Planes {
  init(checking pointer: UnsafePointer<instnorm_planes>?) throws(CallError) {
    guard let pointer else { throw .argument("planes", expected: "a pointer", got: "NULL") }
    let planes = try pointer.load("planes")
    func extent(_ name: StaticString, _ value: Int64, least: Int64) throws(CallError) -> Int {
      guard value >= least, let extent = Int(exactly: value) else {
        throw .argument(
          name, expected: Words("", .integer(Int(least)), " or more"), got: Words("", .integer(Int(clamping: value))))
      }
      return extent
    }
    let dtype: DType
    switch planes.dtype {
    case INSTNORM_FLOAT32: dtype = .float32
    case INSTNORM_FLOAT16: dtype = .float16
    case INSTNORM_BFLOAT16: dtype = .bfloat16
    case INSTNORM_FLOAT64: dtype = .float64
    default: throw unknown("planes->dtype", "instnorm_dtype", planes.dtype.rawValue)
    }
    let layout: Layout
    switch planes.layout {
    case INSTNORM_NCHW: layout = .nchw
    case INSTNORM_NHWC: layout = .nhwc
    default: throw unknown("planes->layout", "instnorm_layout", planes.layout.rawValue)
    }
    let images = try extent("planes->images", planes.images, least: 0)
    let maps = try extent("planes->maps", planes.maps, least: 1)
    let size = try extent("planes->plane_size", planes.plane_size, least: 0)
    // Sums take 16 bytes for each plane, more than any value does. Without pictures there still are parameters.
    let (count, overflow) = images.multipliedReportingOverflow(by: maps)
    let (bytes, overflow2) = max(count, 1).multipliedReportingOverflow(by: max(size, 1))
    guard !overflow, !overflow2, max(bytes, maps) <= Int.max / 32 else {
      throw .argument(
        "planes", expected: "sizes whose bytes can be counted", got: Words("", .extents(images, maps, size)))
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
  /// nil for statistics that are given.
  var sharing: MomentSharing? = .instance
  var grain = ParameterValues.Grain.map
  private var mostThreads = 0

  init(checking pointer: UnsafePointer<instnorm_options>?, for planes: Planes) throws(CallError) {
    guard let options = try pointer?.load("options") else { return }
    guard options.epsilon >= 0, options.epsilon.isFinite else {
      throw .argument(
        "options->epsilon", expected: "a finite number, 0 or more", got: Words("", .real(options.epsilon)))
    }
    epsilon = options.epsilon
    switch options.activation {
    case INSTNORM_NO_ACTIVATION: activation = .none
    case INSTNORM_RELU: activation = .relu
    case INSTNORM_LEAKY_RELU:
      guard options.negative_slope.isFinite else {
        throw .argument(
          "options->negative_slope", expected: "a finite number", got: Words("", .real(options.negative_slope)))
      }
      activation = .leakyReLU(slope: options.negative_slope)
    default: throw unknown("options->activation", "instnorm_activation", options.activation.rawValue)
    }
    switch options.residual_place {
    case INSTNORM_AFTER_ACTIVATION: place = .afterActivation
    case INSTNORM_BEFORE_ACTIVATION: place = .beforeActivation
    default: throw unknown("options->residual_place", "instnorm_residual_place", options.residual_place.rawValue)
    }
    guard (0...Int32(ThreadedWork.mostThreads)).contains(options.threads) else {
      throw .argument(
        "options->threads", expected: Words("0 to ", .integer(ThreadedWork.mostThreads)),
        got: Words("", .integer(Int(options.threads))))
    }
    mostThreads = Int(options.threads)
    switch options.sharing {
    case INSTNORM_INSTANCE: sharing = .instance
    case INSTNORM_LAYER: sharing = .layer
    case INSTNORM_GROUP: sharing = .group(try Self.groups(options.groups, of: planes))
    case INSTNORM_BATCH: sharing = .batch
    case INSTNORM_GIVEN: sharing = nil
    default: throw unknown("options->sharing", "instnorm_sharing", options.sharing.rawValue)
    }
    switch options.grain {
    case INSTNORM_BY_MAP: grain = .map
    case INSTNORM_BY_PLANE: grain = .plane
    case INSTNORM_BY_ELEMENT: grain = .element
    default: throw unknown("options->grain", "instnorm_grain", options.grain.rawValue)
    }
  }

  private static func groups(_ number: Int64, of planes: Planes) throws(CallError) -> Int {
    guard number > 0, let groups = Int(exactly: number), planes.maps % groups == 0 else {
      throw .argument(
        "options->groups", expected: Words("a divisor of ", .integer(planes.maps), " maps"),
        got: Words("", .integer(Int(clamping: number))))
    }
    return groups
  }

  /// How many threads a call may use.
  var threads: Int { mostThreads == 0 ? CPUBackend.shared.threads : mostThreads }
}

/// A pointer that a caller gave, known to be there and aligned, and how far it reaches.
struct Argument {
  let name: StaticString
  /// Nil where none was given, or where there are no values to point to.
  let base: UnsafeMutableRawPointer?
  private let byteCount: Int
  private let isDouble: Bool

  @inline(__always)
  private init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, count: Int, valueSize: Int, isOptional: Bool
  ) throws(CallError) {
    self.name = name
    byteCount = count * valueSize
    isDouble = valueSize == 8
    base = UnsafeMutableRawPointer(mutating: pointer)
    let address = UInt(bitPattern: pointer)
    if address == 0, !isOptional, count > 0 { throw Self.missing(name) }
    // Sizes of values are powers of two.
    if address & UInt(valueSize - 1) != 0 { throw misaligned(name, address, valueSize) }
    if address.addingReportingOverflow(UInt(byteCount)).overflow { throw Self.short(name, address, byteCount) }
  }

  /// Shaped and typed as x.
  @inline(__always)
  init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, data planes: Planes, isOptional: Bool = false
  ) throws(CallError) {
    try self.init(
      name, pointer, count: planes.valueCount, valueSize: planes.dtype.byteCount, isOptional: isOptional)
  }

  /// Of parameters, which have values for what the grain says.
  @inline(__always)
  init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, parameters planes: Planes, _ grain: ParameterValues.Grain
  ) throws(CallError) {
    let count =
      switch grain {
      case .map: planes.maps
      case .plane: planes.count
      case .element: planes.maps * planes.size
      }
    try self.init(name, pointer, count: count, valueSize: planes.dtype.parameterDType.byteCount, isOptional: true)
  }

  /// A float64 for each plane.
  @inline(__always)
  init(
    _ name: StaticString, _ pointer: UnsafeRawPointer?, statistics planes: Planes, isOptional: Bool = false
  ) throws(CallError) {
    try self.init(name, pointer, count: planes.count, valueSize: 8, isOptional: isOptional)
  }

  /// Where there are no values, some address that nothing is read from.
  var address: UnsafeMutableRawPointer { base ?? instnorm_nowhere() }

  func values(_ grain: ParameterValues.Grain, absent: Double) -> ParameterValues {
    ParameterValues(base, isDouble: isDouble, grain: grain, absent: absent)
  }

  /// That an output is an input's own memory or apart from it.
  @inline(__always) @discardableResult
  func mayBe(_ input: Argument) throws(CallError) -> Argument {
    if base == input.base, byteCount == input.byteCount { return self }
    return try spares(input)
  }

  /// That an output is apart from an input or another output. One at a time, as a list of them would take memory.
  @inline(__always) @discardableResult
  func spares(_ other: Argument) throws(CallError) -> Argument {
    guard byteCount > 0, other.byteCount > 0 else { return self }
    // No end is past the last address.
    let (start, otherStart) = (UInt(bitPattern: base), UInt(bitPattern: other.base))
    let (end, otherEnd) = (start &+ UInt(bitPattern: byteCount), otherStart &+ UInt(bitPattern: other.byteCount))
    if start < otherEnd, otherStart < end, start != 0, otherStart != 0 { throw Self.overlap(name, other.name) }
    return self
  }

  // MARK: What can be wrong

  // Apart from the code that finds it out, which every call goes through.

  private static func missing(_ name: StaticString) -> CallError {
    .argument(name, expected: "a pointer", got: "NULL")
  }

  private static func short(_ name: StaticString, _ address: UInt, _ byteCount: Int) -> CallError {
    .argument(
      name, expected: Words("", .integer(byteCount), " bytes of memory"),
      got: Words("", .address(address), ", which has fewer behind it"))
  }

  private static func overlap(_ name: StaticString, _ other: StaticString) -> CallError {
    .argument(name, expected: Words("memory apart from ", .name(other), "'s"), got: "memory that overlaps it")
  }
}
