import Calls
import Tensors

/// Values in other places, of another type, in another order of memory, or weighted sums of them: each axis of the result
/// is an axis of the input, by way of a sparse matrix where it is not the same.
///
/// Permutations, parts, padding, resizing and conversions are all of this form, and so is the gradient of each.
struct Rearrange: Operation {
  var input: Tensor
  let shape: Shape
  let dtype: DType
  let layout: Layout
  /// For each axis of the result, that of the input which it is.
  let axes: [Int]
  /// For each axis of the result, what its places are made of; nil where they are the same places.
  let maps: [AxisMap?]

  /// - Parameters:
  ///   - axes: nil for the same ones.
  ///   - maps: by axes of the result, those that change.
  init(
    _ input: Tensor, axes: [Int]? = nil, maps: [Int: AxisMap] = [:], dtype: DType? = nil, layout: Layout? = nil
  ) {
    self.input = input
    let axes = axes ?? Array(input.shape.indices)
    self.axes = axes
    self.maps = axes.indices.map { maps[$0] }
    shape = Shape(axes.indices.map { maps[$0]?.extent ?? input.shape[axes[$0]] })
    self.dtype = dtype ?? input.dtype
    self.layout = layout ?? input.layout
  }

  func form() throws -> TensorForm {
    // Places are counted in 32 bits.
    if zip(axes, maps).contains(where: { $1 != nil && input.shape[$0] > Int(Int32.max) }) {
      throw TensorError.invalidShape(input.shape, reason: "an axis is too long to be rearranged")
    }
    return TensorForm(shape, dtype, layout)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows { try body(&input) }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    guard input.count > 0 else { return try result.fillMemory(with: 0) }
    let call = try call(into: result, offset: 0)
    try withExtendedLifetime((input, result)) { try call.run(on: result.storage.backend) }
  }

  /// The record, for a part of a tensor that begins some values from its start.
  func call(into target: Tensor, offset: Int) throws -> RearrangeCall {
    let own = input.strides
    let separate = Set(maps.indices.filter { maps[$0] != nil })
    let joined = try Strided(shape, order: target.layout, [axes.map { own[$0] }, target.strides], separate: separate)
    return RearrangeCall(
      extents: joined.extents, input: View(input.storage.address, input.dtype, strides: joined.strides[0]),
      output: View(
        target.storage.address + offset * target.dtype.byteCount, target.dtype, strides: joined.strides[1]),
      maps: separate.isEmpty ? [] : joined.axes.map { $0.flatMap { maps[$0] } })
  }

  var pullbackReads: PullbackReads { [] }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    var inverse = Array(repeating: 0, count: axes.count)
    for (axis, source) in axes.enumerated() { inverse[source] = axis }
    var transposed: [Int: AxisMap] = [:]
    for (axis, map) in maps.enumerated() { transposed[axes[axis]] = map?.transposed }
    try sums.add(
      Rearrange(gradient, axes: inverse, maps: transposed, dtype: input.dtype, layout: input.layout).result(),
      to: input)
  }
}
