import Calls
import Tensors

extension CPUBackend {
  package func run(_ call: MatrixCall) throws {
    if call.batch == 0 || call.rows == 0 || call.columns == 0 { return }
    if let tuned = TunedMatrix(call, elementKernels) { return try tuned.run(threads: threads) }
    try PlainMatrix(call).run(threads: threads)
  }
}

extension MatrixCall {
  /// The same with rows for columns: the target's transpose is the second's transpose times the first's.
  var transposed: MatrixCall {
    MatrixCall(
      batch: batch, rows: columns, columns: rows, inner: inner, alpha: alpha, beta: beta, first: second.transposed,
      second: first.transposed, target: target.transposed)
  }
}

extension MatrixView {
  fileprivate var transposed: MatrixView {
    MatrixView(address, dtype, batchStride: batchStride, rowStride: columnStride, columnStride: rowStride)
  }
}
