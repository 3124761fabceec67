import Calls
import Tensors

/// A product of matrices, the last two axes, for each of a batch.
struct MatrixProduct: Operation {
  var first: Tensor
  var second: Tensor
  /// Whether the rows of an operand are meant as columns.
  var transposesFirst = false
  var transposesSecond = false
  /// Of the result, where that is a batch.
  var layout = Layout.nchw

  func form() throws -> TensorForm {
    guard (2...3).contains(first.shape.rank), (2...3).contains(second.shape.rank) else {
      throw TensorError.shapeMismatch(operation: "multiplying matrices", expected: first.shape, got: second.shape)
    }
    guard first.dtype == second.dtype else {
      throw TensorError.dtypeMismatch(operation: "multiplying matrices", expected: first.dtype, got: second.dtype)
    }
    let (a, b) = (Extents(first, transposesFirst), Extents(second, transposesSecond))
    guard a.columns == b.rows, a.batch == b.batch || a.batch == nil || b.batch == nil || a.batch == 1 || b.batch == 1
    else {
      throw TensorError.shapeMismatch(operation: "multiplying matrices", expected: first.shape, got: second.shape)
    }
    let matrix = [a.rows, b.columns]
    guard a.batch != nil || b.batch != nil else { return TensorForm(Shape(matrix), first.dtype) }
    let batch = a.batch == nil || a.batch == 1 ? b.batch ?? 1 : a.batch ?? 1
    return TensorForm(Shape([batch] + matrix), first.dtype, layout)
  }

  /// A matrix as it is meant.
  private struct Extents {
    let batch: Int?
    let rows: Int
    let columns: Int
    let view: MatrixView

    init(_ tensor: Tensor, _ isTransposed: Bool) {
      let (shape, strides, rank) = (tensor.shape, tensor.strides, tensor.shape.rank)
      batch = rank == 3 ? shape[0] : nil
      let (row, column) = isTransposed ? (rank - 1, rank - 2) : (rank - 2, rank - 1)
      (rows, columns) = (shape[row], shape[column])
      view = MatrixView(
        tensor.storage.address, tensor.dtype, batchStride: rank == 3 && shape[0] != 1 ? strides[0] : 0,
        rowStride: strides[row], columnStride: strides[column])
    }
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&first)
    try body(&second)
  }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    let (a, b, target) = (Extents(first, transposesFirst), Extents(second, transposesSecond), Extents(result, false))
    try withExtendedLifetime((first, second, result)) {
      try MatrixCall(
        batch: target.batch ?? 1, rows: target.rows, columns: target.columns, inner: a.columns, first: a.view,
        second: b.view, target: target.view
      ).run(on: result.storage.backend)
    }
  }

  var pullbackReads: PullbackReads { .operands }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    let (a, b) = (first, second)
    // Of y = A B: dA = dy B^T and dB = A^T dy, and each transposed where the operand is.
    try sums.add(
      (transposesFirst
        ? MatrixProduct(
          first: b, second: gradient, transposesFirst: transposesSecond, transposesSecond: true)
        : MatrixProduct(first: gradient, second: b, transposesSecond: !transposesSecond))
        .result().summedBatch(like: a), to: a)
    try sums.add(
      (transposesSecond
        ? MatrixProduct(first: gradient, second: a, transposesFirst: true, transposesSecond: transposesFirst)
        : MatrixProduct(first: a, second: gradient, transposesFirst: !transposesFirst))
        .result().summedBatch(like: b), to: b)
  }
}

extension Tensor {
  /// The product of two matrices, (M, K) and (K, N), or of as many as the first axis says, (B, M, K) and (B, K, N). One
  /// matrix may stand for all of a batch.
  ///
  /// - Throws: `TensorError.shapeMismatch(operation:expected:got:)` or
  ///   `TensorError.dtypeMismatch(operation:expected:got:)` when they do not fit.
  public func matmul(_ other: Tensor) throws -> Tensor { try MatrixProduct(first: self, second: other).result() }

  /// A gradient by one matrix that stood for all of a batch.
  fileprivate func summedBatch(like tensor: Tensor) throws -> Tensor {
    if shape.rank == 3, tensor.shape.rank == 2 { return try sum(over: [0]) }
    if shape.rank == 3, tensor.shape[0] == 1, shape[0] != 1 { return try sum(over: [0], keepingAxes: true) }
    if shape.rank == 2, tensor.shape.rank == 3 { return try reshaped(to: tensor.shape) }
    return try tensor.layout == layout ? self : to(tensor.layout)
  }
}
