import Calls
import Tensors

/// Plain Swift in float64, for factors of that type: the second factor is brought together row by row, and rows of
/// the target are sums of its rows, in the order that the reference has.
struct PlainMatrix {
  private let call: MatrixCall

  init(_ call: MatrixCall) { self.call = call }

  /// So many columns stay near while the inner axis is gone over.
  private static let width = 512

  func run(threads: Int) throws {
    let (inner, columns) = (call.inner, call.columns)
    let values = call.rows * columns * max(inner, 1)
    let shares = ThreadedWork.shareCount(items: call.rows, values: values, threads: threads)
    let second = try Scratch(shares: 1, doublesPerShare: max(inner * columns, 1))
    let scratch = try Scratch(shares: shares, doublesPerShare: Self.width)
    let (factor, sums) = (second.address.doubles(share: 0), scratch.address)
    for batch in 0..<call.batch {
      for index in 0..<inner {
        for column in 0..<columns { factor[index * columns + column] = call.second[batch, index, column] }
      }
      ThreadedWork.run(items: call.rows, values: values, shares: shares) { share, rows in
        for row in rows { multiply(batch, row, factor, sums.doubles(share: share)) }
      }
    }
  }

  private func multiply(
    _ batch: Int, _ row: Int, _ factor: UnsafePointer<Double>, _ sums: UnsafeMutablePointer<Double>
  ) {
    for start in stride(from: 0, to: call.columns, by: Self.width) {
      let count = min(Self.width, call.columns - start)
      sums.update(repeating: 0, count: count)
      for index in 0..<call.inner {
        let left = call.first[batch, row, index]
        let right = factor + index * call.columns + start
        for column in 0..<count { sums[column] += left * right[column] }
      }
      for column in 0..<count {
        let old = call.beta == 0 ? 0 : call.beta * call.target[batch, row, start + column]
        call.target[batch, row, start + column] = call.alpha * sums[column] + old
      }
    }
  }
}

extension MatrixView {
  subscript(batch: Int, row: Int, column: Int) -> Double {
    get { Values(address, dtype)[batch * batchStride + row * rowStride + column * columnStride] }
    nonmutating set {
      Values(address, dtype)[batch * batchStride + row * rowStride + column * columnStride] = newValue
    }
  }
}
