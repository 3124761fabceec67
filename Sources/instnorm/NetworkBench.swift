import ArgumentParser
import Conformance
import Foundation
import Generators
import Text

/// What a whole network takes, and what its convolutions take alone.
struct NetworkBench {
  /// What is measured.
  enum Part: String, CaseIterable, ExpressibleByArgument {
    /// A plan, which is what servers and `stylize` run.
    case plan
    /// A plan that takes every product as the definition has it.
    case exact
    /// The convolutions of the plan, and nothing between them.
    case convolutions
    /// Calls of the module in evaluation.
    case calls
    /// A call and all gradients, by the mean squared error.
    case training
  }

  let network: Network
  let shape: Shape
  let device: Device

  /// - Parameter model: a file of weights, or an architecture's name for one of its usual size with random weights.
  init(_ model: String, size: Int, batch: Int, on device: Device) throws {
    if let architecture = Architecture(rawValue: model) {
      network = try Architecture.make(Blueprint(classname: architecture.rawValue, scheme: [:]))
    } else {
      network = try Architecture.load(contentsOf: model)
    }
    shape = [batch, network.inMaps, size, size]
    self.device = device
    if let network = network as? AdaINNet { try network.setStyle(.randomUniform([1, 3, size, size], seed: 2)) }
    try network.to(device)
  }

  /// Seconds of each part, in its order.
  func seconds(_ parts: [Part]) throws -> [Double] {
    let range = (network as? Generator)?.valueRange == .bytes ? 0.0..<255 : 0.0..<1
    let x = try Tensor.randomUniform(shape, in: range, seed: 1).to(device)
    return try device.medianTimes(parts.map { try body($0, x) }, total: 2)
  }

  private func body(_ part: Part, _ x: Tensor) throws -> () throws -> Void {
    let network = network
    switch part {
    case .plan, .exact:
      let plan = try network.plan(for: shape, on: device, precision: part == .exact ? .exact : .float32)
      return { _ = try plan(x) }
    case .convolutions:
      let plans = try convolutions(x)
      return { for (plan, input) in plans { _ = try plan(input) } }
    case .calls:
      network.evalMode()
      return {
        network.evalMode()
        _ = try network(x)
      }
    case .training:
      let target = try network(x)
      return {
        network.trainMode()
        _ = try valueAndGradients(of: network) { try meanSquaredError(network(x), target) }
      }
    }
  }

  /// A plan for each convolution, with data of the form that it gets in the network.
  private func convolutions(_ x: Tensor) throws -> [(plan: Plan, input: Tensor)] {
    // In training each layer keeps what it was given.
    network.trainMode()
    _ = try network(x)
    defer { network.evalMode() }
    return try network.convolutions.compactMap { layer in
      guard let form = layer.inData.map({ TensorForm(like: $0) }) else { return nil }
      let input = try Tensor.randomUniform(form.shape, seed: 3).to(form.layout).to(device)
      return (try Plan(for: [form], on: device) { try layer.forward($0[0]) }, input)
    }
  }
}

extension Module {
  fileprivate var convolutions: [ConvolutionModule] {
    [self as? ConvolutionModule].compactMap { $0 } + namedChildren.flatMap(\.module.convolutions)
  }
}
