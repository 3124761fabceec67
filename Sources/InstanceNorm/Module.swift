import Tensors

/// A layer: what takes a tensor, gives a tensor, and knows its gradient.
///
/// Layers subclass this. The parent does the calling: it checks what comes in, keeps it, calls the layer's own
/// methods, and keeps and returns what comes out. A layer overrides
///
/// - ``updateData(_:)``, the forward computation;
/// - ``updateGrad(_:)``, the gradient of the loss by the data;
/// - ``accGradParams(_:scale:momentum:)``, the gradients by the variables, if it has any;
/// - ``dataShape(from:)`` and ``gradShape(from:)``, if it changes shapes;
/// - ``checkDataShape(_:)`` and ``checkGradShape(_:)``, to refuse what it cannot take;
/// - ``children``, if it is made of other modules, as ``Sequential`` is.
///
/// <doc:WritingAModule> shows how. The class is PuzzleLib's `Module`; <doc:ComingFromPuzzleLib> says where this one
/// differs.
open class Module: CustomStringConvertible {
  /// What the layer is called in a model and, as a prefix, in files.
  public let name: String?

  /// The trained parameters, by name.
  public private(set) var vars: [String: Variable] = [:] {
    didSet { varsDidChange() }
  }
  /// Tensors that belong to the layer's state and are saved with it, but are not trained.
  public private(set) var attrs: [String: Tensor] = [:]

  /// The data of the last call.
  public private(set) var inData: Tensor?
  /// What the last call gave.
  public private(set) var data: Tensor?
  /// What the last ``backward(_:updParamGrads:scale:momentum:)`` gave.
  public private(set) var grad: Tensor?

  /// Whether backward passes reach this module's variables, and optimizers change them. True until ``evalMode()``.
  public private(set) var train = true
  /// The dtype of data and gradients.
  public private(set) var calcType = DType.float32

  public init(name: String? = nil) {
    self.name = name
  }

  /// The class's name, for descriptions.
  public final var className: String { "\(type(of: self))" }

  /// The class's name and, where it has one, the module's own: what errors call it.
  public final var label: String { name.map { "\(className) '\($0)'" } ?? className }

  // MARK: Calling

  /// Runs the layer on some data.
  ///
  /// - Returns: what ``updateData(_:)`` makes of it; it is also kept as ``data``.
  /// - Throws: ``ModuleError`` when shape or dtype are not the layer's, and then nothing has changed; what
  ///   ``updateData(_:)`` throws, and then the layer is as after ``reset()``.
  @discardableResult
  public final func callAsFunction(_ data: Tensor) throws -> Tensor {
    try call(data) { try updateData($0) }
  }

  /// What a call is, around its computation.
  final func call(_ data: Tensor, _ update: (Tensor) throws -> Tensor) throws -> Tensor {
    try checkDataShape(data.shape)
    try checkDataType(data.dtype)
    // Let go of the last result first, so that its memory can become this one's.
    self.data = nil
    inData = data
    do {
      let result = try update(data)
      self.data = result
      return result
    } catch {
      reset()
      throw error
    }
  }

  /// Takes the gradient of a loss by the layer's output to that by its data and, in training mode, its variables.
  ///
  /// - Parameters:
  ///   - grad: of the shape and dtype of ``data``.
  ///   - updParamGrads: whether the variables' gradients are updated. Only in training mode they are.
  ///   - scale: by what the variables' new gradients are multiplied.
  ///   - momentum: by what the old ones are, before they are added: `grad = scale new + momentum old`. With 1,
  ///     gradients add up over calls.
  /// - Returns: the gradient by the data; it is also kept as ``grad``.
  /// - Throws: ``ModuleError`` when no call came before, or shape or dtype are not those of its result.
  @discardableResult
  public final func backward(
    _ grad: Tensor, updParamGrads: Bool = true, scale: Double = 1, momentum: Double = 0
  ) throws -> Tensor {
    try checkGrad(grad)
    self.grad = nil
    let result = try updateGrad(grad)
    self.grad = result
    if updParamGrads && reachesVariables { try accGradParams(grad, scale: scale, momentum: momentum) }
    return result
  }

  /// The same, with the choice not to compute the gradient by the data (for the first layer of a network, nobody
  /// needs it).
  ///
  /// - Returns: the gradient by the data; nil if `updGrad` is false.
  @discardableResult
  public final func backward(
    _ grad: Tensor, updParamGrads: Bool = true, updGrad: Bool, scale: Double = 1, momentum: Double = 0
  ) throws -> Tensor? {
    if updGrad { return try backward(grad, updParamGrads: updParamGrads, scale: scale, momentum: momentum) }
    try checkGrad(grad)
    self.grad = nil
    if updParamGrads && reachesVariables { try accGradParams(grad, scale: scale, momentum: momentum) }
    return nil
  }

  /// Whether this module or one that it is made of is in training mode.
  final var reachesVariables: Bool { train || children.contains(where: \.reachesVariables) }

  private func checkGrad(_ grad: Tensor) throws {
    guard let data else { throw ModuleError.backwardBeforeForward(module: label) }
    try checkGradShape(grad.shape)
    try checkGradType(grad.dtype)
    guard grad.isBeside(data) else {
      throw DeviceError.mismatch(operation: "\(label), backward", expected: data.device, got: grad.device)
    }
  }

  // MARK: What a layer overrides

  /// The forward computation. ``Module/inData`` is the data already; what is returned becomes ``Module/data``.
  open func updateData(_ data: Tensor) throws -> Tensor {
    throw ModuleError.notOverridden(module: label, method: "updateData")
  }

  /// The gradient of the loss by the data, given that by the output. What is returned becomes ``Module/grad``.
  open func updateGrad(_ grad: Tensor) throws -> Tensor {
    throw ModuleError.notOverridden(module: label, method: "updateGrad")
  }

  /// Sets each variable's gradient to `scale new + momentum old`. A layer without variables has nothing to do.
  open func accGradParams(_ grad: Tensor, scale: Double, momentum: Double) throws {}

  /// Refuses data of shapes that the layer does not take.
  open func checkDataShape(_ shape: Shape) throws {}

  /// Refuses gradients that are not shaped as ``Module/data``.
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

  /// The shape of the gradient by the data for a gradient of a shape.
  open func gradShape(from shape: Shape) throws -> Shape { shape }

  /// The types that ``Module/calcMode(_:)`` can be asked for: float32 unless a layer says otherwise; of a module made of
  /// modules, those that all of these compute in.
  open var supportedTypes: [DType] {
    children.isEmpty
      ? [.float32] : DType.allCases.filter { dtype in children.allSatisfy { $0.supportedTypes.contains(dtype) } }
  }

  /// What a file calls a variable or attribute, where that is not its own name: PyTorch's name for it.
  open var fileNames: [String: String] { [:] }

  /// The class and the constructor's arguments, from which another such layer can be built.
  open var blueprint: Blueprint {
    Blueprint(classname: className, scheme: ["name": name.map(Blueprint.Argument.string) ?? .null])
  }

  // MARK: Modules made of modules

  /// The modules that this one is made of. All that concerns variables, modes, types, devices and files goes on to
  /// them.
  open var children: [Module] { [] }

  /// The children under their names in this module, a child without a name by its number: `norm1`, `0`.
  public final var namedChildren: [(name: String, module: Module)] {
    children.enumerated().map { ($1.name ?? "\($0)", $1) }
  }

  /// This module's variables and, after them, its children's, under their full names: `block.norm1.scale`.
  public final var variables: [(name: String, variable: Variable)] {
    var found: [(name: String, variable: Variable)] = []
    forEachModule { path, module in
      found += module.vars.sorted { $0.key < $1.key }.map { (Self.join(path, $0), $1) }
    }
    return found
  }

  /// Calls `body` with this module, its children and theirs, and what they are called: `block.norm1`; this one's own
  /// name, which may be none, first.
  final func forEachModule(_ body: (_ path: String, _ module: Module) throws -> Void) rethrows {
    func visit(_ path: String, _ module: Module) throws {
      try body(path, module)
      for (name, child) in module.namedChildren { try visit(Self.join(path, name), child) }
    }
    try visit(name ?? "", self)
  }

  /// This module, its children and theirs.
  final var allModules: [Module] {
    var found: [Module] = []
    forEachModule { found.append($1) }
    return found
  }

  static func join(_ path: String, _ name: String) -> String {
    path.isEmpty ? name : "\(path).\(name)"
  }

  // MARK: State

  /// Gives the layer a variable; for constructors.
  public final func setVar(_ variable: Variable) {
    vars[variable.name] = variable
  }

  /// For constructors that set several variables, and for taking them back.
  final func removeVars() {
    vars = [:]
  }

  /// For layers that keep what they look up at every call.
  func varsDidChange() {}

  /// Gives the layer a tensor that is saved with it but not trained, or a new value for it.
  public final func setAttr(_ name: String, _ value: Tensor) {
    attrs[name] = value
  }

  final func removeAttrs() {
    attrs = [:]
  }

  /// The attributes that files hold as whole numbers of 0 or more; those that lack them mean 0.
  var countAttrs: Set<String> { [] }

  /// Whether the layer has yet to see data before it has variables.
  var isLazy: Bool { false }

  /// Makes a layer that ``isLazy`` as a file says that it should be.
  ///
  /// - Parameter shape: of what the file has for a variable or attribute; throws where it has nothing.
  func initialize(fromFile shape: (_ name: String) throws -> Shape) throws {}

  /// Makes the layer lazy again.
  func uninitialize() {}

  /// Sets all gradients to zero.
  public final func zeroGradParams() throws {
    for (_, variable) in variables { try variable.grad.fill(with: 0) }
  }

  /// One step down the gradients: `data -= learnRate grad`, of what is in training mode. (PuzzleLib's adds, and its
  /// losses give negated gradients.)
  public final func updateParams(learnRate: Double) throws {
    try forEachModule { _, module in
      guard module.train else { return }
      for variable in module.vars.values { try variable.data.combine(-learnRate, variable.grad) }
    }
  }

  /// Another number after every change of a variable's data, its children's included.
  final var variablesVersion: Int {
    vars.values.reduce(0) { $0 &+ $1.version } &+ children.reduce(0) { $0 &+ $1.variablesVersion }
  }

  /// Lets backward passes reach the variables, and forgets the last call.
  open func trainMode() {
    train = true
    reset()
    for child in children { child.trainMode() }
  }

  /// Keeps backward passes and optimizers from the variables, and forgets the last call. Of a module made of modules,
  /// some may then be put back into training mode.
  open func evalMode() {
    train = false
    reset()
    for child in children { child.evalMode() }
  }

  /// Forgets the last call, and with it the memory that it holds.
  open func reset() {
    inData = nil
    data = nil
    grad = nil
    for child in children { child.reset() }
  }

  /// Makes the layer compute in another dtype and converts its variables to that type's
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
    reset()
    for child in children { try child.calcMode(dtype) }
  }

  /// Moves variables, gradients and attributes to a device. The last call is forgotten.
  open func to(_ device: Device) throws {
    let moved = try attrs.mapValues { try $0.to(device) }
    try convertVariables { try $0.to(device) }
    attrs = moved
    reset()
    for child in children { try child.to(device) }
  }

  /// Converts all or, when one fails, none.
  private func convertVariables(_ convert: (Tensor) throws -> Tensor) throws {
    let converted = try vars.values.map { ($0, try convert($0.data), try convert($0.grad)) }
    for (variable, data, grad) in converted {
      variable.data = data
      variable.grad = grad
    }
  }

  /// How many numbers are trained.
  public final var numOfParams: Int {
    variables.reduce(0) { $0 + $1.variable.data.count }
  }

  /// How much memory they take, without their gradients.
  public final func paramSize(unit: MemoryUnit = .bytes) -> Double {
    Double(variables.reduce(0) { $0 + $1.variable.data.byteCount }) / Double(unit.rawValue)
  }

  open var description: String {
    name.map { "\(className) \($0)" } ?? className
  }
}

/// What memory is counted in.
public enum MemoryUnit: Int, Sendable {
  case bytes = 1
  /// 1024 bytes.
  case kib = 1024
  /// 1024 KiB.
  case mib = 1_048_576
}
