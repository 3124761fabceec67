import InstanceNorm
import TestSupport
import Testing

/// Functions of one value, their slopes and the slopes of these, against PyTorch's in float64.
@Suite struct PointwiseGoldenTests {
  let file: GoldenFile

  init() throws { file = try GoldenFile("operations") }

  static let functions: [String: @Sendable (Tensor) throws -> Tensor] = [
    "relu": { try $0.relu() },
    "leaky_relu": { try $0.leakyReLU(slope: 0.2) },
    "tanh": { try $0.tanh() },
    "sigmoid": { try $0.sigmoid() },
    "exp": { try $0.exp() },
    "log": { try $0.log() },
    "square_root": { try $0.squareRoot() },
    "absolute": { try $0.absolute() },
    "square": { try $0.square() },
    "clamped": { try $0.clamped(to: -0.5...2) },
    "softplus": { try $0.softplus() },
    "gelu": { try $0.gelu() },
    "silu": { try $0.silu() },
    "negate": { try -$0 },
    "reciprocal": { try 1 / $0 },
    "affine": { try 1.75 * $0 - 0.25 },
  ]

  /// Held to a share of the result: the others, which add or multiply what cancels, to a share of the argument, or of
  /// 1 if that is less.
  static let relative: Set = [
    "relu", "leaky_relu", "tanh", "sigmoid", "exp", "log", "square_root", "absolute", "square", "clamped", "negate",
    "reciprocal",
  ]

  /// Zeros, kinks, infinities, NaN, and numbers as small and as large as the type has.
  @Test(arguments: functions.keys.sorted(), [DType.float64, .float32])
  func `values and slopes are PyTorch's at the ends of the type too`(name: String, dtype: DType) throws {
    let function = try #require(Self.functions[name])
    let isDouble = dtype == .float64
    let type = isDouble ? "float64" : "float32"
    let (x, dy) = (try file["pointwise.\(type).x"], try file["pointwise.\(type).dy"])
    #expect(x.dtype == dtype)
    let (arguments, incoming) = (try x.doubles, try dy.doubles)
    let values = try function(x).doubles
    let slopes = try gradients(of: (dy * function(x)).sum(), by: x).doubles
    let expectedValues = try file["\(name).\(type).y"].doubles
    let expectedSlopes = try file["\(name).\(type).dx"].doubles
    try #require(values.count == arguments.count && slopes.count == arguments.count)

    func isNear(_ got: Double, _ exact: Double, floor: Double) -> Bool {
      let expected = isDouble ? exact : Double(Float(exact))
      guard expected.isFinite else { return expected.isNaN ? got.isNaN : got == expected }
      // What lies below the type's normal numbers may become 0.
      let subnormal = isDouble ? Double.leastNormalMagnitude : Double(Float.leastNormalMagnitude)
      return abs(got - expected) <= (isDouble ? 1e-13 : 1e-6) * max(abs(expected), floor) + 2 * subnormal
    }

    for (index, argument) in arguments.enumerated() {
      let (y, dx) = (expectedValues[index], expectedSlopes[index])
      // There PyTorch multiplies infinity by 0.
      let isUndefined = argument.isInfinite && (name == "gelu" || name == "silu")
      if !(isUndefined && y.isNaN) {
        let floor = Self.relative.contains(name) ? 0 : min(1, abs(argument))
        #expect(isNear(values[index], y, floor: floor), "\(name)(\(argument)) = \(values[index]), not \(y)")
      }
      // Where the function is not defined, no slope is promised.
      if !y.isNaN && !(isUndefined && dx.isNaN) {
        let near = isNear(slopes[index], dx, floor: incoming[index])
        #expect(near, "\(name)'s slope at \(argument): \(slopes[index]), not \(dx)")
      }
    }
  }

  @Test(arguments: functions.keys.sorted())
  func `slopes have PyTorch's slopes`(name: String) throws {
    let function = try #require(Self.functions[name])
    for dtype in [DType.float64, .float32] {
      let tolerance = dtype == .float64 ? 1e-12 : 1e-5
      let x = try file["\(name).second_order.x"].to(dtype)
      let (dy, v) = (try file["second_order.dy"].to(dtype), try file["second_order.v"].to(dtype))
      func slopes() throws -> Tensor { try gradients(of: (dy * function(x)).sum(), by: x) }
      try file.expect(slopes(), is: "\(name).second_order.dx", within: tolerance)
      let second = try gradients(of: (v * slopes()).sum(), by: [x, dy])
      try file.expect(second[0], is: "\(name).second_order.dxdx", within: tolerance)
      try file.expect(second[1], is: "\(name).second_order.dxddy", within: tolerance)
    }
  }
}
