import Operations
import Tensors

/// A function of each value, as a layer; without variables, for data of any shape.
public class PointwiseModule: Module {
  let function: PointwiseFunction

  init(_ function: PointwiseFunction, name: String?) {
    self.function = function
    super.init(name: name)
  }

  public override func forward(_ data: Tensor) throws -> Tensor { try data.applying(function) }

  /// What a layer before this one can do in its stead; nil for nothing.
  final var activation: Activation? {
    if case .activation(let activation) = function { activation } else { nil }
  }
}

/// max(x, 0). The slope at 0 is 0.
public final class ReLU: PointwiseModule {
  public init(name: String? = nil) {
    super.init(.relu, name: name)
  }
}

/// x above 0, `slope` x below and at 0.
public final class LeakyReLU: PointwiseModule {
  public let slope: Double

  /// - Throws: ``ModuleError/argument(module:name:expected:got:)`` when the slope is not finite.
  public init(slope: Double = 0.01, name: String? = nil) throws {
    self.slope = slope
    super.init(.leakyReLU(slope: slope), name: name)
    guard slope.isFinite else {
      throw ModuleError.argument(module: label, name: "slope", expected: "a finite number", got: "\(slope)")
    }
  }

  public override var blueprint: Blueprint {
    var blueprint = super.blueprint
    blueprint.scheme["slope"] = .double(slope)
    return blueprint
  }

  public override var description: String { "\(super.description)(slope: \(slope))" }
}

/// The hyperbolic tangent.
public final class Tanh: PointwiseModule {
  public init(name: String? = nil) {
    super.init(.tanh, name: name)
  }
}

/// The data as it is.
public final class Identity: Module {
  public override func forward(_ data: Tensor) throws -> Tensor { data }
}
