import InstanceNorm

/// Gives the pixels of a camera, rows of red, green, blue and alpha bytes, a tint, and bytes back.
func tinted(_ pixels: [UInt8], height: Int, width: Int, by tint: [Float]) throws -> [UInt8] {
  let x = try Tensor(shape: [1, 4, height, width], layout: .nhwc) { (buffer: UnsafeMutableBufferPointer<Float>) in
    for i in buffer.indices { buffer[i] = Float(pixels[i]) / 255 }
  }
  let parts = try x.split(along: 1, into: [3, 1])
  let grey = try parts[0].mean(over: [1], keepingAxes: true)
  let colors = try (0.5 * parts[0] + 0.5 * grey * Tensor(tint, shape: [1, 3, 1, 1])).clamped(to: 0...1)
  let y = try Tensor.concatenated([colors, parts[1]], along: 1)
  return try y.withUnsafeBuffer(of: Float.self) { buffer in buffer.map { UInt8($0 * 255 + 0.5) } }
}
