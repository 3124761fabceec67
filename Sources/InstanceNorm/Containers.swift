import Operations
import Tensors

/// What some modules in a row make of the data, and the data itself: y = path(x) + x (He, Zhang, Ren and Sun, "Deep
/// residual learning for image recognition", 2016).
public final class Residual: Module {
  public let path: Sequential

  /// - Parameters:
  ///   - name: what the whole is called in a model and, as a prefix, in files.
  ///   - modules: of the path, whose result has the shape of its data.
  /// - Throws: as ``Sequential/init(name:_:)``.
  public init(name: String? = nil, _ modules: [Module]) throws {
    path = try Sequential(modules)
    super.init(name: name)
  }

  /// Under the names that they have in the path: the path itself has none in files.
  public override var namedChildren: [(name: String, module: Module)] { path.namedChildren }

  public override func checkDataShape(_ shape: Shape) throws {
    try path.checkDataShape(shape)
    let result = try path.dataShape(from: shape)
    guard result == shape else {
      throw ModuleError.dataShape(
        module: label, expected: "that its path leaves as it is, and not \(result)", got: shape)
    }
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try path.forward(data) + data }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.modules = path.modules.map(\.blueprint)
    return blueprint
  }
}

/// The sum of its inputs.
public final class Add: Module {
  public override func forward(_ data: [Tensor]) throws -> [Tensor] {
    guard let first = data.first else { throw ModuleError.inputCount(module: label, expected: 1, got: 0) }
    return [try data.dropFirst().reduce(first) { try $0 + $1 }]
  }

  public override func forward(_ data: Tensor) throws -> Tensor { data }
}

/// Its inputs one after another along an axis.
public final class Concat: Module {
  /// The axis: 1 for maps.
  public let axis: Int

  public init(axis: Int = 1, name: String? = nil) {
    self.axis = axis
    super.init(name: name)
  }

  public override func forward(_ data: [Tensor]) throws -> [Tensor] { [try .concatenated(data, along: axis)] }
  public override func forward(_ data: Tensor) throws -> Tensor { data }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["axis"] = .int(axis)
    return blueprint
  }
}

/// As many inputs and results as modules, each module given one.
public final class Parallel: Module {
  public let modules: [Module]

  public init(name: String? = nil, _ modules: [Module]) {
    self.modules = modules
    super.init(name: name)
  }

  public override var namedChildren: [(name: String, module: Module)] {
    modules.enumerated().map { ($1.name ?? "\($0)", $1) }
  }

  public override func checkDataShape(_ shape: Shape) throws { try modules.first?.checkDataShape(shape) }

  public override func forward(_ data: [Tensor]) throws -> [Tensor] {
    guard data.count == modules.count else {
      throw ModuleError.inputCount(module: label, expected: modules.count, got: data.count)
    }
    return try zip(modules, data).map { try $0($1) }
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try forward([data])[0] }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.modules = modules.map(\.blueprint)
    return blueprint
  }
}
