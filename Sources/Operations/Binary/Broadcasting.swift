import Calls
import Tensors

extension Shape {
  /// The axes of a result of `rank` axes that those of a shape of fewer are: see ``Tensor/+(_:_:)``.
  private func axes(in rank: Int) -> Range<Int>? {
    switch (self.rank, rank) {
    case (0, _): 0..<0
    case (rank, _): 0..<rank
    case (1, 2...): 1..<2
    case (2, 3...): 0..<2
    case (rank - 1, 4...): 1..<rank
    default: nil
    }
  }

  /// The shape as one of `rank` axes, with extents of 1 where it has none; nil where it does not stand for one.
  func expanded(to rank: Int) -> Shape? {
    guard let axes = axes(in: rank) else { return nil }
    var result = Array(repeating: 1, count: rank)
    result.replaceSubrange(axes, with: dimensions)
    return Shape(result)
  }

  /// The shape that two operands are repeated to.
  init(broadcasting first: Shape, _ second: Shape, _ operation: @autoclosure () -> String) throws {
    let rank = Swift.max(first.rank, second.rank)
    guard let a = first.expanded(to: rank), let b = second.expanded(to: rank) else {
      throw TensorError.shapeMismatch(operation: operation(), expected: first, got: second)
    }
    self.init(
      try zip(a, b).map { a, b in
        guard a == b || a == 1 || b == 1 else {
          throw TensorError.shapeMismatch(operation: operation(), expected: first, got: second)
        }
        return a == 1 ? b : a
      })
  }
}

extension Tensor {
  /// For each axis how far apart neighbours are, in values.
  var strides: [Int] { layout.strides(of: shape) }

  /// The strides of the tensor repeated to a shape, 0 where it is repeated.
  func broadcastStrides(to target: Shape) -> [Int] {
    guard let expanded = shape.expanded(to: target.rank) else { return [] }
    let own = layout.strides(of: shape)
    // The axes that it has are those of its extents in order; the others have 1.
    let offset = shape.rank == target.rank || shape.rank == 0 ? 0 : shape.rank == 2 && target.rank >= 3 ? 0 : 1
    return expanded.indices.map { axis in
      let index = axis - offset
      guard own.indices.contains(index), expanded[axis] != 1 else { return 0 }
      return own[index]
    }
  }

  /// The values repeated to a shape of which they are a part, as arithmetic with a tensor of that shape would.
  ///
  /// - Throws: `TensorError.shapeMismatch(operation:expected:got:)` when they are not.
  public func broadcast(to target: Shape) throws -> Tensor {
    if shape == target { return self }
    guard try Shape(broadcasting: shape, target, "repeating") == target else {
      throw TensorError.shapeMismatch(operation: "repeating", expected: target, got: shape)
    }
    return try Broadcast(input: self, shape: target).result()
  }

  /// A gradient by repeated values summed over where they were repeated, in their form.
  func summed(like tensor: Tensor) throws -> Tensor {
    if shape == tensor.shape { return self }
    guard let expanded = tensor.shape.expanded(to: shape.rank) else { return self }
    let axes = shape.indices.filter { expanded[$0] == 1 && shape[$0] != 1 }
    let sum = axes.isEmpty ? self : try sum(over: axes, keepingAxes: true)
    if sum.shape == tensor.shape { return sum }
    return try sum.to(.nchw).reshaped(to: tensor.shape).to(tensor.layout)
  }
}

/// Values repeated to a larger shape.
struct Broadcast: Operation {
  var input: Tensor
  let shape: Shape

  func form() -> TensorForm {
    TensorForm(shape, input.dtype, input.layout.allows(rank: shape.rank) ? input.layout : .nchw)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    let joined = try Strided(shape, order: result.layout, [input.broadcastStrides(to: shape), result.strides])
    try withExtendedLifetime((input, result)) {
      try RearrangeCall(
        extents: joined.extents, input: View(input.storage.address, input.dtype, strides: joined.strides[0]),
        output: View(result.storage.address, result.dtype, strides: joined.strides[1])
      ).run(on: result.storage.backend)
    }
  }

  var pullbackReads: PullbackReads { [] }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    try sums.add(gradient.summed(like: input), to: input)
  }
}
