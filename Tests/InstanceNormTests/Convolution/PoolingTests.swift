import InstanceNorm
import TestSupport
import Testing

/// Pooling, and pixels as maps, against PyTorch's.
@Suite struct PoolingTests {
  private static let file = Result { try GoldenFile("convolutions") }

  private static func tolerance(_ dtype: DType) -> Double {
    switch dtype {
    case .float64: 1e-13
    case .float32: 1e-6
    case .float16: 2e-3
    case .bfloat16: 1.2e-2
    }
  }

  @Test(arguments: DType.allCases, Layout.allCases)
  func `greatest values, means and their gradients of all orders are PyTorch's`(dtype: DType, layout: Layout) throws {
    let file = try Self.file.get()
    for number in 0..<Int(try file["pooling.count"].scalar()) {
      let name = "pooling.\(number)"
      let n = try file["\(name).settings"].doubles.map { Int($0) }
      let x = try file["\(name).x", dtype, layout]
      let kinds: [(String, (Tensor) throws -> Tensor)] = [
        (
          "max",
          {
            try $0.maxPooled(
              .init(n[0], n[1]), stride: .init(n[2], n[3]), padding: .init(rows: n[4], columns: n[5]),
              ceilMode: n[6] == 1)
          }
        ),
        (
          "average",
          {
            try $0.averagePooled(
              .init(n[0], n[1]), stride: .init(n[2], n[3]), padding: .init(rows: n[4], columns: n[5]),
              ceilMode: n[6] == 1)
          }
        ),
      ]
      for (kind, pooled) in kinds {
        let y = try pooled(x)
        #expect(y.dtype == dtype && y.layout == layout)
        try file.expect(y, is: "\(name).\(kind).y", within: Self.tolerance(dtype))
        let dy = try file["\(name).\(kind).dy", dtype, layout]
        func dx() throws -> Tensor { try gradients(of: (dy * pooled(x)).sum(), by: x) }
        try file.expect(dx(), is: "\(name).\(kind).dx", within: Self.tolerance(dtype))
        let penalty = try gradients(of: dx().to(.float64).square().sum() / 2, by: dy)
        try file.expect(penalty, is: "\(name).\(kind).penalty", within: 3 * Self.tolerance(dtype))
      }
    }
  }

  @Test(arguments: DType.allCases, Layout.allCases)
  func `the last NaN of a window is its greatest, and the first of equal values`(dtype: DType, layout: Layout) throws {
    let x = try Tensor([1, .nan, .nan, 3, -0.0, 0, 0, -1] as [Double], shape: [1, 1, 2, 4]).to(dtype).to(layout)
    let pooled: (Tensor) throws -> Tensor = { try $0.maxPooled(RowsAndColumns(1, 4)) }
    #expect(try pooled(x).doubles[0].isNaN)
    let dx = try gradients(of: pooled(x).sum(), by: x)
    #expect(try dx.doubles == [0, 0, 1, 0, 1, 0, 0, 0])
    // Of windows that overlap, too.
    let both = try gradients(of: x.maxPooled(RowsAndColumns(1, 3), stride: 1).sum(), by: x)
    #expect(try both.doubles == [0, 0, 2, 0, 1, 1, 0, 0])
    let low = try Tensor(repeating: -.infinity, shape: [1, 1, 1, 4], dtype: dtype, layout: layout)
    #expect(try gradients(of: pooled(low).sum(), by: low).doubles == [1, 0, 0, 0])
  }

  @Test(arguments: Layout.allCases) func `gradients predict differences`(layout: Layout) throws {
    let x = try Tensor.numbers([2, 2, 5, 4], layout)
    try Differences.expect("max", by: [x], orders: 3, within: 1e-6) {
      try $0[0].maxPooled(3, stride: 2, padding: 1).square()
    }
    try Differences.expect("apart", by: [x], orders: 3, within: 1e-6) { try $0[0].maxPooled().square() }
    try Differences.expect("mean", by: [x], orders: 3, within: 1e-6) {
      try $0[0].averagePooled(3, stride: 2, padding: 1).square()
    }
  }

  @Test func `no pictures give none`() throws {
    let x = try Tensor.zeros([0, 2, 5, 4])
    #expect(try x.maxPooled().shape == [0, 2, 2, 2])
    #expect(try x.averagePooled(ceilMode: true).shape == [0, 2, 3, 2])
    #expect(try gradients(of: x.maxPooled().sum(), by: x).shape == x.shape)
  }

  @Test func `what does not fit is refused`() throws {
    func expect(
      _ says: String, _ shape: Shape = [1, 2, 4, 5], _ size: RowsAndColumns = 2, stride: RowsAndColumns? = nil,
      padding: Margins = 0
    ) throws {
      let x = try Tensor.zeros(shape)
      for pooled in [{ try x.maxPooled(size, stride: stride, padding: padding) as Tensor }] + [
        { try x.averagePooled(size, stride: stride, padding: padding) }
      ] {
        let error = #expect(throws: TensorError.self) { try pooled() }
        #expect("\(error.map { "\($0)" } ?? "")".contains(says), "\(says)")
      }
    }
    try expect("what is pooled is (N, C, H, W), of one map, row and column or more", [2, 4, 5])
    try expect("of one map, row and column or more", [1, 2, 0, 5])
    try expect("size: expected 1 or more, got 0", [1, 2, 4, 5], 0)
    try expect("size: expected a window of height 4 at most", [1, 2, 4, 5], 5)
    try expect("stride: expected 1 or more, got -1", stride: -1)
    try expect("padding: expected 0 or more", padding: -1)
    try expect("padding: expected half of the window's size 2 at most, got 2", padding: 2)
    try expect("stride: expected", stride: RowsAndColumns(Int.max))
  }

  // MARK: Pixels as maps, and linear maps

  private func expect(
    _ name: String, _ keys: [String], _ dtype: DType, _ layout: Layout, _ operation: ([Tensor]) throws -> Tensor
  ) throws {
    let file = try Self.file.get()
    let operands = try keys.map { try file["\(name).\($0)", $0 == "x" ? dtype : dtype.parameterDType, layout] }
    try file.expect(operation(operands), is: "\(name).y", within: 4 * Self.tolerance(dtype))
    let wide = dtype.parameterDType
    let dy = try file["\(name).dy", wide, layout]
    let found = try gradients(of: (dy * operation(operands).to(wide)).sum(), by: operands)
    for (key, gradient) in zip(keys, found) {
      try file.expect(gradient, is: "\(name).d\(key)", within: 10 * Self.tolerance(dtype))
    }
  }

  @Test(arguments: DType.allCases, Layout.allCases)
  func `pixels as maps and maps as pixels are PyTorch's`(dtype: DType, layout: Layout) throws {
    try expect("shuffle", ["x"], dtype, layout) { try $0[0].pixelShuffled(by: 2) }
    try expect("unshuffle", ["x"], dtype, layout) { try $0[0].pixelUnshuffled(by: 3) }
    let x = try Tensor.randomNormal([2, 9, 2, 3], seed: 1, dtype: dtype).to(layout)
    let there = try x.pixelShuffled(by: 3)
    #expect(there.shape == [2, 1, 6, 9] && there.layout == layout)
    #expect(try bits(there.pixelUnshuffled(by: 3)) == bits(x))
  }

  @Test(arguments: DType.allCases) func `linear maps are PyTorch's`(dtype: DType) throws {
    try expect("linear", ["x", "w", "b"], dtype, .nchw) { try $0[0].linear($0[1], bias: $0[2]) }
    let x = try Tensor.ones([5], dtype: dtype)
    #expect(try x.linear(.ones([3, 5], dtype: dtype.parameterDType)).doubles == [5, 5, 5])
    #expect(try Tensor.ones([0, 5]).linear(.ones([3, 5])).shape == [0, 3])
  }

  @Test func `what cannot be moved or mapped is refused`() throws {
    let x = try Tensor.zeros([1, 6, 4, 6])
    for factor in [0, -1, 4, Int.max] {
      #expect(throws: TensorError.self, "\(factor)") { try x.pixelShuffled(by: factor) }
      if factor != 4 { #expect(throws: TensorError.self) { try x.pixelUnshuffled(by: factor) } }
    }
    #expect(throws: TensorError.self) { try x.pixelUnshuffled(by: 4) }
    #expect(throws: TensorError.self) { try Tensor.zeros([4, 2, 2]).pixelShuffled(by: 2) }
    let (row, w) = (try Tensor.zeros([2, 5]), try Tensor.zeros([3, 5]))
    #expect(throws: TensorError.self) { try row.linear(.zeros([3, 4])) }
    #expect(throws: TensorError.self) { try row.linear(.zeros([5])) }
    #expect(throws: TensorError.self) { try Tensor(repeating: 1, shape: []).linear(w) }
    #expect(throws: TensorError.self) { try row.linear(w, bias: .zeros([5])) }
    #expect(throws: TensorError.self) { try row.linear(w.to(.float64)) }
    #expect(throws: TensorError.self) { try row.to(.float16).linear(w, bias: .zeros([3], dtype: .float16)) }
  }
}
