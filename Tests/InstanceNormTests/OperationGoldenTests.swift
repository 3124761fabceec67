import InstanceNorm
import TestSupport
import Testing

/// Every operation and its gradient against PyTorch's in float64.
@Suite struct OperationGoldenTests {
  let file: GoldenFile

  init() throws { file = try GoldenFile("operations") }

  static func tolerance(_ dtype: DType) -> Double { dtype == .float64 ? 1e-13 : 2e-6 }

  /// Holds an operation to the file's `y` and, for its `dy`, the gradients by all inputs.
  ///
  /// - Parameter inputs: what they are called in names of gradients, and their own names in the file.
  private func expect(
    _ name: String, of inputs: KeyValuePairs<String, String>, layouts: [Layout] = Layout.allCases,
    _ operation: ([Tensor]) throws -> Tensor
  ) throws {
    for dtype in [DType.float64, .float32] {
      for layout in layouts {
        let operands = try inputs.map { try file[$0.value, dtype, layout] }
        let y = try operation(operands)
        try file.expect(y, is: "\(name).y", within: Self.tolerance(dtype))
        #expect(y.dtype == dtype)
        if y.shape.rank == 4 { #expect(y.layout == layout, "\(name)") }
        let dy = try file["\(name).dy", dtype, layout]
        let grads = try gradients(of: (dy * operation(operands)).sum(), by: operands)
        #expect(grads.count == operands.count)
        for (input, grad) in zip(inputs, grads) {
          try file.expect(grad, is: "\(name).d\(input.key)", within: Self.tolerance(dtype))
          #expect(grad.dtype == dtype)
        }
      }
    }
  }

  // MARK: Two tensors

  static let binary: [String: @Sendable (Tensor, Tensor) throws -> Tensor] = [
    "add": { try $0 + $1 }, "subtract": { try $0 - $1 }, "multiply": { try $0 * $1 }, "divide": { try $0 / $1 },
  ]

  @Test(arguments: binary.keys.sorted(), ["same", "per_map", "crossed"])
  func `arithmetic repeats what is smaller, and sums its gradient`(name: String, shapes: String) throws {
    let operation = try #require(Self.binary[name])
    // Of the crossed ones only one has four axes, and so a layout.
    try expect(
      "\(name).\(shapes)", of: ["a": "binary.\(shapes).a", "b": "binary.\(shapes).b"],
      layouts: shapes == "crossed" ? [.nchw] : Layout.allCases
    ) { try operation($0[0], $0[1]) }
  }

  // MARK: Places

  static let pads: [(String, PaddingMode, Int)] = [
    ("zero", .zero, 2), ("reflect", .reflect, 1), ("reflect", .reflect, 3), ("replicate", .replicate, 3),
  ]

  @Test(arguments: pads) func `pads are PyTorch's`(name: String, mode: PaddingMode, amount: Int) throws {
    try expect("pad.\(name).\(amount)", of: ["x": "pad.x"]) { try $0[0].padded(amount, mode: mode) }
  }

  static let resizes: [(String, ResizeMode)] = [
    ("nearest", .nearest), ("bilinear", .bilinear(alignCorners: false)),
    ("bilinear_align_corners", .bilinear(alignCorners: true)),
  ]

  @Test(arguments: resizes, [[7, 9], [3, 2], [10, 8], [2, 11], [1, 1], [5, 4]])
  func `resizes are PyTorch's`(mode: (name: String, mode: ResizeMode), size: [Int]) throws {
    try expect("resize.\(mode.name).\(size[0])x\(size[1])", of: ["x": "resize.x"]) {
      try $0[0].resized(to: size, mode: mode.mode)
    }
  }

  @Test func `rearrangements give every value's gradient back to where it came from`() throws {
    try expect("rearranged", of: ["a": "rearranged.a", "b": "rearranged.b"], layouts: [.nchw]) {
      let slice = try $0[0].permuted(to: [0, 2, 3, 1]).sliced(along: 1, 1..<4)
      return try Tensor.concatenated([slice, $0[1]], along: 3).reshaped(to: [2, 3, 20]).transposed()
        .sliced(along: 1, 5..<20)
    }
  }

  // MARK: Sums

  static let reductions: [String: @Sendable (Tensor, [Int]?, _ keepingAxes: Bool) throws -> Tensor] = [
    "sum": { try $0.sum(over: $1, keepingAxes: $2) }, "mean": { try $0.mean(over: $1, keepingAxes: $2) },
    "max": { try $0.max(over: $1, keepingAxes: $2) }, "norm": { try $0.norm(over: $1, keepingAxes: $2) },
  ]

  @Test(arguments: reductions.keys.sorted(), [[2, 3], [0, 2, 3], [1], [0, 3], [0, 1, 2, 3]])
  func `reductions over any axes are PyTorch's`(name: String, axes: [Int]) throws {
    let reduction = try #require(Self.reductions[name])
    let (key, input) = ("\(name).over\(axes.map(String.init).joined())", name == "max" ? "max.x" : "reduced.x")
    try expect(key, of: ["x": input]) { try reduction($0[0], axes, true) }

    // Without the axes, the values are the same.
    let x = try file[input]
    let (kept, dropped) = (try reduction(x, axes, true), try reduction(x, axes, false))
    #expect(try dropped.doubles == kept.doubles)
    #expect(dropped.shape == Shape((0..<4).filter { !axes.contains($0) }.map { x.shape[$0] }))
    if axes.count == 4 { #expect(try reduction(x, nil, false).doubles == kept.doubles) }
  }

  @Test func `a Gram matrix's loss and its gradient are PyTorch's`() throws {
    for (layout, dtype) in Layout.allCases.flatMap({ [($0, DType.float64), ($0, .float32)] }) {
      let (x, target) = (try file["gram.x", dtype, layout], try file["gram.target"].to(dtype))
      func loss() throws -> Tensor { try (x.gramMatrix() - target).square().mean() }
      try file.expect(x.gramMatrix(), is: "gram.y", within: Self.tolerance(dtype))
      try file.expect(loss(), is: "gram.loss", within: Self.tolerance(dtype))
      try file.expect(gradients(of: loss(), by: x), is: "gram.dx", within: Self.tolerance(dtype))
    }
  }

  @Test func `covariances of maps are PyTorch's`() throws {
    try expect("covariance", of: ["x": "covariance.x"]) { try $0[0].covarianceMatrix() }
  }

  @Test(arguments: ["plain", "batch", "shared"])
  func `matrix products are PyTorch's`(name: String) throws {
    try expect("matmul.\(name)", of: ["a": "matmul.\(name).a", "b": "matmul.\(name).b"], layouts: [.nchw]) {
      try $0[0].matmul($0[1])
    }
  }

  @Test func `products of transposed matrices are PyTorch's`() throws {
    try expect("matmul.transposed", of: ["a": "matmul.transposed.a", "b": "matmul.transposed.b"], layouts: [.nchw]) {
      try $0[0].transposed().matmul($0[1].transposed())
    }
  }
}
