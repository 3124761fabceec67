import CPUKernels
import Calls

/// What products of matrices are measured by: float64, in the order of the formula.
package struct ReferenceMatrix {
  private let call: MatrixCall

  package init(_ call: MatrixCall) { self.call = call }

  package func run() {
    for batch in 0..<call.batch {
      for row in 0..<call.rows {
        for column in 0..<call.columns {
          var sum = 0.0
          for index in 0..<call.inner { sum += call.first[batch, row, index] * call.second[batch, index, column] }
          let old = call.beta == 0 ? 0 : call.beta * call.target[batch, row, column]
          call.target[batch, row, column] = call.alpha * sum + old
        }
      }
    }
  }
}

extension MatrixView {
  fileprivate subscript(batch: Int, row: Int, column: Int) -> Double {
    get { Values(address, dtype)[batch * batchStride + row * rowStride + column * columnStride] }
    nonmutating set {
      Values(address, dtype)[batch * batchStride + row * rowStride + column * columnStride] = newValue
    }
  }
}
