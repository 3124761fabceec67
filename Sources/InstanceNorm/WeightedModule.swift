import Operations
import Tensors

/// A layer with weights and, unless it is made without, a bias for each of its outputs: ``Conv2D``, ``Deconv2D`` and
/// ``Linear``.
public class WeightedModule: Module {
  public private(set) final var weight: Variable
  /// nil where the layer has none.
  public private(set) final var bias: Variable?
  /// What the weights at first were multiplied by.
  public let wscale: Double
  public let initScheme: InitScheme

  private let weightShape: Shape
  private let outputs: Int

  /// - Parameters:
  ///   - label: what errors call the layer.
  ///   - weightShape: whose extents are known to be 1 or more.
  ///   - outputs: values of the bias.
  init(
    _ label: String, weightShape: Shape, outputs: Int, useBias: Bool, wscale: Double, initScheme: InitScheme,
    name: String?
  ) throws {
    guard wscale.isFinite, wscale >= 0 else {
      throw ModuleError.argument(
        module: label, name: "wscale", expected: "a finite number, 0 or more", got: "\(wscale)")
    }
    self.wscale = wscale
    self.initScheme = initScheme
    self.weightShape = weightShape
    self.outputs = outputs
    let values = try InitialValues.make(weightShape, biases: useBias ? outputs : nil, initScheme, wscale)
    let (weight, bias) = (
      Variable(name: "weight", data: values.weight), values.bias.map { Variable(name: "bias", data: $0) }
    )
    self.weight = weight
    self.bias = bias
    super.init(name: name)
    // The weight last, as the other is looked up among the variables each time.
    if let bias { setVar(bias) }
    setVar(weight)
  }

  final override func varsDidChange() {
    weight = vars["weight"] ?? weight
    bias = vars["bias"]
  }

  /// None. (Known, and not looked for, which takes longer than a small call.)
  public final override var namedChildren: [(name: String, module: Module)] { [] }

  final override var varsLeftOut: [String] { bias == nil ? ["bias"] : [] }
  final override var howVarsAreLeftOut: String { "useBias: false" }

  /// The values of weight and bias, once they are known to go with some data: they can be assigned.
  final func parameters(for data: Tensor) throws -> (weight: Tensor, bias: Tensor?) {
    func checked(_ variable: Variable, _ shape: Shape) throws -> Tensor {
      let values = variable.data
      guard values.shape == shape, values.dtype == calcType.parameterDType else {
        throw ModuleError.variable(
          module: label, name: variable.name, expected: "shape \(shape), \(calcType.parameterDType)",
          got: "\(values.shape), \(values.dtype)")
      }
      guard values.isBeside(data) else {
        throw DeviceError.mismatch(
          operation: "\(label), variable '\(variable.name)'", expected: data.device, got: values.device)
      }
      return values
    }
    return (try checked(weight, weightShape), try bias.map { try checked($0, [outputs]) })
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["useBias"] = .bool(bias != nil)
    if wscale != 1 { blueprint.scheme["wscale"] = .double(wscale) }
    if initScheme != .kaiming { blueprint.scheme["initScheme"] = .string(initScheme.rawValue) }
    return blueprint
  }

  /// What the layer is called in errors before it is one.
  static func label(_ name: String?) -> String { name.map { "\(Self.self) '\($0)'" } ?? "\(Self.self)" }
}
