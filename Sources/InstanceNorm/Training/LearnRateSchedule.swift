/// By what an optimizer's learn rate is multiplied, step by step: a function of the number of steps before, so that there
/// is nothing to save.
///
///     optimizer.schedule = try .linearDecay(after: 10_000, over: 10_000)
///     optimizer.schedule = try .warmUp(over: 500, then: .cosine(over: 20_000))
public struct LearnRateSchedule: Equatable, Sendable {
  private indirect enum Form: Equatable, Sendable {
    case constant
    case linearDecay(after: Int, over: Int)
    case cosine(over: Int, floor: Double)
    case steps([Int], factor: Double)
    case warmUp(over: Int, then: Form)
  }

  private let form: Form

  /// 1 always.
  public static let constant = LearnRateSchedule(form: .constant)

  /// 1 for some steps, then in equal steps down to 0, as CycleGAN is trained (Zhu et al., "Unpaired image-to-image
  /// translation", 2017).
  ///
  /// - Parameters:
  ///   - start: for how many steps it is 1; 0 or more.
  ///   - count: in how many steps it comes to 0, where it stays; 1 or more.
  /// - Throws: ``OptimizerError/argument(name:expected:got:)``.
  public static func linearDecay(after start: Int, over count: Int) throws -> LearnRateSchedule {
    try check("after", start, least: 0)
    try check("over", count, least: 1)
    return LearnRateSchedule(form: .linearDecay(after: start, over: count))
  }

  /// Half a wave from 1 down to a floor, where it stays: `floor + (1 - floor) (1 + cos(pi step / count)) / 2`
  /// (Loshchilov and Hutter, "SGDR", 2017, without restarts).
  ///
  /// - Parameters:
  ///   - count: in how many steps; 1 or more.
  ///   - floor: a part of the learn rate, 0 to 1.
  /// - Throws: ``OptimizerError/argument(name:expected:got:)``.
  public static func cosine(over count: Int, floor: Double = 0) throws -> LearnRateSchedule {
    try check("over", count, least: 1)
    try Optimizer.check("floor", floor, "0 to 1") { $0 >= 0 && $0 <= 1 }
    return LearnRateSchedule(form: .cosine(over: count, floor: floor))
  }

  /// Multiplied by a factor after each of some numbers of steps.
  ///
  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` when one is negative, or the factor negative or not finite.
  public static func steps(at milestones: [Int], factor: Double = 0.1) throws -> LearnRateSchedule {
    for milestone in milestones { try check("at", milestone, least: 0) }
    try Optimizer.check("factor", factor, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    return LearnRateSchedule(form: .steps(milestones.sorted(), factor: factor))
  }

  /// `(step + 1) / count` for the first steps, and then another schedule from its beginning.
  ///
  /// - Throws: ``OptimizerError/argument(name:expected:got:)`` when the count is negative.
  public static func warmUp(over count: Int, then schedule: LearnRateSchedule = .constant) throws -> LearnRateSchedule {
    try check("over", count, least: 0)
    return LearnRateSchedule(form: .warmUp(over: count, then: schedule.form))
  }

  /// The factor of a step's rate.
  ///
  /// - Parameter step: how many steps came before it.
  public func factor(at step: Int) -> Double { Self.factor(of: form, at: max(step, 0)) }

  private static func factor(of form: Form, at step: Int) -> Double {
    switch form {
    case .constant: return 1
    case .linearDecay(let start, let count):
      if step <= start { return 1 }
      return step - start >= count ? 0 : Double(count - (step - start)) / Double(count)
    case .cosine(let count, let floor):
      if step >= count { return floor }
      return floor + (1 - floor) * (1 + cosine(ofHalfTurns: Double(step) / Double(count))) / 2
    case .steps(let milestones, let factor):
      return milestones.reduce(1) { $1 <= step ? $0 * factor : $0 }
    case .warmUp(let count, let next):
      return step < count ? Double(step + 1) / Double(count) : Self.factor(of: next, at: step - count)
    }
  }

  private static func check(_ name: String, _ value: Int, least: Int) throws {
    guard value >= least else {
      throw OptimizerError.argument(name: name, expected: "\(least) or more", got: "\(value)")
    }
  }

  /// cos(pi x) for x from 0 to 1, by its series: the same bits on every platform, which the C library does not promise.
  private static func cosine(ofHalfTurns x: Double) -> Double {
    if x > 0.5 { return -cosine(ofHalfTurns: 1 - x) }
    // Of an eighth of a turn at most: cos(pi x) = 1 - 2 sin^2(pi x / 2).
    let angle = Double.pi * x / 2
    let square = angle * angle
    var series = 1.0
    for odd in stride(from: 19.0, through: 3, by: -2) { series = 1 - square / (odd * (odd - 1)) * series }
    let sine = angle * series
    return 1 - 2 * sine * sine
  }
}
