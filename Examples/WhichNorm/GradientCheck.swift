import InstanceNorm

/// How far the convolution's gradients are from what its results do when a value is changed, relative to the largest.
///
/// A convolution is linear in its data and linear in its weights, so that a change of 1 is as good as a small one, and
/// only rounding is left.
func gradientError() throws -> Double {
  let convolution = try Convolution2D(inMaps: 2, outMaps: 3, seed: 1)
  var x = try Tensor.randomNormal([2, 2, 5, 4], seed: 2)
  let dy = try Tensor.randomNormal([2, 3, 5, 4], seed: 3)
  func loss() throws -> Double { try (convolution(x) * dy).sum().scalar() }

  let before = try loss()
  let dx = try convolution.backward(dy)
  let gradients = [dx] + convolution.variables.compactMap(\.variable.grad)
  var error = 0.0
  var largest = 0.0

  func compare(_ gradient: Tensor, change: (Int, Float) throws -> Void) throws {
    for (index, expected) in try gradient.array(of: Double.self).enumerated() {
      try change(index, 1)
      error = max(error, abs(try loss() - before - expected))
      largest = max(largest, abs(expected))
      try change(index, -1)
    }
  }

  try compare(dx) { index, change in try x.withUnsafeMutableBuffer(of: Float.self) { $0[index] += change } }
  for (gradient, (_, variable)) in zip(gradients.dropFirst(), convolution.variables) {
    try compare(gradient) { index, change in
      try variable.data.withUnsafeMutableBuffer(of: Float.self) { $0[index] += change }
    }
  }
  return error / largest
}
