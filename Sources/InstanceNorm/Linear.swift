import Operations
import Tensors

/// x W^T + b along the last axis, (..., I) to (..., O). The weights, (O, I), and the bias, (O), are `weight` and `bias` in
/// files, as in PyTorch.
public final class Linear: WeightedModule {
  /// I, the extent of the data's last axis.
  public let inSize: Int
  /// O, that of the result's.
  public let outSize: Int

  /// - Parameters:
  ///   - inSize: I, the extent of the data's last axis.
  ///   - outSize: O, that of the result's.
  ///   - useBias: whether there is a number that is added to each output.
  ///   - wscale: what the first weights are multiplied by.
  ///   - initScheme: what these are: PyTorch's, unless another is named. See ``withInitialValues(seed:scheme:wscale:_:)``.
  ///   - name: what the layer is called in a model and, as a prefix, in files.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)``.
  public init(
    inSize: Int, outSize: Int, useBias: Bool = true, wscale: Double = 1, initScheme: InitScheme = .kaiming,
    name: String? = nil
  ) throws {
    let label = Self.label(name)
    for (name, size) in [("inSize", inSize), ("outSize", outSize)] where size < 1 {
      throw ModuleError.argument(module: label, name: name, expected: "1 or more", got: "\(size)")
    }
    self.inSize = inSize
    self.outSize = outSize
    try super.init(
      label, weightShape: [outSize, inSize], outputs: outSize, useBias: useBias, wscale: wscale,
      initScheme: initScheme, name: name)
  }

  public override func checkDataShape(_ shape: Shape) throws {
    guard shape.last == inSize else {
      throw ModuleError.dataShape(module: label, expected: "(..., \(inSize))", got: shape)
    }
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try checkDataShape(shape)
    return Shape(shape.dropLast() + [outSize])
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    let (weight, bias) = try parameters(for: data)
    return try data.linear(weight, bias: bias)
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["inSize"] = .int(inSize)
    blueprint.scheme["outSize"] = .int(outSize)
    return blueprint
  }

  public override var description: String {
    "\(super.description)(\(inSize) to \(outSize)\(bias == nil ? ", useBias: false" : ""))"
  }
}
