import Calls
import Tensors
import TestSupport

/// What a problem's results have to be, from the formulas in float64: sums over sets of planes, value by value, that share
/// no code with the library.
struct Oracle {
  private let problem: NormProblem
  private let planes: Planes
  private let x: [Double]
  private let residual: [Double]
  private(set) var dy: [Double]
  private(set) var n: [Double]
  private(set) var y: [Double]
  private(set) var dn: [Double]
  private(set) var dx: [Double]
  private(set) var mean: [Double]
  private(set) var invStd: [Double]
  private(set) var sums: [Double]

  /// Where rounding could decide on which side of 0 the activation's argument is, `problem.dy` becomes 0: then nothing
  /// hangs on it.
  init(_ problem: NormProblem) throws {
    self.problem = problem
    planes = problem.planes
    x = problem.x.values
    residual = problem.form.place == nil ? [] : problem.residual.values
    dy = problem.dy.values
    (n, y, dn, dx) = (x, x, x, x)
    (mean, invStd) = (problem.given.mean, problem.given.invStd)
    if problem.sharing != nil {
      mean = Array(repeating: 0, count: planes.count)
      invStd = mean
    }
    sums = Array(repeating: 0, count: 2 * planes.count)
    normalize()
    activate()
    differentiate()
  }

  /// Where the values of each set of planes lie.
  private var sets: [[(plane: Int, at: [Int])]] {
    planeSets(problem.sharing ?? .instance, images: planes.images, maps: planes.maps).map { set in
      set.map { plane in (plane, (0..<planes.size).map { planes.position(plane, $0) }) }
    }
  }

  private mutating func normalize() {
    for set in sets {
      if problem.sharing != nil {
        let size = Double(set.count * planes.size)
        // Of distances to a value of the set, so that a large mean takes no digits away.
        let first = set.first?.at.first.map { x[$0] } ?? 0
        var sum = 0.0
        for plane in set { for at in plane.at { sum += x[at] - first } }
        let shift = sum / size
        var squares = 0.0
        for plane in set { for at in plane.at { squares += (x[at] - first - shift) * (x[at] - first - shift) } }
        let spread = squares / size + problem.epsilon
        for (plane, _) in set {
          mean[plane] = first + shift
          invStd[plane] = spread == 0 ? 0 : 1 / spread.squareRoot()
        }
      }
      for (plane, places) in set {
        let (scale, bias) = parameters(plane)
        for at in places { n[at] = scale * (x[at] - mean[plane]) * invStd[plane] + bias }
      }
    }
  }

  private func parameters(_ plane: Int) -> (scale: Double, bias: Double) {
    (Double(problem.scale[plane % planes.maps]), Double(problem.bias[plane % planes.maps]))
  }

  private mutating func activate() {
    var isDecided = true
    for plane in 0..<planes.count {
      for index in 0..<planes.size {
        let at = planes.position(plane, index)
        let argument = problem.form.place == .beforeActivation ? n[at] + residual[at] : n[at]
        y[at] = problem.form.activated(argument) + (problem.form.place == .afterActivation ? residual[at] : 0)
        if problem.form.activation != .none, abs(argument) <= 2 * singleTolerance(at, plane % planes.maps) {
          dy[at] = 0
          isDecided = false
        }
        dn[at] = dy[at] * problem.form.slope(argument)
      }
    }
    if !isDecided { problem.dy.set(dy) }
  }

  private mutating func differentiate() {
    for set in sets {
      let size = Double(set.count * planes.size)
      var (gradient, product) = (0.0, 0.0)
      for (plane, places) in set {
        let scale = parameters(plane).scale
        for at in places {
          let xhat = (x[at] - mean[plane]) * invStd[plane]
          sums[plane] += dn[at]
          sums[planes.count + plane] += dn[at] * xhat
          gradient += scale * dn[at] / size
          product += scale * dn[at] * xhat / size
        }
      }
      if problem.sharing == nil { (gradient, product) = (0, 0) }
      for (plane, places) in set {
        let scale = parameters(plane).scale
        for at in places {
          let xhat = (x[at] - mean[plane]) * invStd[plane]
          dx[at] = invStd[plane] * (scale * dn[at] - gradient - xhat * product)
        }
      }
    }
  }

  /// What float32 arithmetic may add to or take from y.
  private func singleTolerance(_ at: Int, _ map: Int) -> Double {
    let (a, b) = (Double(problem.scale[map]), Double(problem.bias[map]))
    let added = residual.isEmpty ? 0 : abs(residual[at])
    return 1e-6 * (max(abs(a), abs(n[at] - b)) + abs(b)) + 1.2e-7 * (added + (residual.isEmpty ? 0 : abs(n[at])))
      + Double(Float.leastNonzeroMagnitude)
  }

  // MARK: How far results are off

  /// The largest errors, as parts of what is allowed.
  struct Errors {
    var y = 0.0
    var dx = 0.0
    var dn = 0.0
    var statistics = 0.0
    var sums = 0.0

    var worst: Double { max(max(y, dx), max(dn, statistics), sums) }
  }

  func errors(of result: NormProblem.Result) -> Errors {
    let (y, dx, dn) = (result.y.values, result.dx.values, result.dn.values)
    let (mean, invStd, sums) = (result.mean.values, result.invStd.values, result.sums.values)
    var errors = Errors()
    // Of scale dn, over the planes that share.
    var largestOfSet = Array(repeating: 0.0, count: planes.count)
    for set in planeSets(problem.sharing ?? .instance, images: planes.images, maps: planes.maps) {
      let largest = set.flatMap { plane in
        (0..<planes.size).map { index in
          let at = planes.position(plane, index)
          return abs(Double(problem.scale[plane % planes.maps])) * max(abs(dn[at]), abs(dy[at]))
        }
      }.max()
      for plane in set { largestOfSet[plane] = largest ?? 0 }
    }
    var (absolute, product) = (Array(repeating: 0.0, count: planes.count), Array(repeating: 0.0, count: planes.count))
    for plane in 0..<planes.count {
      let map = plane % planes.maps
      for index in 0..<planes.size {
        let at = planes.position(plane, index)
        let xhat = (x[at] - self.mean[plane]) * self.invStd[plane]
        absolute[plane] += abs(self.dn[at])
        product[plane] += abs(self.dn[at]) * max(1, abs(xhat))
      }
      for index in 0..<planes.size {
        let at = planes.position(plane, index)
        errors.y = max(errors.y, part(y[at], self.y[at], allowed: singleTolerance(at, map)))
        let allowed = 4e-6 * self.invStd[plane] * largestOfSet[plane]
        errors.dx = max(errors.dx, part(dx[at], self.dx[at], allowed: allowed + Double(Float.leastNonzeroMagnitude)))
        errors.dn = max(errors.dn, part(dn[at], self.dn[at], allowed: 1.2e-7 * abs(self.dn[at])))
      }
      errors.statistics = max(
        errors.statistics, abs(mean[plane] - self.mean[plane]) * self.invStd[plane] / 1e-6,
        abs(invStd[plane] - self.invStd[plane]) / (1e-6 * self.invStd[plane] + 1e-300))
    }
    // What counts of planes that share is the total of each map.
    func totals(_ values: [Double]) -> [Double] {
      guard problem.sumsAreTotals else { return values }
      return (0..<values.count / planes.count).flatMap { row in
        (0..<planes.maps).map { map in
          (0..<planes.images).reduce(0.0) { $0 + values[row * planes.count + $1 * planes.maps + map] }
        }
      }
    }
    let (expected, sizes) = (totals(self.sums), totals(absolute + product))
    for index in expected.indices {
      let difference = abs(sums[index] - expected[index])
      errors.sums = max(
        errors.sums, difference == 0 ? 0 : difference / (2e-6 * sizes[index]), difference.isNaN ? 1e9 : 0)
    }
    return errors
  }

  /// The rounding to the storage type is allowed beside what float32 arithmetic may do: half a unit in the last place.
  private func part(_ value: Double, _ expected: Double, allowed: Double) -> Double {
    if value == expected { return 0 }
    let difference = abs(value - expected)
    if difference.isNaN { return 1e9 }
    let rounding: Double
    switch planes.dtype {
    case .float16: rounding = Double(Float16(abs(expected) + allowed).ulp) / 2
    case .bfloat16: rounding = Double(Float(abs(expected) + allowed).ulp) * 32768
    case .float32, .float64: rounding = 0
    }
    let rest = difference - rounding
    return rest <= 0 ? 0 : allowed == 0 ? 1e9 : rest / allowed
  }
}
