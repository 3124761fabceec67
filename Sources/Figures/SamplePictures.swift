import InstanceNorm

extension Comparison {
  /// Random pictures (4, 6, 16, 16) in float32, the same each time: they differ in brightness and contrast, and so do
  /// their maps, so that every type of normalisation does something else to them.
  package static func samplePictures() throws -> Tensor {
    let shape: Shape = [4, 6, 16, 16]
    let (brightness, contrast) = ([-1.4, 0.3, 1.5, 0.4], [0.6, 1.5, 0.9, 0.4])
    let (offset, gain) = ([-0.8, 0.5, -0.1, 0.9, -0.4, 0.2], [1.2, 0.6, 1.0, 0.8, 0.5, 1.4])
    let size = shape[2] * shape[3]
    let wobble = try Tensor.randomNormal([shape[0], shape[1]], deviation: 0.08, seed: 2018).array(of: Double.self)
    let noise = try Tensor.randomNormal(shape, seed: 2016).array(of: Float.self)
    let values = noise.enumerated().map { index, value in
      let plane = index / size
      let (t, i) = (plane / shape[1], plane % shape[1])
      return Float(brightness[t] + contrast[t] * (offset[i] + wobble[plane] + gain[i] * Double(value)))
    }
    return try Tensor(values, shape: shape)
  }
}
