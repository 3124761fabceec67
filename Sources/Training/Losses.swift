import Generators

/// The losses of a step, in their order: what they are called and what they came to.
public struct Losses: ExpressibleByDictionaryLiteral, Sendable {
  public var entries: [(name: String, value: Double)]

  public init(dictionaryLiteral elements: (String, Double)...) { entries = elements.map { ($0, $1) } }

  /// Reads tensors of one value each.
  public init(_ tensors: KeyValuePairs<String, Tensor>) throws {
    entries = try tensors.map { ($0, try $1.scalar()) }
  }

  public var names: [String] { entries.map(\.name) }
  public var values: [Double] { entries.map(\.value) }

  public subscript(name: String) -> Double? { entries.first { $0.name == name }?.value }

  mutating func append(_ name: String, _ value: Double) { entries.append((name, value)) }

  /// Refuses losses that are not finite, by the first of some tensors that is not, in the order in which they came to be.
  func requireFinite(else tensors: [(String, Tensor)]) throws {
    if values.allSatisfy(\.isFinite) { return }
    for (name, tensor) in tensors { try tensor.requireFinite(name) }
    try requireFinite()
  }

  /// Refuses one that is not finite.
  func requireFinite() throws {
    for (name, value) in entries where !value.isFinite { throw NotFinite(tensor: "the loss '\(name)', \(value)") }
  }
}

/// What a step stops at.
struct NotFinite: Error {
  let tensor: String
}

extension Tensor {
  /// Refuses values that are not finite.
  func requireFinite(_ what: String) throws {
    // A sum of magnitudes is finite where all of them are, and no more than float64 holds.
    if try !to(.float64).absolute().sum().scalar().isFinite { throw NotFinite(tensor: what) }
  }
}
