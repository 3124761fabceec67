import Operations
import Tensors

/// Modules one after another, each given what the one before it made.
///
///     let block = try Sequential(name: "block", [
///       InstanceNorm2D(numOfMaps: 64, name: "norm1"),
///       LeakyReLU(slope: 0.2),
///     ])
///     let y = try block(x)
///     try block.backward(dy)
///     try block.save(to: "block.safetensors")       // block.norm1.weight, block.norm1.bias
///
/// Where a normalisation is followed by ``ReLU`` or ``LeakyReLU``, the two run as one pass over memory, and what is
/// between them is never made: the normalisation's ``Module/data`` is then the activation's, and the activation
/// itself is not called. The results are those of the two. ``fusesActivations`` turns it off.
public final class Sequential: Module {
  /// In the order in which data goes through them.
  public private(set) var modules: [Module] = []

  /// Whether normalisations take on the activations that follow them.
  public var fusesActivations = true

  /// - Parameters:
  ///   - name: what the whole is called in a model and, as a prefix, in files.
  ///   - modules: in the order in which data goes through them.
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when two have one name or one is there twice.
  public init(name: String? = nil, _ modules: [Module] = []) throws {
    super.init(name: name)
    for module in modules { try append(module) }
  }

  /// Adds a module at the end. It takes on the type that this one computes in, and evaluation mode where this one is in
  /// that. An optimizer has to be set up again.
  ///
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when a module has its name or is it, and
  ///   what ``Module/calcMode(_:)`` throws.
  public func append(_ module: Module) throws {
    let known = allModules
    if let twice = module.allModules.first(where: { new in known.contains { $0 === new } }) {
      throw ModuleError.argument(
        module: label, name: "modules", expected: "each module once", got: "\(twice.label) twice")
    }
    let key = module.name ?? "\(modules.count)"
    if let other = namedChildren.first(where: { $0.name == key }) {
      throw ModuleError.argument(
        module: label, name: "modules", expected: "a name of its own for each",
        got: "'\(key)' for \(other.module.label) and \(module.label)")
    }
    if module.calcType != calcType { try module.calcMode(calcType) }
    if !train { module.evalMode() }
    reset()
    modules.append(module)
    descendants.forget()
  }

  public override var namedChildren: [(name: String, module: Module)] {
    modules.enumerated().map { ($1.name ?? "\($0)", $1) }
  }

  /// The module of a name; a module without one has its number, `"0"`. nil where there is none.
  public subscript(name: String) -> Module? {
    namedChildren.first { $0.name == name }?.module
  }

  /// The module at a place.
  ///
  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when there is none.
  public func module(at index: Int) throws -> Module {
    guard modules.indices.contains(index) else {
      throw ModuleError.argument(
        module: label, name: "index",
        expected: modules.isEmpty ? "modules" : "0 to \(modules.count - 1)", got: "\(index)")
    }
    return modules[index]
  }

  public override var supportedTypes: [DType] { DType.allCases }

  public override func checkDataShape(_ shape: Shape) throws {
    // Through all of them, so that data which a later one refuses leaves no trace in those before.
    var shape = shape
    for module in modules {
      try module.checkDataShape(shape)
      shape = try module.dataShape(from: shape)
    }
  }

  public override func dataShape(from shape: Shape) throws -> Shape {
    try modules.reduce(shape) { try $1.dataShape(from: $0) }
  }

  public override func forward(_ data: Tensor) throws -> Tensor {
    var result = data
    var index = 0
    while index < modules.count {
      let module = modules[index]
      index += 1
      if fusesActivations, index < modules.count, let norm = module as? Normalization, norm.canFuse,
        let activation = (modules[index] as? PointwiseModule)?.activation
      {
        // What an earlier call may have left of the activation is not of this one.
        modules[index].forgetCall()
        index += 1
        result = try norm(result, activation: activation)
      } else {
        result = try module(result)
      }
    }
    return result
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.modules = modules.map(\.blueprint)
    return blueprint
  }

  public override var description: String {
    let lines = namedChildren.map { name, module in
      "  \(name): " + "\(module)".split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n  ")
    }
    return ([super.description + "("] + lines + [")"]).joined(separator: "\n")
  }
}
