import Calls
import Tensors

/// One value of all those along some axes.
struct Reduction: Operation {
  let function: ReductionFunction
  var input: Tensor
  /// In ascending order.
  let axes: [Int]
  /// Whether the axes stay, with extents of 1.
  let keepsAxes: Bool

  /// - Parameter axes: nil for all.
  /// - Throws: `TensorError.argument(name:expected:got:)` for an axis that is not there, or there twice.
  init(_ function: ReductionFunction, _ input: Tensor, over axes: [Int]?, keepingAxes: Bool) throws {
    self.function = function
    self.input = input
    self.axes = try axes.map { try input.checked(axes: $0) } ?? Array(input.shape.indices)
    keepsAxes = keepingAxes
  }

  func form() throws -> TensorForm {
    if function == .max, input.count == 0, try keptShape.elementCount() > 0 {
      throw TensorError.invalidShape(input.shape, reason: "of no values there is no greatest")
    }
    let shape = keepsAxes ? keptShape : droppedShape
    let keepsLayout = input.layout.allows(rank: shape.rank) && (keepsAxes || axes.allSatisfy { $0 > 1 })
    return TensorForm(shape, input.dtype, keepsLayout ? input.layout : .nchw)
  }

  /// With extents of 1 for what goes.
  private var keptShape: Shape { Shape(input.shape.indices.map { axes.contains($0) ? 1 : input.shape[$0] }) }
  private var droppedShape: Shape {
    Shape(input.shape.indices.filter { !axes.contains($0) }.map { input.shape[$0] })
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    guard input.count > 0 else { return try result.fillMemory(with: function == .mean ? .nan : 0) }
    let strides = input.strides
    var resultStrides = result.strides
    if !keepsAxes {
      for axis in axes { resultStrides.insert(0, at: axis) }
    }
    // Apart, since what is joined has to stay on its side.
    let order = input.layout.memoryOrder(Array(input.shape.indices))
    let keptAxes = order.filter { !axes.contains($0) }
    let reducedAxes = order.filter { axes.contains($0) }
    let kept = try Strided(
      Shape(keptAxes.map { input.shape[$0] }), [keptAxes.map { strides[$0] }, keptAxes.map { resultStrides[$0] }])
    let reduced = try Strided(Shape(reducedAxes.map { input.shape[$0] }), [reducedAxes.map { strides[$0] }])
    guard kept.extents.count + reduced.extents.count <= Axes.limit else {
      throw TensorError.invalidShape(input.shape, reason: "its axes lie in memory in too many pieces")
    }
    let call = ReductionCall(
      function, kept: kept.extents, reduced: reduced.extents,
      input: View(
        input.storage.address, input.dtype, strides: Axes(Array(kept.strides[0]) + Array(reduced.strides[0]))),
      output: View(result.storage.address, result.dtype, strides: kept.strides[1]))
    try withExtendedLifetime((input, result)) { try call.run(on: result.storage.backend) }
  }

  var pullbackReads: PullbackReads { function == .max ? [.operands, .result] : [] }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    guard sums.needs(input) else { return }
    let spread = try keepsAxes ? gradient : gradient.to(.nchw).reshaped(to: keptShape)
    switch function {
    case .sum: try sums.add(spread.broadcast(to: input.shape).to(input.layout), to: input)
    case .mean:
      let count = axes.reduce(1) { $0 * input.shape[$1] }
      try sums.add((spread / Double(count)).broadcast(to: input.shape).to(input.layout), to: input)
    case .max:
      // Evenly to all that are the greatest.
      let greatest = try (keepsAxes ? result : result.to(.nchw).reshaped(to: keptShape)).stopGradient()
      let ones = try Tensor(
        repeating: 1, shape: input.shape, dtype: input.dtype, layout: input.layout, on: input.device)
      let isLess = try Binary(.gate(slope: 0), ones, (greatest - input.stopGradient()).to(input.layout)).result()
      let isGreatest = try 1 - isLess
      try sums.add(isGreatest * (spread / isGreatest.sum(over: axes, keepingAxes: true)), to: input)
    }
  }
}

extension Tensor {
  /// Axes in ascending order; counted from the end where they are negative.
  func checked(axes: [Int]) throws -> [Int] {
    let found = try axes.map { try checked(axis: $0) }.sorted()
    guard Set(found).count == found.count else {
      throw TensorError.argument(name: "axes", expected: "each axis once", got: "\(axes)")
    }
    return found
  }

  func checked(axis: Int) throws -> Int {
    guard (-shape.rank..<shape.rank).contains(axis) else {
      throw TensorError.argument(
        name: "axis", expected: "one of the \(shape.rank) axes of shape \(shape)", got: "\(axis)")
    }
    return axis < 0 ? axis + shape.rank : axis
  }

  /// The sum of all values, or of those along some axes, added in float64 in a fixed order and rounded once.
  ///
  /// - Parameters:
  ///   - axes: nil for all; counted from the end where negative.
  ///   - keepingAxes: whether these stay, with extents of 1.
  /// - Throws: `TensorError.argument(name:expected:got:)` for an axis that is not there.
  public func sum(over axes: [Int]? = nil, keepingAxes: Bool = false) throws -> Tensor {
    try Reduction(.sum, self, over: axes, keepingAxes: keepingAxes).result()
  }

  /// The mean of all values, or of those along some axes, as ``sum(over:keepingAxes:)``; NaN of none.
  public func mean(over axes: [Int]? = nil, keepingAxes: Bool = false) throws -> Tensor {
    try Reduction(.mean, self, over: axes, keepingAxes: keepingAxes).result()
  }

  /// The greatest value, likewise; NaN where one is. The gradient goes to all that are greatest, evenly.
  ///
  /// - Throws: also `TensorError.invalidShape(_:reason:)` of no values.
  public func max(over axes: [Int]? = nil, keepingAxes: Bool = false) throws -> Tensor {
    try Reduction(.max, self, over: axes, keepingAxes: keepingAxes).result()
  }

  /// The root of the sum of the squares, likewise. The gradient where all are 0 is not a number.
  public func norm(over axes: [Int]? = nil, keepingAxes: Bool = false) throws -> Tensor {
    try square().sum(over: axes, keepingAxes: keepingAxes).squareRoot()
  }

  /// The value of a tensor of one. On a GPU this waits for it.
  ///
  /// - Throws: `TensorError.valueCount(expected:got:shape:)` of several or none.
  public func scalar() throws -> Double {
    guard count == 1 else { throw TensorError.valueCount(expected: 1, got: count, shape: shape) }
    return try array(of: Double.self)[0]
  }
}
