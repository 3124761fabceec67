import Calls
import Tensors

extension Tensor {
  /// The axes in another order: axis `axes[i]` of this tensor is axis i of the result. The layout is kept.
  ///
  /// - Throws: `TensorError.argument(name:expected:got:)` unless each axis is there once.
  public func permuted(to axes: [Int]) throws -> Tensor {
    let order = try axes.map { try checked(axis: $0) }
    guard order.count == shape.rank, Set(order).count == order.count else {
      throw TensorError.argument(name: "axes", expected: "each of \(shape.rank) axes once", got: "\(axes)")
    }
    if order == Array(shape.indices) { return self }
    return try Rearrange(self, axes: order).result()
  }

  /// The last two axes in the other order, rows as columns.
  ///
  /// - Throws: `TensorError.invalidShape(_:reason:)` for fewer than two.
  public func transposed() throws -> Tensor {
    guard shape.rank >= 2 else { throw TensorError.invalidShape(shape, reason: "a matrix has two axes") }
    return try permuted(to: Array(0..<shape.rank - 2) + [shape.rank - 1, shape.rank - 2])
  }

  /// Some places along an axis.
  ///
  ///     let colours = try picture.sliced(along: 1, 0..<3)
  ///
  /// - Throws: `TensorError.argument(name:expected:got:)` when there is no such axis, or the range is not within it.
  public func sliced(along axis: Int, _ range: Range<Int>) throws -> Tensor {
    let axis = try checked(axis: axis)
    guard range.lowerBound >= 0, range.upperBound <= shape[axis] else {
      throw TensorError.argument(
        name: "range", expected: "within 0..<\(shape[axis]), axis \(axis) of shape \(shape)", got: "\(range)")
    }
    if range == 0..<shape[axis] { return self }
    return try Rearrange(self, maps: [axis: AxisMap(Array(range), inputExtent: shape[axis])]).result()
  }

  /// The pieces of an axis, one after another.
  ///
  /// - Parameters:
  ///   - axis: counted from the end where negative.
  ///   - lengths: of the pieces, which make up the axis.
  /// - Throws: `TensorError.argument(name:expected:got:)` when they do not.
  public func split(along axis: Int, into lengths: [Int]) throws -> [Tensor] {
    let axis = try checked(axis: axis)
    guard lengths.allSatisfy({ $0 >= 0 }), lengths.reduce(0, +) == shape[axis] else {
      throw TensorError.argument(
        name: "lengths", expected: "lengths that add up to \(shape[axis]), axis \(axis) of shape \(shape)",
        got: "\(lengths)")
    }
    var start = 0
    return try lengths.map { length in
      defer { start += length }
      return try sliced(along: axis, start..<start + length)
    }
  }

  /// The places along an axis in the opposite order.
  public func reversed(along axis: Int) throws -> Tensor {
    let axis = try checked(axis: axis)
    return try Rearrange(
      self, maps: [axis: AxisMap(Array((0..<shape[axis]).reversed()), inputExtent: shape[axis])]
    ).result()
  }

  /// Pictures without their edges.
  ///
  /// - Parameters:
  ///   - rows: those that stay.
  ///   - columns: likewise.
  /// - Throws: `TensorError` when the rank is not 3 or more or a range not within its axis.
  public func cropped(rows: Range<Int>, columns: Range<Int>) throws -> Tensor {
    try requirePictures()
    return try sliced(along: -2, rows).sliced(along: -1, columns)
  }

  func requirePictures() throws {
    guard shape.rank >= 3 else {
      throw TensorError.invalidShape(shape, reason: "pictures are (N, C, H, W) or (C, H, W)")
    }
  }

  /// Tensors one after another along an axis, in the first one's layout.
  ///
  /// - Throws: `TensorError` when there are none, or they differ in more than that axis.
  public static func concatenated(_ tensors: [Tensor], along axis: Int) throws -> Tensor {
    guard let first = tensors.first else {
      throw TensorError.argument(name: "tensors", expected: "one or more", got: "none")
    }
    if tensors.count == 1 { return first }
    return try Concatenation(tensors: tensors, axis: first.checked(axis: axis)).result()
  }
}

struct Concatenation: Operation {
  var tensors: [Tensor]
  let axis: Int

  func form() throws -> TensorForm {
    let first = tensors[0]
    var shape = first.shape
    for tensor in tensors.dropFirst() {
      var expected = first.shape
      if tensor.shape.rank == expected.rank { expected.dimensions[axis] = tensor.shape[axis] }
      guard tensor.shape == expected else {
        throw TensorError.shapeMismatch(operation: "concatenating", expected: first.shape, got: tensor.shape)
      }
      guard tensor.dtype == first.dtype else {
        throw TensorError.dtypeMismatch(operation: "concatenating", expected: first.dtype, got: tensor.dtype)
      }
      shape.dimensions[axis] += tensor.shape[axis]
    }
    return TensorForm(shape, first.dtype, first.layout)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    for index in tensors.indices { try body(&tensors[index]) }
  }

  mutating func run(into result: inout Tensor) throws {
    let stride = result.strides[axis]
    var start = 0
    for tensor in tensors where tensor.count > 0 {
      let call = try Rearrange(tensor, layout: result.layout).call(into: result, offset: start * stride)
      try withExtendedLifetime((tensor, result)) { try call.run(on: result.storage.backend) }
      start += tensor.shape[axis]
    }
  }

  var pullbackReads: PullbackReads { [] }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    var start = 0
    for tensor in tensors {
      let range = start..<start + tensor.shape[axis]
      start = range.upperBound
      try sums.add(gradient.sliced(along: axis, range), to: tensor)
    }
  }
}
