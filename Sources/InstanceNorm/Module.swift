import Operations
import Tensors

/// A layer, or a network: parameters, and a computation of operations and other modules.
///
/// A subclass writes ``forward(_:)-(Tensor)`` and gets everything else: gradients of every order, since what it is made of
/// has them; children, found among its properties; names, files, modes, types and devices.
///
///     final class ResidualBlock: Module {
///       let norm1: InstanceNorm2D
///       let norm2: InstanceNorm2D
///
///       init(maps: Int) throws {
///         norm1 = try InstanceNorm2D(numOfMaps: maps)
///         norm2 = try InstanceNorm2D(numOfMaps: maps)
///         super.init()
///       }
///
///       override func forward(_ x: Tensor) throws -> Tensor { try norm2(norm1(x).relu()) + x }
///     }
///
/// The article "Writing a module" shows how. The class is PuzzleLib's `Module`, whose life it keeps: after a call in
/// training mode ``inData`` and ``data`` are there, ``backward(_:updParamGrads:scale:momentum:)`` takes the gradient of
/// that call. The article "Coming from PuzzleLib" says where it differs.
///
/// In evaluation a call keeps nothing and changes nothing. A module belongs to one task; any number of them share a
/// `Plan`, or a ``SharedModel``.
open class Module: CustomStringConvertible {
  /// What the module is called in a model and, as a prefix, in files; nil for the name of the property that holds it.
  public let name: String?

  /// The trained parameters, by name.
  public private(set) var vars: [String: Variable] = [:] {
    didSet { varsDidChange() }
  }
  /// Tensors that belong to the module's state and are saved with it, but are not trained.
  public private(set) var attrs: [String: Tensor] = [:]

  /// Whether backward passes reach this module's variables, and optimizers change them. True until ``evalMode()``.
  public private(set) var train = true
  /// The dtype of data and gradients.
  public private(set) var calcType = DType.float32

  /// What the last call in training left.
  var life = Life()

  /// All modules that this one is made of, found when they are first needed.
  let descendants = Descendants()

  public init(name: String? = nil) {
    self.name = name
  }

  /// The class's name, for descriptions.
  public final var className: String { "\(type(of: self))" }

  /// The class's name and, where it has one, the module's own: what errors call it.
  public final var label: String { name.map { "\(className) '\($0)'" } ?? className }

  // MARK: What a subclass overrides

  /// The computation, of one input.
  ///
  /// It may call the module's children, each any number of times.
  open func forward(_ data: Tensor) throws -> Tensor {
    throw ModuleError.notOverridden(module: label, method: "forward")
  }

  /// The computation, of any number of inputs and results. Of one input it is ``forward(_:)-(Tensor)``.
  open func forward(_ data: [Tensor]) throws -> [Tensor] {
    guard data.count == 1 else {
      throw ModuleError.inputCount(module: label, expected: 1, got: data.count)
    }
    return [try forward(data[0])]
  }

  /// Refuses data of shapes that the module does not take. Nothing has changed when it throws.
  open func checkDataShape(_ shape: Shape) throws {}

  /// Refuses gradients that are not shaped as ``data``.
  open func checkGradShape(_ shape: Shape) throws {
    guard let data else { throw ModuleError.backwardBeforeForward(module: label) }
    guard shape == data.shape else {
      throw ModuleError.gradShape(module: label, expected: data.shape, got: shape)
    }
  }

  /// Refuses data that is not of ``calcType``.
  open func checkDataType(_ dtype: DType) throws {
    guard dtype == calcType else {
      throw ModuleError.dataType(module: label, expected: calcType, got: dtype)
    }
  }

  /// Refuses gradients that are not of ``calcType``.
  open func checkGradType(_ dtype: DType) throws {
    guard dtype == calcType else {
      throw ModuleError.gradType(module: label, expected: calcType, got: dtype)
    }
  }

  /// The shape of the result for data of a shape.
  open func dataShape(from shape: Shape) throws -> Shape { shape }

  /// The shape of the gradient by data for a gradient by its result. (A gradient alone would not tell: a layer with a
  /// stride gives data of several sizes one and the same shape.)
  ///
  /// - Parameters:
  ///   - shape: of the gradient by the result.
  ///   - data: of the data.
  /// - Throws: ``ModuleError/gradShape(module:expected:got:)`` when it is not the shape of such data's result; what
  ///   ``dataShape(from:)`` throws.
  public final func gradShape(from shape: Shape, data: Shape) throws -> Shape {
    let expected = try dataShape(from: data)
    guard shape == expected else {
      throw ModuleError.gradShape(module: label, expected: expected, got: shape)
    }
    return data
  }

  /// The types that ``calcMode(_:)`` can be asked for: all, unless a layer says otherwise; of a module made of modules,
  /// those that all of these compute in.
  open var supportedTypes: [DType] {
    DType.allCases.filter { dtype in children.allSatisfy { $0.supportedTypes.contains(dtype) } }
  }

  /// What a file calls a variable or attribute, where that is not its own name: PyTorch's name for it.
  open var fileNames: [String: String] { [:] }

  /// The class and the constructor's arguments, from which another such module can be built.
  open var blueprint: Blueprint {
    Blueprint(classname: className, scheme: ["name": name.map(Blueprint.Argument.string) ?? .null])
  }

  /// The modules that this one is made of, and what they are called in it: those that its properties hold, alone, in
  /// arrays or in optionals, in the order in which they are declared. One without a name of its own has the property's,
  /// `norm1`, or in an array also its number, `blocks.0`.
  open var namedChildren: [(name: String, module: Module)] { Self.childrenFound(in: self) }

  open var description: String {
    name.map { "\(className) \($0)" } ?? className
  }

  /// The call of a module that is one operation, without the cost of recording it; nil for others.
  func callAlone(_ data: Tensor) throws -> Tensor? { nil }

  /// The backward pass of a call that ``callAlone(_:)`` kept, once the gradient is known to fit; nil for others.
  func backwardAlone(
    _ grad: Tensor, updParamGrads: Bool, updGrad: Bool, scale: Double, momentum: Double
  ) throws -> [Tensor?]? { nil }

  /// The last call as it is recorded.
  func recordedCall() throws -> Life.Call? { life.call }

  // MARK: Variables and attributes

  /// Gives the module a variable; for constructors.
  public final func setVar(_ variable: Variable) {
    vars[variable.name] = variable
    variable.isInTraining = train
  }

  /// For constructors that set several variables, and for taking them back.
  final func removeVars() {
    vars = [:]
  }

  /// For layers that keep what they look up at every call.
  func varsDidChange() {}

  /// Gives the module a tensor that is saved with it but not trained, or a new value for it.
  public final func setAttr(_ name: String, _ value: Tensor) {
    attrs[name] = value.withoutOrigin
  }

  final func removeAttrs() {
    attrs = [:]
  }

  /// The attributes that files hold as whole numbers of 0 or more; those that lack them mean 0.
  var countAttrs: Set<String> { [] }

  /// The variables that modules of this class have, and this one is made without.
  var varsLeftOut: [String] { [] }
  /// The argument that leaves them out.
  var howVarsAreLeftOut: String { "affine: false" }
  /// The variables that a module of this class can also be made without.
  var varsToLeaveOut: [String] { [] }

  /// Whether the layer has yet to see data before it has variables.
  var isLazy: Bool { false }

  /// Makes a layer that ``isLazy`` as a file says that it should be.
  ///
  /// - Parameter shape: of what the file has for a variable or attribute; throws where it has nothing.
  func initialize(fromFile shape: (_ name: String) throws -> Shape) throws {}

  /// Makes the layer lazy again.
  func uninitialize() {}

  // MARK: Modes

  /// Lets backward passes reach the variables, and forgets the last call.
  open func trainMode() {
    setMode(train: true)
    for child in children { child.trainMode() }
  }

  /// Keeps backward passes and optimizers from the variables, forgets the last call, and keeps nothing of those that
  /// follow. Of a module made of modules, some may then be put back into training mode.
  open func evalMode() {
    setMode(train: false)
    for child in children { child.evalMode() }
  }

  /// Does something in evaluation mode, after which this module and those that it is made of are as they were.
  final func inEvaluation<Result>(_ body: () throws -> Result) rethrows -> Result {
    let modules = allModules.filter(\.train)
    for module in modules { module.train = false }
    defer { for module in modules { module.train = true } }
    return try body()
  }

  private func setMode(train: Bool) {
    self.train = train
    for variable in vars.values { variable.isInTraining = train }
    forgetCall()
    descendants.forget()
  }

  /// Forgets the last call, and with it the memory that it holds.
  open func reset() {
    forgetCall()
    descendants.forget()
    for child in children { child.reset() }
  }

  /// What a call of this module alone has left.
  func forgetCall() {
    life = Life()
  }

  /// Makes the module compute in another dtype and converts its variables to that type's
  /// `DType.parameterDType`; attributes stay as they are. The last call is forgotten.
  ///
  /// - Throws: ``ModuleError/unsupportedType(module:got:supported:)`` when this module or one it is made of does not
  ///   compute in that type; then nothing has changed.
  open func calcMode(_ dtype: DType) throws {
    try forEachModule { _, module in
      guard module.supportedTypes.contains(dtype) else {
        throw ModuleError.unsupportedType(module: module.label, got: dtype, supported: module.supportedTypes)
      }
    }
    try convertVariables { try $0.to(dtype.parameterDType) }
    calcType = dtype
    forgetCall()
    for child in children { try child.calcMode(dtype) }
  }

  /// Moves variables, gradients and attributes to a device. The last call is forgotten.
  open func to(_ device: Device) throws {
    let moved = try attrs.mapValues { try $0.to(device) }
    try convertVariables { try $0.to(device) }
    attrs = moved
    forgetCall()
    for child in children { try child.to(device) }
  }

  /// Converts all or, when one fails, none.
  private func convertVariables(_ convert: (Tensor) throws -> Tensor) throws {
    let converted = try Recording.pause { try vars.values.map { ($0, try convert($0.data), try $0.grad.map(convert)) } }
    for (variable, data, grad) in converted {
      variable.data = data
      variable.grad = grad
    }
  }
}
