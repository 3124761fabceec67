import Operations
import Tensors

/// The length of several tensors taken together as one vector, and whether all of it is finite.
struct GradientNorm {
  /// The root of the sum of all squares; what it says where a value is not finite means nothing.
  private(set) var value = 0.0
  /// The first tensor that has a value that is not finite.
  private(set) var firstNotFinite: Int?

  init(of tensors: [Tensor]) throws {
    let squares = try Self.numbers(of: tensors) { try $0.square().sum() }
    value = squares.reduce(0, +).squareRoot()
    guard !value.isFinite else { return }
    // A value that is not finite, or only a square. Times 0, the former are not a number.
    firstNotFinite = try Self.numbers(of: tensors) { try (0 * $0).sum() }.firstIndex { !$0.isFinite }
    guard firstNotFinite == nil else { return }
    let most = try Self.numbers(of: tensors.filter { $0.count > 0 }) { try $0.absolute().max() }.max() ?? 0
    let scaled = try Self.numbers(of: tensors) { try ($0 / most).square().sum() }
    value = most * scaled.reduce(0, +).squareRoot()
  }

  /// A number of each tensor. Those of one type and device are read together, since on a GPU every reading waits.
  private static func numbers(of tensors: [Tensor], _ number: (Tensor) throws -> Tensor) throws -> [Double] {
    try Recording.pause {
      var result = [Double](repeating: 0, count: tensors.count)
      var rest = Array(tensors.indices)
      while let first = rest.first {
        let alike = rest.filter { tensors[$0].dtype == tensors[first].dtype && tensors[$0].isBeside(tensors[first]) }
        rest.removeAll { alike.contains($0) }
        let numbers = try Tensor.concatenated(alike.map { try number(tensors[$0]).reshaped(to: [1]) }, along: 0)
        for (index, value) in zip(alike, try numbers.array(of: Double.self)) { result[index] = value }
      }
      return result
    }
  }
}
