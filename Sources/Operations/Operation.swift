import Tensors

/// A computation as a value: its operands, the form of its result, how it runs, and its gradient.
///
/// Whatever makes tensors of tensors is one of these, the library's own methods and modules included. One of your own
/// takes part in gradients, of any order, and in plans:
///
///     struct Cube: Operation {
///       var input: Tensor
///
///       func form() -> TensorForm { TensorForm(like: input) }
///       mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
///       mutating func run(into result: inout Tensor) throws { result = try input * input * input }
///       func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
///         try sums.add(3 * gradient * input.square(), to: input)
///       }
///     }
///
///     let y = try Cube(input: x).result()
public protocol Operation: Sendable {
  /// What the result will be.
  ///
  /// - Throws: what is wrong with the operands: nothing after this checks them.
  func form() throws -> TensorForm

  /// Calls `body` with each operand, which it may replace by another of the same form.
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows

  /// A result that is an operand's own memory under another shape; nil where there has to be memory for one.
  func alias() throws -> Tensor?

  /// Computes the result, whose memory nobody else has. May keep in `self` what the gradient will need.
  mutating func run(into result: inout Tensor) throws

  /// Adds the gradients by the operands to `sums`, written in operations, so that they have gradients too.
  ///
  /// - Parameters:
  ///   - gradient: of what is differentiated by the result; of the result's form.
  ///   - result: what ``run(into:)`` gave.
  ///   - sums: what has come to the operands so far, which knows those that are wanted.
  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws

  /// Whose values ``pullback(_:of:into:)`` reads. What it does not read is let go of: forms and devices stay known.
  var pullbackReads: PullbackReads { get }
}

/// Values that a gradient is computed with.
public struct PullbackReads: OptionSet, Sendable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  public static let operands = PullbackReads(rawValue: 1)
  public static let result = PullbackReads(rawValue: 2)
}

extension Operation {
  public var pullbackReads: PullbackReads { [.operands, .result] }

  public func alias() -> Tensor? { nil }

  /// Runs the operation, on the device of its operands. Where a gradient is being recorded that it takes part in, the
  /// result knows what made it.
  ///
  /// - Throws: what is wrong with the operands; `DeviceError.mismatch` where they are on several devices.
  public func result() throws -> Tensor {
    var operation = self
    return try operation.compute()
  }

  /// The same, and keeps in `self` what it keeps.
  package mutating func compute() throws -> Tensor {
    guard let recording = Recording.current else { return try evaluate().result }
    guard let tracer = recording.tracer else {
      var result = try evaluate().result
      recording.record(&self, &result)
      return result
    }
    // To a plan an operation is one step, whatever it runs inside.
    let operation = self
    var (result, isAlias) = try Recording.pause { try tracer.evaluate(&self) }
    try tracer.add(operation, &result, isAlias: isAlias)
    recording.record(&self, &result)
    return result
  }

  /// Runs the operation, and nothing else.
  mutating func evaluate() throws -> (result: Tensor, isAlias: Bool) {
    let form = try form()
    if let alias = try alias() { return (alias.withoutOrigin, true) }
    var result = try Tensor(uninitialized: form, on: device())
    try run(into: &result)
    return (result.withoutOrigin, false)
  }

  /// The operands' device, which is one.
  mutating func device() throws -> Device {
    var first: Tensor?
    var other: Tensor?
    forEachOperand { operand in
      if let first {
        if !first.isBeside(operand) { other = operand }
      } else {
        first = operand
      }
    }
    guard let first else { return .cpu }
    if let other {
      throw DeviceError.mismatch(operation: "\(Self.self)", expected: first.device, got: other.device)
    }
    return first.device
  }
}

/// What a tensor is, but for its values and its device.
public struct TensorForm: Equatable, Sendable {
  public var shape: Shape
  public var dtype: DType
  public var layout: Layout

  public init(_ shape: Shape, _ dtype: DType, _ layout: Layout = .nchw) {
    self.shape = shape
    self.dtype = dtype
    self.layout = layout
  }

  public init(like tensor: Tensor) {
    self.init(tensor.shape, tensor.dtype, tensor.layout)
  }
}

extension Tensor {
  /// A tensor of some form whose values have yet to be written.
  public init(uninitialized form: TensorForm, on device: Device) throws {
    try self.init(uninitialized: form.shape, dtype: form.dtype, layout: form.layout, on: device)
  }
}
