import InstanceNorm
import TestSupport
import Testing

/// The layer against what PyTorch (in float64) and ONNX Runtime (in float32) gave for the same inputs.
@Suite struct GoldenTests {
  static let cases = [
    "pictures", "pictures_plain", "pictures_channels_last", "large_epsilon", "many_maps", "several_blocks",
    "two_values",
    "signals", "volumes",
  ]

  private struct Case {
    let file: SafetensorsFile
    let isAffine: Bool
    let epsilon: Double

    init(_ name: String) throws {
      file = try SafetensorsFile(contentsOf: golden("layer_\(name).safetensors"))
      isAffine = file.entries["weight"] != nil
      epsilon = try file.tensor(named: "epsilon")[0]
    }

    func layer() throws -> Normalization {
      let shape = try #require(file.entries["x"]).shape
      let norm: Normalization =
        switch shape.rank {
        case 3: try InstanceNorm1D(numOfMaps: shape[1], epsilon: epsilon, affine: isAffine)
        case 4: try InstanceNorm2D(numOfMaps: shape[1], epsilon: epsilon, affine: isAffine)
        default: try InstanceNorm3D(numOfMaps: shape[1], epsilon: epsilon, affine: isAffine)
        }
      if isAffine { try norm.load(from: file.path) }
      return norm
    }

    func expect(_ tensor: Tensor?, is name: String, within tolerance: Double) throws {
      let values = try #require(tensor).doubles
      let expected = try file.tensor(named: name).doubles
      #expect(values.count == expected.count)
      for (value, other) in zip(values, expected) {
        #expect(abs(value - other) <= tolerance * max(1, abs(other)), "\(name)")
      }
    }
  }

  @Test(arguments: cases, Layout.allCases) func `forward and all gradients are PyTorch's`(
    name: String, layout: Layout
  ) throws {
    let golden = try Case(name)
    let norm = try golden.layer()
    let out = try norm(golden.file.tensor(named: "x").to(layout))
    #expect(out.layout == layout)
    try golden.expect(out, is: "y", within: 3e-7)
    try golden.expect(out, is: "onnx_y", within: 3e-6)
    let grad = try norm.backward(golden.file.tensor(named: "grad").to(layout))
    #expect(grad.layout == layout)
    // Two equal values but for noise: dx is a difference of nearly equal numbers, times an invStd of hundreds.
    try golden.expect(grad, is: "x_grad", within: name == "two_values" ? 1e-6 : 3e-7)
    if golden.isAffine {
      try golden.expect(norm.scale?.grad, is: "weight_grad", within: 1e-6)
      try golden.expect(norm.bias?.grad, is: "bias_grad", within: 1e-6)
    }
  }

  @Test(arguments: cases) func `in float64 the agreement is float64's`(name: String) throws {
    let golden = try Case(name)
    let norm = try golden.layer()
    try norm.calcMode(.float64)
    try golden.expect(norm(golden.file.tensor(named: "x").to(.float64)), is: "y", within: 1e-13)
    try golden.expect(norm.backward(golden.file.tensor(named: "grad").to(.float64)), is: "x_grad", within: 1e-12)
    if golden.isAffine {
      try golden.expect(norm.scale?.grad, is: "weight_grad", within: 1e-12)
      try golden.expect(norm.bias?.grad, is: "bias_grad", within: 1e-12)
    }
  }

  @Test(arguments: cases) func `half-width types are the float64 result, rounded once`(name: String) throws {
    let golden = try Case(name)
    for (dtype, suffix) in [(DType.float16, "half"), (.bfloat16, "bfloat16")] {
      let norm = try golden.layer()
      try norm.calcMode(dtype)
      let out = try norm(golden.file.tensor(named: "x_\(suffix)"))
      #expect(out.dtype == dtype)
      let expected = try golden.file.tensor(named: "y_\(suffix)").doubles
      for (value, other) in zip(try out.doubles, expected) {
        // The spacing of the type's values there; float16's smallest is 2^-24.
        let ulp = max(abs(other).binade * (dtype == .float16 ? 0x1p-10 : 0x1p-7), dtype == .float16 ? 0x1p-24 : 0)
        #expect(abs(value - other) <= ulp)
      }
    }
  }
}
