import InstanceNorm

/// The losses of a training, step by step.
///
///     let history = try LossHistory(of: ["content", "style"])
///     try history.append([0.91, 0.34])
///
/// It is saved in a `Checkpoint` with the rest of a training: as a tensor of float64, (steps, losses), and the names.
public final class LossHistory {
  /// The losses' names, in the order of their values.
  public let names: [String]
  /// The values of all steps, one step after the other.
  private var values: [Double] = []

  /// A history without steps as yet.
  ///
  /// - Parameter names: one or more, all different.
  /// - Throws: ``LossHistoryError/names(got:)``.
  public init(of names: [String]) throws {
    guard !names.isEmpty, Set(names).count == names.count else { throw LossHistoryError.names(got: names) }
    self.names = names
  }

  /// How many steps there are.
  public var count: Int { values.count / names.count }

  /// Adds a step, in the same short time however many there are.
  ///
  /// - Parameter step: a value for each name; one that is not finite is kept as it is.
  /// - Throws: ``LossHistoryError/values(expected:got:)`` when there are more or fewer; then nothing is added.
  public func append(_ step: [Double]) throws {
    guard step.count == names.count else { throw LossHistoryError.values(expected: names.count, got: step.count) }
    values += step
  }

  /// The values of one loss, of all steps.
  ///
  /// - Throws: ``LossHistoryError/noLoss(name:available:)``.
  public func values(of name: String) throws -> [Double] {
    let column = try column(of: name)
    return (0..<count).map { self[$0, column] }
  }

  /// One loss as a smooth curve: stretches of equally many steps, as nearly as can be.
  ///
  /// - Parameters:
  ///   - name: the loss.
  ///   - most: how many stretches at most; nil for a number that grows with the root of the number of steps, to 400, so
  ///     that the curve is as smooth as its length allows.
  /// - Throws: ``LossHistoryError/noLoss(name:available:)``.
  public func curve(of name: String, most: Int? = nil) throws -> [LossStretch] {
    let column = try column(of: name)
    let usual = min(400, Int((3 * Double(count).squareRoot()).rounded(.up)))
    let stretches = max(0, min(count, most ?? usual))
    return (0..<stretches).map { stretch in
      let (first, end) = (stretch * count / stretches, (stretch + 1) * count / stretches)
      return LossStretch(steps: first + 1...end) { self[$0 - 1, column] }
    }
  }

  private func column(of name: String) throws -> Int {
    guard let column = names.firstIndex(of: name) else {
      throw LossHistoryError.noLoss(name: name, available: names)
    }
    return column
  }

  private subscript(step: Int, column: Int) -> Double { values[step * names.count + column] }
}

/// A loss over steps that follow each other, of those values that are finite; all is NaN where none is.
public struct LossStretch: Sendable {
  /// The first step of a training is 1.
  public let steps: ClosedRange<Int>
  public let mean: Double
  public let least: Double
  public let greatest: Double
  /// How many values are not finite.
  public let notFinite: Int

  init(steps: ClosedRange<Int>, _ value: (Int) -> Double) {
    var (sum, least, greatest, finite) = (0.0, Double.infinity, -Double.infinity, 0)
    for step in steps {
      let value = value(step)
      guard value.isFinite else { continue }
      sum += value
      least = min(least, value)
      greatest = max(greatest, value)
      finite += 1
    }
    self.steps = steps
    // Rounding must not put the mean of equal values beside them.
    mean = finite > 0 ? min(max(sum / Double(finite), least), greatest) : .nan
    self.least = finite > 0 ? least : .nan
    self.greatest = finite > 0 ? greatest : .nan
    notFinite = steps.count - finite
  }
}

extension LossHistory: Resumable {
  public func save(into checkpoint: inout Checkpoint, as name: String) throws {
    try checkpoint.add(Tensor(values, shape: [count, names.count]), as: "\(name)/values")
    try checkpoint.set(names, for: "\(name)/names")
  }

  /// Of a history of the same losses, with any number of steps.
  public func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
    let saved = try checkpoint.value([String].self, for: "\(name)/names")
    guard saved == names else {
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: "\(name)/names", expected: "losses \(names)", got: "\(saved)")
    }
    let key = "\(name)/values"
    guard let tensor = checkpoint.tensors[key] else {
      throw CheckpointError.missing(path: checkpoint.path, name: key, available: checkpoint.tensors.keys.sorted())
    }
    guard tensor.shape.rank == 2, tensor.shape[1] == names.count, tensor.dtype == .float64 else {
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: key, expected: "shape (steps, \(names.count)), float64",
        got: "shape \(tensor.shape), \(tensor.dtype)")
    }
    try checkpoint.check(only: [key], of: name)
    let values = try tensor.array(of: Double.self)
    return { self.values = values }
  }
}

/// What can be wrong in the use of a ``LossHistory``.
public enum LossHistoryError: Error, Equatable, Sendable, CustomStringConvertible {
  case names(got: [String])
  case values(expected: Int, got: Int)
  case noLoss(name: String, available: [String])

  public var description: String {
    switch self {
    case .names(let got): "loss history: expected one or more names, all different, got \(got)"
    case .values(let expected, let got): "loss history: expected \(expected) values for a step, got \(got)"
    case .noLoss(let name, let available): "loss history: no loss '\(name)'; there are \(available)"
    }
  }
}
