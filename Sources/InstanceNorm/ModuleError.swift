import Tensors

/// What can be wrong with a call of a module. Every case names the module.
public enum ModuleError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A constructor's argument is outside its range.
  case argument(module: String, name: String, expected: String, got: String)
  /// The data has a shape that the module does not take.
  case dataShape(module: String, expected: String, got: Shape)
  /// The data is not of the type that the module computes in.
  case dataType(module: String, expected: DType, got: DType)
  /// The gradient's shape is not that of the module's output.
  case gradShape(module: String, expected: Shape, got: Shape)
  /// The gradient is not of the type that the module computes in.
  case gradType(module: String, expected: DType, got: DType)
  /// There is no call whose gradient could be taken: none since the module was made or reset, or it failed.
  case backwardBeforeForward(module: String)
  /// There were several calls since the last backward pass, and only the last of them is kept: its gradient would be taken
  /// for that of all.
  case calledAgain(module: String, count: Int)
  /// The module takes another number of inputs, or gives another number of results.
  case inputCount(module: String, expected: Int, got: Int)
  /// The module does not compute in this type.
  case unsupportedType(module: String, got: DType, supported: [DType])
  /// A variable was given a shape, type or device that does not fit.
  case variable(module: String, name: String, expected: String, got: String)
  /// The module gives data the style of another tensor, and has not been given one.
  case noStyle(module: String)
  /// A subclass lacks what its use needs.
  case notOverridden(module: String, method: String)
  /// A blueprint that no module can be built from.
  case blueprint(reason: String)

  public var description: String {
    switch self {
    case .argument(let module, let name, let expected, let got):
      "\(module): \(name): expected \(expected), got \(got)"
    case .dataShape(let module, let expected, let got):
      "\(module): expected data of shape \(expected), got \(got)"
    case .dataType(let module, let expected, let got):
      "\(module): expected data of dtype \(expected), got \(got)"
        + " (calcMode sets the type that a module computes in)"
    case .gradShape(let module, let expected, let got):
      "\(module): expected a gradient of shape \(expected), got \(got)"
    case .gradType(let module, let expected, let got):
      "\(module): expected a gradient of dtype \(expected), got \(got)"
    case .backwardBeforeForward(let module):
      "\(module): backward needs a call of the module before it, in training mode"
    case .calledAgain(let module, let count):
      "\(module): backward takes the gradient of one call, and there were \(count) since the last; valueAndGradients takes"
        + " that of several, reset() before a call forgets those before it"
    case .inputCount(let module, let expected, let got):
      "\(module): expected \(expected) tensor\(expected == 1 ? "" : "s"), got \(got)"
    case .unsupportedType(let module, let got, let supported):
      "\(module): cannot compute in \(got), only in \(supported.map(\.rawValue).joined(separator: ", "))"
    case .variable(let module, let name, let expected, let got):
      "\(module): variable '\(name)': expected \(expected), got \(got)"
    case .noStyle(let module):
      "\(module): a style is needed: norm(data, style: style), or setStyle(_:) before"
    case .notOverridden(let module, let method):
      "\(module) does not override \(method)"
    case .blueprint(let reason):
      "blueprint: \(reason)"
    }
  }
}
