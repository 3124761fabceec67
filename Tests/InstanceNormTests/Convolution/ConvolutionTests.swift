import InstanceNorm
import TestSupport
import Testing

/// What a convolution is, beside its numbers.
@Suite struct ConvolutionTests {
  /// Numbers that are added up exactly in any order.
  private func whole(_ shape: Shape, seed: UInt64, _ layout: Layout = .nchw) throws -> Tensor {
    var generator = SeededGenerator(seed: seed)
    let count = try shape.elementCount()
    return try Tensor((0..<count).map { _ in Double(Int.random(in: -9...9, using: &generator)) }, shape: shape)
      .to(layout)
  }

  @Test(arguments: Layout.allCases) func `each direction is the adjoint of the others`(layout: Layout) throws {
    for seed in 0..<20 as Range<UInt64> {
      var generator = SeededGenerator(seed: 100 + seed)
      func pair(_ range: ClosedRange<Int>) -> RowsAndColumns {
        RowsAndColumns(.random(in: range, using: &generator), .random(in: range, using: &generator))
      }
      let (groups, size, stride, dilation) = (
        Int.random(in: 1...3, using: &generator), pair(1...4), pair(1...3), pair(1...2)
      )
      let pads = pair(0...3)
      let x = try whole([2, 2 * groups, 9, 8], seed: seed, layout)
      let w = try whole([3 * groups, 2, size.rows, size.columns], seed: seed + 1)
      func convolved(_ x: Tensor, _ w: Tensor) throws -> Tensor {
        try x.convolved(
          with: w, stride: stride, padding: Margins(rows: pads.rows, columns: pads.columns), dilation: dilation,
          groups: groups)
      }
      let y = try convolved(x, w)
      let dy = try whole(y.shape, seed: seed + 2, layout)
      let found = try gradients(of: (dy * convolved(x, w)).sum(), by: [x, w])
      // <dy, conv(x, w)> = <dx, x> = <dw, w>.
      let product = try (dy * y).sum().scalar()
      #expect(try (found[0] * x).sum().scalar() == product)
      #expect(try (found[1] * w).sum().scalar() == product)
      // The transposed convolution is the one by data, for a picture of any size that gives y's.
      let more = RowsAndColumns(
        (9 + 2 * pads.rows - (size.rows - 1) * dilation.rows - 1) % stride.rows,
        (8 + 2 * pads.columns - (size.columns - 1) * dilation.columns - 1) % stride.columns)
      let transposed = try dy.transposedConvolved(
        with: w, stride: stride, padding: Margins(rows: pads.rows, columns: pads.columns), outputPadding: more,
        dilation: dilation, groups: groups)
      #expect(transposed.layout == layout)
      #expect(try transposed.doubles == found[0].doubles)
    }
  }

  @Test func `gradients of every order predict differences`() throws {
    let (x, w, b) = (
      try Tensor.numbers([2, 4, 4, 3]), try Tensor.numbers([2, 2, 2, 3], seed: 2), try Tensor.numbers([2], seed: 3)
    )
    try Differences.expect("convolution", by: [x, w, b], orders: 3, within: 1e-6) {
      try $0[0].convolved(with: $0[1], bias: $0[2], stride: RowsAndColumns(1, 2), padding: 1, groups: 2).square()
    }
    try Differences.expect("transposed", by: [x, .numbers([4, 1, 2, 3], seed: 2), b], orders: 3, within: 1e-6) {
      try $0[0].transposedConvolved(with: $0[1], bias: $0[2], stride: 2, padding: 1, groups: 2).square()
    }
  }

  @Test(arguments: DType.allCases) func `no pictures give none, and gradients of 0`(dtype: DType) throws {
    let x = try Tensor.zeros([0, 2, 5, 4], dtype: dtype, layout: .nhwc)
    let w = try Tensor.ones([4, 2, 3, 3], dtype: dtype.parameterDType)
    #expect(try x.convolved(with: w).shape == [0, 4, 3, 2])
    let found = try gradients(of: x.convolved(with: w).to(dtype.parameterDType).sum(), by: [x, w])
    #expect(found[0].shape == x.shape)
    #expect(try found[1].doubles == Array(repeating: 0, count: 72))
    let up = try x.transposedConvolved(with: Tensor.ones([2, 1, 3, 3], dtype: dtype.parameterDType), stride: 2)
    #expect(up.shape == [0, 1, 11, 9])
  }

  // MARK: What is refused

  private struct Refusal: Sendable {
    var x: Shape = [1, 4, 6, 6]
    var w: Shape = [2, 4, 3, 3]
    var bias: Shape?
    var stride: RowsAndColumns = 1
    var padding: Margins = 0
    var outputPadding: RowsAndColumns = 0
    var dilation: RowsAndColumns = 1
    var groups = 1
    var isTransposed = false
    var says: String
  }

  private static let huge = Int.max

  private static let refusals = [
    Refusal(x: [4, 6, 6], says: "shape (4, 6, 6) is not valid: what is convolved is (N, C, H, W)"),
    Refusal(x: [1, 0, 6, 6], w: [2, 0, 3, 3], says: "of one map, row and column or more"),
    Refusal(x: [1, 4, 0, 6], padding: 4, says: "of one map, row and column or more"),
    Refusal(w: [2, 4, 3], says: "the weights of a convolution are (O, C, height, width)"),
    Refusal(w: [0, 4, 3, 3], says: "none of which is 0"),
    Refusal(w: [2, 3, 3, 3], says: "expected shape (2, 4, 3, 3), got (2, 3, 3, 3)"),
    Refusal(w: [2, 4, 3, 3], groups: 2, says: "expected shape (2, 2, 3, 3), got (2, 4, 3, 3)"),
    Refusal(
      w: [2, 1, 3, 3], groups: 3, says: "groups: expected a divisor of 4, the maps, and of 2, the kernels, got 3"),
    Refusal(w: [6, 1, 3, 3], groups: 4, says: "groups: expected a divisor of 4"),
    Refusal(groups: 0, says: "groups: expected a divisor of 4"), Refusal(groups: -1, says: "groups: expected"),
    Refusal(bias: [3], says: "the bias of a convolution: expected shape (2,), got (3,)"),
    Refusal(bias: [1, 2], says: "the bias of a convolution: expected shape (2,), got (1, 2)"),
    Refusal(stride: 0, says: "stride: expected 1 or more, got 0"),
    Refusal(stride: RowsAndColumns(1, -2), says: "stride: expected 1 or more, got (1, -2)"),
    Refusal(stride: RowsAndColumns(huge, 1), says: "stride: expected"),
    Refusal(dilation: 0, says: "dilation: expected 1 or more"),
    Refusal(dilation: RowsAndColumns(huge), says: "dilation:"),
    Refusal(padding: -1, says: "padding: expected 0 or more, got -1"),
    Refusal(padding: Margins(top: 0, left: 0, bottom: huge, right: 0), says: "padding: expected 0 or more"),
    Refusal(w: [2, 4, 7, 3], says: "size: expected a window of height 6 at most"),
    Refusal(dilation: RowsAndColumns(1, 3), says: "of width 6 at most, that of the picture with its padding, got 7"),
    Refusal(w: [3, 2, 3, 3], isTransposed: true, says: "the weights: expected shape (4, 2, 3, 3), got (3, 2, 3, 3)"),
    Refusal(
      w: [4, 2, 3, 3], outputPadding: 1, isTransposed: true, says: "outputPadding: expected 0 or more, and less"),
    Refusal(w: [4, 2, 3, 3], outputPadding: -1, isTransposed: true, says: "outputPadding: expected"),
    Refusal(w: [4, 2, 3, 3], padding: 4, isTransposed: true, says: "padding: expected so much that something is left"),
    Refusal(w: [4, 2, 3, 3], bias: [4], isTransposed: true, says: "expected shape (2,), got (4,)"),
    Refusal(w: [4, 1, 3, 3], groups: 3, isTransposed: true, says: "groups: expected a divisor of 4"),
    Refusal(
      w: [4, 2, 3, 3], stride: RowsAndColumns(1 << 29), isTransposed: true, says: "result would be too large"),
  ]

  @Test(arguments: refusals.indices) func `what does not fit is refused, and says why`(index: Int) throws {
    let one = Self.refusals[index]
    let (x, w) = (try Tensor.ones(one.x), try Tensor.ones(one.w))
    let bias = try one.bias.map { try Tensor.ones($0) }
    let error = #expect(throws: TensorError.self) {
      if one.isTransposed {
        return try x.transposedConvolved(
          with: w, bias: bias, stride: one.stride, padding: one.padding, outputPadding: one.outputPadding,
          dilation: one.dilation, groups: one.groups)
      }
      return try x.convolved(
        with: w, bias: bias, stride: one.stride, padding: one.padding, dilation: one.dilation, groups: one.groups)
    }
    let said = error.map { "\($0)" } ?? ""
    #expect(said.contains(one.says), "\(said)")
  }

  @Test func `types and devices that do not go together are refused`() throws {
    let (x, w) = (try Tensor.ones([1, 2, 4, 4], dtype: .float16), try Tensor.ones([2, 2, 3, 3]))
    #expect(
      throws: TensorError.dtypeMismatch(
        operation: "the weights of a convolution of float16", expected: .float32, got: .float16)
    ) { try x.convolved(with: w.to(.float16)) }
    #expect(
      throws: TensorError.dtypeMismatch(
        operation: "the bias of a convolution of float16", expected: .float32, got: .float64)
    ) { try x.convolved(with: w, bias: Tensor.ones([2], dtype: .float64)) }
    #expect(throws: TensorError.self) { try x.transposedConvolved(with: w, bias: Tensor.ones([2], dtype: .float16)) }
    #expect(throws: DeviceError.self) { try x.convolved(with: w.to(Device(FarBackend()))) }
  }

  @Test func `a plan gives the bits of the eager call`() throws {
    let (w, b) = (try Tensor.randomNormal([4, 3, 3, 3], seed: 1), try Tensor.randomNormal([4], seed: 2))
    let back = try Tensor.randomNormal([4, 3, 3, 3], seed: 3)
    func network(_ x: Tensor) throws -> Tensor {
      try x.convolved(with: w, bias: b, stride: 2, padding: 1).relu().transposedConvolved(with: back, stride: 2)
    }
    let x = try Tensor.randomNormal([1, 3, 7, 9], seed: 4).to(.nhwc)
    let plan = try Plan(for: [TensorForm(like: x)]) { try network($0[0]) }
    #expect(try bits(plan([x])) == bits(network(x)))
  }
}
