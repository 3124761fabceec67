import InstanceNorm
import TestSupport
import Testing

/// A golden file, whose tensors are asked for and compared with by name.
struct GoldenFile {
  private let file: SafetensorsFile

  /// - Parameter name: without `.safetensors`.
  init(_ name: String) throws {
    file = try SafetensorsFile(contentsOf: golden("\(name).safetensors"))
  }

  /// A tensor as the file has it.
  subscript(name: String) -> Tensor {
    get throws { try file.tensor(named: name) }
  }

  /// A tensor in another type and, if it has planes, another layout.
  subscript(name: String, dtype: DType, layout: Layout) -> Tensor {
    get throws {
      let tensor = try file.tensor(named: name).to(dtype)
      return tensor.shape.rank == 4 ? try tensor.to(layout) : tensor
    }
  }

  /// Holds a result to the file's: of its shape, except that a single number may have any, and each value within
  /// `tolerance` of the file's value or, if that is less than 1, of 1.
  func expect(
    _ got: Tensor?, is name: String, within tolerance: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let got = try #require(got, sourceLocation: sourceLocation)
    let expected = try self[name]
    if expected.count > 1 {
      #expect(got.shape == expected.shape, "\(name)", sourceLocation: sourceLocation)
    }
    let (values, others) = (try got.doubles, try expected.doubles)
    try #require(values.count == others.count, "\(name)", sourceLocation: sourceLocation)
    let worst = worst(zip(values, others).map { abs($0 - $1) / max(1, abs($1)) })
    #expect(worst <= tolerance, "\(name)", sourceLocation: sourceLocation)
  }
}
