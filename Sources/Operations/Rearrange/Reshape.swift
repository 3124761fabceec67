import Tensors

/// The same memory under another shape.
private struct Reshape: Operation {
  var input: Tensor
  let shape: Shape
  let layout: Layout

  func form() -> TensorForm { TensorForm(shape, input.dtype, layout) }
  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }
  func alias() -> Tensor? { input.reinterpreted(as: shape, layout: layout) }
  mutating func run(into result: inout Tensor) {}
  var pullbackReads: PullbackReads { [] }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(Reshape(input: gradient, shape: input.shape, layout: input.layout).result(), to: input)
  }
}

extension Tensor {
  /// The same memory read another way, which has as many values.
  package func reinterpreting(as shape: Shape, layout: Layout) throws -> Tensor {
    try Reshape(input: self, shape: shape, layout: layout).result()
  }

  /// The same values, row by row, under another shape, in the same memory. One extent may be -1 and is worked out from
  /// the rest.
  ///
  /// With the maps last, only the spatial axes can be taken together or apart: (N, C, H, W) as (N, C, H W) and back. For
  /// any other shape the values would have to move: `x.to(.nchw).reshaped(to: shape)`.
  ///
  /// - Throws: `TensorError.shapeMismatch(operation:expected:got:)` when the number of values is another,
  ///   `TensorError.layoutMismatch(operation:expected:got:)` when values would have to move.
  public func reshaped(to shape: Shape) throws -> Tensor {
    var shape = shape
    if let free = shape.firstIndex(of: -1) {
      var rest = shape
      rest.dimensions[free] = 1
      let others = try rest.elementCount()
      guard others > 0, count % others == 0 else {
        throw TensorError.shapeMismatch(operation: "reshaping", expected: self.shape, got: shape)
      }
      shape.dimensions[free] = count / others
    }
    guard try shape.elementCount() == count else {
      throw TensorError.shapeMismatch(operation: "reshaping", expected: self.shape, got: shape)
    }
    if shape == self.shape { return self }
    if layout == .nhwc {
      let keepsMaps = layout.allows(rank: shape.rank) && shape[0] == self.shape[0] && shape[1] == self.shape[1]
      // Of one map, or of one place, both orders are the same.
      let isEither = self.shape[1] == 1 || count == self.shape[0] * self.shape[1]
      guard keepsMaps || isEither else {
        throw TensorError.layoutMismatch(
          operation: "reshaping \(self.shape) to \(shape)", expected: .nchw, got: layout)
      }
      return try reinterpreting(as: shape, layout: keepsMaps ? .nhwc : .nchw)
    }
    return try reinterpreting(as: shape, layout: .nchw)
  }

  /// The axes from one on taken together: (N, C, H, W) from 2 on is (N, C, H W).
  ///
  /// - Throws: as ``reshaped(to:)``.
  public func flattened(from axis: Int = 0) throws -> Tensor {
    guard (0..<Swift.max(shape.rank, 1)).contains(axis) else {
      throw TensorError.argument(name: "axis", expected: "0 to \(shape.rank - 1)", got: "\(axis)")
    }
    return try reshaped(to: Shape(shape.prefix(axis) + [try Shape(shape.suffix(from: axis)).elementCount()]))
  }
}
