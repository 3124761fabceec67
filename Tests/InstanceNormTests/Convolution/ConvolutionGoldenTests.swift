import InstanceNorm
import TestSupport
import Testing

/// Convolutions of all settings, their gradients and the gradients of these, against PyTorch's in float64.
@Suite struct ConvolutionGoldenTests {
  /// A case of the file: its tensors are asked for by what they are called in it.
  private struct Case {
    let file: GoldenFile
    let name: String
    let stride: RowsAndColumns
    let padding: Margins
    let dilation: RowsAndColumns
    let groups: Int
    let outputPadding: RowsAndColumns

    init(_ file: GoldenFile, _ name: String) throws {
      self.file = file
      self.name = name
      let numbers = try file["\(name).settings"].doubles.map { Int($0) }
      stride = RowsAndColumns(numbers[0], numbers[1])
      padding = Margins(top: numbers[2], left: numbers[3], bottom: numbers[4], right: numbers[5])
      dilation = RowsAndColumns(numbers[6], numbers[7])
      groups = numbers[8]
      outputPadding = RowsAndColumns(numbers[9], numbers[10])
    }

    func operand(_ key: String, _ dtype: DType, _ layout: Layout = .nchw) throws -> Tensor {
      try file["\(name).\(key)", dtype, layout]
    }

    /// The operation on x, w and b.
    func callAsFunction(_ operands: [Tensor]) throws -> Tensor {
      if name.hasPrefix("transposed") {
        return try operands[0].transposedConvolved(
          with: operands[1], bias: operands[2], stride: stride, padding: padding, outputPadding: outputPadding,
          dilation: dilation, groups: groups)
      }
      return try operands[0].convolved(
        with: operands[1], bias: operands[2], stride: stride, padding: padding, dilation: dilation, groups: groups)
    }

    /// Holds a tensor to the file's, by so much of 1 or of the value.
    func expect(_ got: Tensor?, is key: String, within tolerance: Double) throws {
      try file.expect(got, is: "\(name).\(key)", within: tolerance)
    }
  }

  private static let file = Result { try GoldenFile("convolutions") }

  private static func cases(_ kind: String) throws -> [Case] {
    let file = try file.get()
    return try (0..<Int(file["\(kind).count"].scalar())).map { try Case(file, "\(kind).\($0)") }
  }

  /// What roundings come to: of the result to its type, and of sums that a float32 kernel takes. In transposed
  /// convolutions the bias is added to what has been rounded.
  private static func tolerance(_ dtype: DType) -> Double {
    switch dtype {
    case .float64: 1e-13
    case .float32: 4e-6
    case .float16: 2e-3
    case .bfloat16: 1.6e-2
    }
  }

  @Test(arguments: ["convolution", "transposed"], DType.allCases)
  func `results and gradients are PyTorch's`(kind: String, dtype: DType) throws {
    let wide = dtype.parameterDType
    for (number, one) in try Self.cases(kind).enumerated() {
      for layout in Layout.allCases {
        // The weights' layout is another matter than the data's.
        let weightLayout = number % 2 == 0 ? layout : .nchw
        let operands = [
          try one.operand("x", dtype, layout), try one.operand("w", wide, weightLayout), try one.operand("b", wide),
        ]
        let y = try one(operands)
        #expect(y.dtype == dtype && y.layout == layout)
        try one.expect(y, is: "y", within: Self.tolerance(dtype))
        let dy = try one.operand("dy", dtype, layout)
        let found = try gradients(of: (dy.to(wide) * one(operands).to(wide)).sum(), by: operands)
        for (operand, (gradient, key)) in zip(operands, zip(found, ["dx", "dw", "db"])) {
          #expect(TensorForm(like: gradient) == TensorForm(like: operand))
          // Sums over places are of many values.
          try one.expect(gradient, is: key, within: Self.tolerance(key == "dx" ? dtype : wide) * (key == "dx" ? 1 : 10))
        }
      }
    }
  }

  @Test(arguments: ["convolution", "transposed"], [DType.float64, .float32])
  func `gradients of a penalty on gradients are PyTorch's`(kind: String, dtype: DType) throws {
    for (number, one) in try Self.cases(kind).enumerated() where number % 3 == 0 {
      for layout in Layout.allCases {
        let operands = try ["x", "w", "b", "dy"].map { try one.operand($0, dtype, layout) }
        let penalty = {
          let y = try one(operands)
          let slopes = try gradients(of: (operands[3] * y).sum(), by: Array(operands[..<2]))
          return try (slopes[0].square().sum() + slopes[1].square().sum()) / 2
        }
        let found = try gradients(of: penalty(), by: [operands[0], operands[1], operands[3]])
        for (gradient, key) in zip(found, ["dx", "dw", "ddy"]) {
          try one.expect(gradient, is: "penalty.\(key)", within: 10 * Self.tolerance(dtype))
        }
      }
    }
  }
}
