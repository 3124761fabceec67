import Calls
import Tensors

/// What is at the places where windows over pictures have their greatest values, and what comes back to these places. It
/// is linear in its operand, and constant in what chooses the places; so each direction's gradient is the other.
struct MaxPooling: Operation {
  typealias Direction = PoolingCall.Direction

  let direction: Direction
  let geometry: PoolingGeometry
  /// The pictures whose greatest values are looked for.
  var chooser: Tensor
  /// Of the pictures' shape in `gather`, a value for each window in `scatter`; of the chooser's dtype and layout.
  var operand: Tensor

  func form() throws -> TensorForm {
    let isGather = direction == .gather
    let expected = isGather ? geometry.pictureShape : geometry.pooledShape
    guard operand.shape == expected else {
      throw TensorError.shapeMismatch(operation: "max pooling", expected: expected, got: operand.shape)
    }
    return TensorForm(isGather ? geometry.pooledShape : geometry.pictureShape, chooser.dtype, chooser.layout)
  }

  mutating func forEachOperand(_ body: (inout Tensor) throws -> Void) rethrows {
    try body(&chooser)
    try body(&operand)
  }

  mutating func run(into result: inout Tensor) throws {
    guard result.count > 0 else { return }
    func view(_ tensor: Tensor) -> View {
      View(tensor.storage.address, tensor.dtype, strides: Axes(tensor.strides))
    }
    let (picture, pooled) = direction == .gather ? (operand, result) : (result, operand)
    try withExtendedLifetime((chooser, operand, result)) {
      try PoolingCall(
        direction, geometry, chooser: chooser.storage.address, picture: view(picture), pooled: view(pooled)
      ).run(on: result.storage.backend)
    }
  }

  func pullback(_ gradient: Tensor, of result: Tensor, into sums: inout GradientSums) throws {
    let other: Direction = direction == .gather ? .scatter : .gather
    try sums.add(
      MaxPooling(direction: other, geometry: geometry, chooser: chooser, operand: gradient.to(chooser.layout)).result(),
      to: operand)
  }
}
