import Tensors

/// A matrix in memory, or several.
package struct MatrixView {
  package var address: UnsafeMutableRawPointer
  package var dtype: DType
  /// How many values neighbouring matrices, rows and columns are apart.
  package var batchStride: Int
  package var rowStride: Int
  package var columnStride: Int

  package init(
    _ address: UnsafeMutableRawPointer, _ dtype: DType, batchStride: Int, rowStride: Int, columnStride: Int
  ) {
    self.address = address
    self.dtype = dtype
    self.batchStride = batchStride
    self.rowStride = rowStride
    self.columnStride = columnStride
  }
}

/// target = alpha first second + beta target, for each matrix of a batch. With `beta` 0 the target is not read.
package struct MatrixCall: Call {
  package var batch: Int
  /// Of the first and of the target.
  package var rows: Int
  /// Of the second and of the target.
  package var columns: Int
  /// Columns of the first, rows of the second.
  package var inner: Int
  package var alpha: Double
  package var beta: Double
  package var first: MatrixView
  package var second: MatrixView
  package var target: MatrixView

  package init(
    batch: Int, rows: Int, columns: Int, inner: Int, alpha: Double = 1, beta: Double = 0, first: MatrixView,
    second: MatrixView, target: MatrixView
  ) {
    self.batch = batch
    self.rows = rows
    self.columns = columns
    self.inner = inner
    self.alpha = alpha
    self.beta = beta
    self.first = first
    self.second = second
    self.target = target
  }
}
