import InstanceNorm
import TestSupport
import Testing

/// Gradients against the differences that they predict, in float64.
enum Differences {
  typealias Function = ([Tensor]) throws -> Tensor

  /// Holds the gradients of a function by all its inputs to the differences of a weighted sum of its values; then those of
  /// a weighted sum of these gradients, by the weights of the first sum too, and so on.
  ///
  /// - Parameters:
  ///   - name: what failures call the function.
  ///   - inputs: float64 tensors, away from kinks and jumps.
  ///   - orders: of how many gradients, one of another.
  ///   - tolerance: for each order as a part of the gradient, or of 1 if that is less.
  static func expect(
    _ name: String, by inputs: [Tensor], orders: Int = 2, within tolerance: Double = 1e-7,
    sourceLocation: SourceLocation = #_sourceLocation, _ function: @escaping Function
  ) throws {
    var (function, inputs) = (function, inputs)
    var value = try function(inputs)
    #expect(value.origin == nil, "\(name)", sourceLocation: sourceLocation)
    for order in 1...orders {
      let weights = try Tensor.randomNormal(value.shape, seed: UInt64(order), dtype: .float64).to(value.layout)
      let form = TensorForm(like: value)
      let current = function
      // The weighted sum of a function of all inputs but the last, which is its weights.
      let sum: Function = { operands in
        let values = try current(Array(operands.dropLast()))
        #expect(TensorForm(like: values) == form, "\(name), order \(order)", sourceLocation: sourceLocation)
        return try (operands[operands.count - 1] * values).sum()
      }
      let operands = inputs + [weights]
      let found = try gradients(of: sum(operands), by: operands)
      for (index, (gradient, operand)) in zip(found, operands).enumerated() {
        let what = "\(name), order \(order), by operand \(index)"
        #expect(TensorForm(like: gradient) == TensorForm(like: operand), "\(what)", sourceLocation: sourceLocation)
        #expect(gradient.origin == nil, "\(what)", sourceLocation: sourceLocation)
        let differences = try differences(of: operand) { changed in
          var all = operands
          all[index] = changed
          return try sum(all).scalar()
        }
        let worst = worst(zip(try gradient.doubles, differences).map { abs($0 - $1) / max(1, abs($1)) })
        #expect(worst <= tolerance, "\(what)", sourceLocation: sourceLocation)
      }
      guard order < orders else { break }
      // All these gradients together are the next function.
      let factors = try operands.enumerated().map { index, operand in
        try Tensor.randomNormal(operand.shape, seed: UInt64(100 * order + index), dtype: .float64).to(operand.layout)
      }
      function = { operands in
        let slopes = try gradients(of: sum(operands), by: operands)
        var total = try (factors[0] * slopes[0]).sum()
        for (factor, slope) in zip(factors, slopes).dropFirst() { total = try total + (factor * slope).sum() }
        return total
      }
      inputs = operands
      value = try function(inputs)
    }
  }

  /// Holds the gradients of a loss by some variables to its differences.
  static func expect(
    of variables: [(name: String, variable: Variable)], within tolerance: Double = 1e-7,
    sourceLocation: SourceLocation = #_sourceLocation, _ loss: () throws -> Tensor
  ) throws {
    let (value, found) = try valueAndGradients(of: variables.map(\.variable), loss)
    #expect(try value.doubles == loss().doubles, sourceLocation: sourceLocation)
    for (name, variable) in variables {
      let gradient = try #require(found[variable], "\(name)", sourceLocation: sourceLocation)
      let before = variable.data
      let differences = try differences(of: before.withoutOrigin) { changed in
        variable.data = changed
        return try loss().scalar()
      }
      variable.data = before
      let worst = worst(zip(try gradient.doubles, differences).map { abs($0 - $1) / max(1, abs($1)) })
      #expect(worst <= tolerance, "\(name)", sourceLocation: sourceLocation)
    }
  }

  /// (f(x + step) - f(x - step)) / (2 step), for each value of x.
  private static func differences(of tensor: Tensor, _ function: (Tensor) throws -> Double) throws -> [Double] {
    let step = 1e-5
    let values = try tensor.doubles
    return try values.indices.map { place in
      func moved(_ step: Double) throws -> Double {
        var changed = values
        changed[place] += step
        return try function(Tensor(changed, shape: tensor.shape).to(tensor.layout))
      }
      return (try moved(step) - moved(-step)) / (2 * step)
    }
  }
}

extension Tensor {
  /// Normal float64 numbers.
  static func numbers(
    _ shape: Shape, mean: Double = 0, deviation: Double = 1, seed: UInt64 = 1, _ layout: Layout = .nchw
  ) throws -> Tensor {
    try randomNormal(shape, mean: mean, deviation: deviation, seed: seed, dtype: .float64).to(layout)
  }
}
