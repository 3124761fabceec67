import CGPUKernels
import Calls
import Tensors

/// How planes are cut into tiles, each of which is a block of threads' work.
///
/// How many threads share a plane, and where it is cut into pieces, depends on the number of its values, the type, the
/// layout and the device alone. So a plane's result has the same bits whatever stands beside it.
package struct Tiling {
  /// Planes of a tile, threads that share a plane, places of a piece, pieces of a plane.
  var width: Int
  var team: Int
  var length: Int
  var pieces: Int
  /// Threads of a block.
  package var threads: Int
  /// Bytes of shared memory that the kernel takes.
  package var sharedBytes: Int

  /// How many blocks some planes are.
  func blocks(_ planes: Planes, planeCount: Int) -> Int {
    switch planes.layout {
    case .nchw: (planeCount + width - 1) / width * pieces
    case .nhwc: planeCount / planes.maps * ((planes.maps + width - 1) / width) * pieces
    }
  }

  /// Values that a thread adds up, about: several sums of 16, once there are threads enough.
  private static func team(_ length: Int, limit: Int) -> Int {
    let wanted = length <= 4096 ? (length + 15) / 16 : (length + 31) / 32
    var team = 1
    while team < wanted && team * 2 <= limit { team *= 2 }
    return team
  }

  /// Planes that alternate in memory and are read together: 64 bytes of float32.
  private static let alternating = 16

  /// What a device's blocks usually have.
  private static let usualThreads = 256

  private init(width: Int, team: Int, length: Int, pieces: Int) {
    self.width = width
    self.team = team
    self.length = length
    self.pieces = pieces
    // Few different numbers, since OpenCL on processors compiles the kernels for each.
    threads = 64
    while threads < width * team { threads *= 2 }
    sharedBytes = 0
  }

  /// Tiles of whole planes, `copies` tensors of which are kept in shared memory; nil where a plane is too large.
  package static func whole(_ planes: Planes, copies: Int, on device: GPUProperties) -> Tiling? {
    guard planes.size < 1 << 24 else { return nil }
    var tiling: Tiling
    switch planes.layout {
    case .nchw:
      let team = team(planes.size, limit: device.threadLimit)
      // Several planes to a block, but blocks for all of the device.
      let width = min(usualThreads / team, planes.count / (4 * max(device.processors, 1)))
      tiling = Tiling(width: max(1, width), team: team, length: planes.size, pieces: 1)
      tiling.narrow(planes, copies: copies, on: device)
    case .nhwc:
      tiling = Tiling(
        width: min(alternating, planes.maps), team: team(planes.size, limit: usualThreads / alternating),
        length: planes.size, pieces: 1)
    }
    tiling.sharedBytes = tiling.bytes(planes, copies: copies)
    return tiling.sharedBytes <= device.sharedLimit ? tiling : nil
  }

  /// Makes the tile narrower until a block has room for it, down to one plane: the statistics of many small planes take
  /// more room than their values. Several blocks should fit into what a processor has.
  private mutating func narrow(_ planes: Planes, copies: Int, on device: GPUProperties) {
    while width > 1, bytes(planes, copies: copies) > min(device.sharedLimit, 32 << 10) {
      self = Tiling(width: (width + 1) / 2, team: team, length: length, pieces: pieces)
    }
  }

  /// Tiles for one step of several: pieces of at most so many bytes, `copies` tensors of which are in shared memory.
  package static func pieces(_ planes: Planes, copies: Int, on device: GPUProperties) -> Tiling {
    // What the least device has room for.
    let values = (16 << 10) / copies / planes.dtype.byteCount
    var tiling: Tiling
    switch planes.layout {
    case .nchw:
      let length = min(planes.size, values)
      let team = team(length, limit: min(usualThreads, device.threadLimit))
      let width = length < planes.size ? 1 : max(1, min(usualThreads / team, values / max(length, 1)))
      tiling = Tiling(
        width: width, team: team, length: length, pieces: (planes.size + length - 1) / max(length, 1))
      tiling.narrow(planes, copies: copies, on: device)
    case .nhwc:
      let length = min(planes.size, values / alternating)
      tiling = Tiling(
        width: min(alternating, planes.maps), team: team(length, limit: usualThreads / alternating), length: length,
        pieces: (planes.size + length - 1) / max(length, 1))
    }
    tiling.sharedBytes = tiling.bytes(planes, copies: copies)
    return tiling
  }

  /// Tiles to go over by what is known of each plane, which alone is in shared memory.
  package static func known(_ planes: Planes) -> Tiling {
    let (values, limit) = (16384, 128)
    var tiling: Tiling
    switch planes.layout {
    case .nchw:
      let length = min(planes.size, values)
      let width = length < planes.size ? 1 : max(1, min(limit, values / max(length, 1)))
      tiling = Tiling(width: width, team: 1, length: length, pieces: (planes.size + length - 1) / max(length, 1))
    case .nhwc:
      let width = min(planes.maps, limit)
      let length = min(planes.size, max(1, values / width))
      tiling = Tiling(width: width, team: 1, length: length, pieces: (planes.size + length - 1) / max(length, 1))
    }
    tiling.threads = usualThreads
    tiling.sharedBytes = tiling.width * Int(PLANE_BYTES)
    return tiling
  }

  /// Bytes of shared memory for threads' sums, planes' numbers and copies.
  private func bytes(_ planes: Planes, copies: Int) -> Int {
    let lanes = Int(VECTOR_BYTES) / planes.dtype.byteCount
    let vectors: Int
    switch planes.layout {
    case .nchw: vectors = (width * length + 2 * lanes - 2) / lanes
    case .nhwc where width == planes.maps: vectors = (width * length + 2 * lanes - 2) / lanes
    case .nhwc:
      let reach = planes.maps % lanes == 0 && width % lanes == 0 ? 0 : lanes - 1
      vectors = length * ((reach + width + lanes - 1) / lanes)
    }
    return threads * Int(SUM_BYTES) + width * Int(PLANE_BYTES) + copies * vectors * Int(VECTOR_BYTES)
  }
}

extension NormKernelCall {
  /// Planes cut into tiles; all of them, each alone, until something else is said.
  init(_ planes: Planes, _ tiling: Tiling) {
    self.init()
    images = planes.images
    maps = planes.maps
    size = planes.size
    mapsLast = planes.layout == .nhwc ? 1 : 0
    planeCount = planes.count
    setCount = planes.count
    setWidth = 1
    setStep = 1
    spread = 1
    isOwn = 1
    writesOutput = 1
    cut(tiling)
  }

  /// Cuts the same planes another way.
  mutating func cut(_ tiling: Tiling) {
    width = Int32(tiling.width)
    team = Int32(tiling.team)
    length = Int32(tiling.length)
    pieces = tiling.pieces
  }

  init(_ call: NormCall, _ tiling: Tiling) {
    self.init(call.planes, tiling)
    epsilon = bits(call.epsilon)
    set(call.scale, call.bias, call.activation, residual: call.residual != nil, call.place)
  }

  init(_ call: NormGradientCall, _ tiling: Tiling) {
    self.init(call.planes, tiling)
    isOwn = call.sharing == nil ? 0 : 1
    writesOutput = call.inputGradient == nil ? 0 : 1
    writesResidual = call.residualGradient == nil ? 0 : 1
    set(call.scale, call.bias, call.activation, residual: call.residual != nil, call.place)
  }

  private mutating func set(
    _ scale: ParameterValues, _ bias: ParameterValues, _ activation: Activation, residual: Bool, _ place: ResidualPlace
  ) {
    func grain(_ values: ParameterValues) -> Int32 {
      guard values.base != nil else { return Int32(GRAIN_NONE) }
      switch values.grain {
      case .map: return Int32(GRAIN_MAP)
      case .plane: return Int32(GRAIN_PLANE)
      case .element: return Int32(GRAIN_ELEMENT)
      }
    }
    scaleGrain = grain(scale)
    biasGrain = grain(bias)
    isRectified = activation == .none ? 0 : 1
    slope = bits(activation.negativeSlope)
    hasResidual = residual ? 1 : 0
    residualFirst = place == .beforeActivation ? 1 : 0
  }
}
