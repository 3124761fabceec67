import Calls
import Tensors

/// f(a, b), value by value, where an operand that has fewer values than the other is repeated.
struct Binary: Operation {
  let function: BinaryFunction
  var first: Tensor
  var second: Tensor

  init(_ function: BinaryFunction, _ first: Tensor, _ second: Tensor) {
    self.function = function
    self.first = first
    self.second = second
  }

  func form() throws -> TensorForm {
    guard first.dtype == second.dtype else {
      throw TensorError.dtypeMismatch(operation: function.gerund, expected: first.dtype, got: second.dtype)
    }
    if first.shape == second.shape { return TensorForm(like: first) }
    let shape = try Shape(broadcasting: first.shape, second.shape, function.gerund)
    // That of the operand that has all the axes; of two, the first one's.
    let layout = first.shape.rank >= second.shape.rank ? first.layout : second.layout
    return TensorForm(shape, first.dtype, layout)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&first)
    try body(&second)
  }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    let call: BinaryCall
    if first.shape == second.shape, first.layout == second.layout {
      call = BinaryCall(
        function, extents: [result.count], first: View(first.storage.address, first.dtype, strides: [1]),
        second: View(second.storage.address, second.dtype, strides: [1]),
        output: View(result.storage.address, result.dtype, strides: [1]))
    } else {
      let joined = try Strided(
        result.shape, order: result.layout,
        [first.broadcastStrides(to: result.shape), second.broadcastStrides(to: result.shape), result.strides])
      call = BinaryCall(
        function, extents: joined.extents, first: View(first.storage.address, first.dtype, strides: joined.strides[0]),
        second: View(second.storage.address, second.dtype, strides: joined.strides[1]),
        output: View(result.storage.address, result.dtype, strides: joined.strides[2]))
    }
    try withExtendedLifetime((first, second, result)) { try call.run(on: result.storage.backend) }
  }

  var pullbackReads: PullbackReads {
    switch function {
    case .add, .subtract: []
    case .multiply: .operands
    default: [.operands, .result]
    }
  }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    let (a, b) = (first, second)
    switch function {
    case .add:
      try sums.add(gradient.summed(like: a), to: a)
      try sums.add(gradient.summed(like: b), to: b)
    case .subtract:
      try sums.add(gradient.summed(like: a), to: a)
      try sums.add(-gradient.summed(like: b), to: b)
    case .multiply:
      try sums.add((gradient * b).summed(like: a), to: a)
      try sums.add((gradient * a).summed(like: b), to: b)
    case .divide:
      try sums.add((gradient / b).summed(like: a), to: a)
      try sums.add((-(gradient * result / b)).summed(like: b), to: b)
    case .maximum, .minimum:
      // Where both are the same it is the second one's.
      guard sums.needs(a) || sums.needs(b) else { return }
      let firsts = try Binary(
        .gate(slope: 0), gradient, function == .maximum ? (a - b).stopGradient() : (b - a).stopGradient()
      ).result()
      try sums.add(firsts.summed(like: a), to: a)
      try sums.add((gradient - firsts).summed(like: b), to: b)
    case .gate:
      try sums.add(Binary(function, gradient, b).result().summed(like: a), to: a)
    }
  }
}

extension BinaryFunction {
  /// What errors call it.
  fileprivate var gerund: String {
    switch self {
    case .add: "adding"
    case .subtract: "subtracting"
    case .multiply: "multiplying"
    case .divide: "dividing"
    case .maximum, .minimum: "comparing"
    case .gate: "masking"
    }
  }
}

extension Tensor {
  /// The sum of two tensors of one dtype and device, in the layout of the one with more axes. One extent that is 1 is
  /// repeated to the other's. A tensor of fewer axes stands for
  ///
  /// - `()`: one value for all,
  /// - `(C)`: a value for each map of (N, C, spatial...),
  /// - `(N, C)`: a value for each plane of (N, C, spatial...),
  /// - one axis less than the other, from rank 3 on: the same for each picture of a batch.
  ///
  /// - Throws: `TensorError.shapeMismatch(operation:expected:got:)`,
  ///   `TensorError.dtypeMismatch(operation:expected:got:)` or `DeviceError.mismatch(operation:expected:got:)`.
  public static func + (first: Tensor, second: Tensor) throws -> Tensor { try Binary(.add, first, second).result() }

  /// The difference of two tensors, as `+`.
  public static func - (first: Tensor, second: Tensor) throws -> Tensor {
    try Binary(.subtract, first, second).result()
  }

  /// The products value by value of two tensors, as `+`.
  public static func * (first: Tensor, second: Tensor) throws -> Tensor {
    try Binary(.multiply, first, second).result()
  }

  /// The quotients value by value of two tensors, as `+`.
  public static func / (first: Tensor, second: Tensor) throws -> Tensor {
    try Binary(.divide, first, second).result()
  }

  /// The greater values, as `+`; NaN where either is. Where both are the same, the gradient is the other one's.
  public func maximum(_ other: Tensor) throws -> Tensor { try Binary(.maximum, self, other).result() }

  /// The lesser values, likewise.
  public func minimum(_ other: Tensor) throws -> Tensor { try Binary(.minimum, self, other).result() }
}
