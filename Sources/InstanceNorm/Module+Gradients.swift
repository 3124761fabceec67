import Operations
import Tensors

/// The value of a loss, and its gradients by the variables of some modules. The loss may call each of them any number
/// of times.
///
///     let (loss, gradients) = try valueAndGradients(of: forth, back) {
///       let (there, home) = (try forth(day), try back(dusk))
///       return try meanAbsoluteError(back(there), day) + meanAbsoluteError(forth(home), dusk)
///     }
///     try optimizer.update(gradients)
///
/// Modules keep nothing of these calls. Frozen variables (`Variable.isTrained`) and those of parts in evaluation mode
/// count as constants.
///
/// - Parameters:
///   - modules: those that the gradients are by.
///   - body: gives a tensor of one value.
/// - Throws: `GradientError.severalValues(shape:)`; what the body throws.
public func valueAndGradients(
  of modules: Module..., body: () throws -> Tensor
) throws -> (value: Tensor, gradients: Gradients) {
  try valueAndGradients(of: modules.flatMap { $0.variables.map(\.variable) }, body)
}

/// The value of a loss of a tensor, and its gradient by that: what a module's backward pass begins with.
///
///     let (loss, grad) = try valueAndGradient(by: model(x)) { try meanSquaredError($0, target) }
///     try model.backward(grad)
public func valueAndGradient(
  by tensor: Tensor, _ loss: (Tensor) throws -> Tensor
) throws -> (value: Tensor, gradient: Tensor) {
  var value: Tensor?
  let gradient = try gradients(
    of: {
      let loss = try loss(tensor)
      value = loss
      return loss
    }(), by: tensor)
  return (value?.withoutOrigin ?? gradient, gradient)
}
