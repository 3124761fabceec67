import Operations
import Tensors

/// All axes but the first as one, (N, C, H, W) to (N, C H W), row by row.
public final class Flatten: Module {
  public override func checkDataShape(_ shape: Shape) throws {
    guard shape.rank > 1 else {
      throw ModuleError.dataShape(module: label, expected: "(N, ...)", got: shape)
    }
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return [shape[0], try Shape(shape.dropFirst()).elementCount()]
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try data.to(.nchw).flattened(from: 1) }
}
