import Calls
import Tensors

/// The mean and the deviation sqrt(variance + epsilon) of each plane (t, i): (2, N, C), of the input's
/// `parameterDType`, with the variance biased.
package struct PlaneStatistics: Operation {
  package var input: Tensor
  package let epsilon: Double
  private var statistics: Normalize.Statistics?

  package init(_ input: Tensor, epsilon: Double) {
    self.input = input
    self.epsilon = epsilon
  }

  package func form() throws -> TensorForm {
    guard (3...5).contains(input.shape.rank) else {
      throw TensorError.invalidShape(input.shape, reason: "planes need rank 3, 4 or 5")
    }
    guard input.count > 0 else { throw TensorError.invalidShape(input.shape, reason: "planes of nothing have no mean") }
    return TensorForm([2, input.shape[0], input.shape[1]], input.dtype.parameterDType)
  }

  package mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }

  package mutating func run(into result: inout Tensor) throws {
    let statistics = try Normalize.Statistics(uninitialized: input.shape[0], input.shape[1], on: input.device)
    try withExtendedLifetime((self, statistics)) {
      try NormCall(
        planes: Planes(input), input: input.storage.address, output: nil, epsilon: epsilon, sharing: .instance,
        mean: statistics.mean.doubles, invStd: statistics.invStd.doubles
      ).run(on: input.storage.backend)
    }
    self.statistics = statistics
    let (mean, deviation) = try Recording.pause { () throws -> (Tensor, Tensor) in
      let inverse = try statistics.invStd.to(result.dtype)
      // That of a constant plane without an epsilon is 0, and so is its inverse.
      let deviation = try Binary(.gate(slope: 0), 1 / inverse, inverse).result()
      return (try statistics.mean.to(result.dtype), deviation)
    }
    let backend = result.storage.backend
    for (row, tensor) in [mean, deviation].enumerated() where tensor.count > 0 {
      let target = result.storage.address + row * tensor.byteCount
      try withExtendedLifetime((tensor, result)) {
        try RearrangeCall(
          extents: [tensor.count], input: View(tensor.storage.address, tensor.dtype, strides: [1]),
          output: View(target, result.dtype, strides: [1])
        ).run(on: backend)
      }
    }
  }

  package func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    guard sums.needs(input), let statistics else { return }
    // Mean and deviation change with a value of a plane by 1 / (H W) and its own xhat / (H W). So the gradient is the
    // plane normalised, with a scale and a bias.
    let (images, maps) = (input.shape[0], input.shape[1])
    let parts = try gradient / Double(input.count / (images * maps))
    let rows = try (0..<2).map {
      try parts.sliced(along: 0, $0..<$0 + 1).reshaped(to: [images, maps])
    }
    // Given statistics are constants to a normalisation; here they depend on the input.
    let isOwn = Recording.isActive(input)
    try sums.add(
      Normalize(
        input, scale: rows[1], bias: rows[0], .init(isOwn ? .instance : nil, epsilon: epsilon),
        statistics: isOwn ? nil : statistics
      ).result(), to: input)
  }
}

extension Tensor {
  /// The mean and the deviation sqrt(variance + epsilon) of each plane of (N, C, spatial...), (2, N, C): what adaptive
  /// instance normalisation gives to other pictures. The variance is biased. For half-width types it is, and is computed,
  /// in float32.
  ///
  /// - Throws: `TensorError.invalidShape(_:reason:)` unless the rank is 3, 4 or 5 and there are values;
  ///   `TensorError.argument(name:expected:got:)` when epsilon is negative or not finite.
  public func moments(epsilon: Double = 1e-5) throws -> Tensor {
    guard epsilon >= 0, epsilon.isFinite else {
      throw TensorError.argument(name: "epsilon", expected: "a finite number, 0 or more", got: "\(epsilon)")
    }
    return try PlaneStatistics(self, epsilon: epsilon).result()
  }
}
