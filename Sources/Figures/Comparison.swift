import InstanceNorm
import Text

/// What each type of normalisation did to the same data, read off the layers after they ran.
package struct Comparison {
  /// (N, C, H, W).
  let shape: Shape
  let dtype: DType
  /// What each plane t C + i of the data was like.
  let before: [PlaneSummary]
  /// The moments of all values of the data together.
  let whole: Moments
  let effects: [Effect]

  /// What one type did.
  struct Effect {
    let title: String
    /// Which planes share, in words.
    let rule: String
    /// A number for each plane t C + i: planes with the same number were given the same mean and variance, bit for bit.
    let sets: [Int]
    /// What each plane of the result is like.
    let after: [PlaneSummary]

    var setCount: Int { (sets.max() ?? -1) + 1 }
  }

  /// Why there is nothing to compare.
  package enum Fault: Error, CustomStringConvertible {
    case empty
    case notFinite(t: Int, i: Int)
    case tooLarge

    package var description: String {
      switch self {
      case .empty: "it holds no values"
      case .notFinite(let t, let i): "map \(i) of picture \(t) holds values that are not finite"
      case .tooLarge: "its values are so large that their variance is infinite"
      }
    }
  }

  /// - Throws: ``Fault``, and what the layers throw.
  package init(of x: Tensor) throws {
    guard x.count > 0 else { throw Fault.empty }
    (shape, dtype) = (x.shape, x.dtype)
    before = try x.planeSummaries()
    let maps = x.shape[1]
    if let plane = before.firstIndex(where: { !$0.minimum.isFinite || !$0.maximum.isFinite }) {
      throw Fault.notFinite(t: plane / maps, i: plane % maps)
    }
    whole = before.reduce(into: Moments()) { $0.merge($1.moments) }
    guard whole.mean.isFinite, whole.variance.isFinite else { throw Fault.tooLarge }
    let groups = Self.groups(of: maps)
    // Running statistics would demand more than one value of each map; here one is fine.
    effects = [
      try Effect("Batch", "all pictures of one map", BatchNorm2D(affine: false, trackRunningStats: false), on: x),
      try Effect("Layer", "all maps of one picture", LayerNorm2D(affine: false), on: x),
      try Effect("Instance", "each map of each picture alone", InstanceNorm2D(affine: false), on: x),
      try Effect(
        "Group (\(counted(groups, "group")))", "a group of maps of one picture",
        GroupNorm2D(groups: groups, affine: false), on: x),
    ]
  }

  /// The divisor of a number of maps that is nearest to two or three.
  static func groups(of maps: Int) -> Int {
    if maps % 2 == 0 { return 2 }
    return maps % 3 == 0 ? 3 : 1
  }
}

extension Comparison.Effect {
  init(_ title: String, _ rule: String, _ norm: Normalization, on x: Tensor) throws {
    self.title = title
    self.rule = rule
    try norm.calcMode(x.dtype)
    after = try norm(x).planeSummaries()
    let means = try norm.saveMean?.array(of: Double.self) ?? []
    let deviations = try norm.saveInvVar?.array(of: Double.self) ?? []
    sets = Self.sets(zip(means, deviations).map { [$0.bitPattern, $1.bitPattern] })
  }

  /// A number for each distinct pair, in the order in which they first occur.
  private static func sets(_ statistics: [[UInt64]]) -> [Int] {
    var numbers: [[UInt64]: Int] = [:]
    return statistics.map { pair in
      let number = numbers[pair] ?? numbers.count
      numbers[pair] = number
      return number
    }
  }
}

extension PlaneSummary {
  var mean: Double { moments.mean }
  var deviation: Double { moments.variance.squareRoot() }
}
