import Foundation
import InstanceNorm
import Text

/// How fast the layer is on one shape, beside a copy of the same bytes within the device.
struct SpeedRow: Encodable {
  let shape: [Int]
  let layout: String
  let dtype: String
  /// The size of one tensor.
  let byteCount: Int
  let copy: Speed
  let forward: Speed
  /// Forward and backward, one after the other.
  let both: Speed

  /// Measures a device, and hands over each row as soon as it is there. Shapes that its memory would not hold are
  /// skipped.
  static func measureAll(on device: Device, _ found: (SpeedRow) throws -> Void) throws {
    for shape in device.isGPU ? largeShapes : smallShapes {
      for dtype in [DType.float32, .float16] {
        // x, dy, the copy and what the calls make of these, with some room.
        guard try shape.byteCount(of: dtype) < device.memory / 8 else { continue }
        for layout in Layout.allCases { try found(SpeedRow(shape, layout, dtype, on: device)) }
      }
    }
  }

  /// One that is all overhead, and some of 256 MiB and more in float32.
  private static let largeShapes: [Shape] = [
    [1, 64, 32, 32], [64, 256, 64, 64], [64, 64, 128, 128], [16, 64, 256, 256], [4, 32, 1024, 1024],
  ]
  private static let smallShapes: [Shape] = [[1, 64, 32, 32], [4, 64, 64, 64], [1, 32, 256, 256]]

  private init(_ shape: Shape, _ layout: Layout, _ dtype: DType, on device: Device) throws {
    func random(_ seed: UInt64) throws -> Tensor {
      try repeated(shape, seed: seed).to(device).to(dtype).to(layout)
    }
    let (x, dy) = (try random(1), try random(2))
    let copied = try Tensor(uninitializedLike: x)
    let forward = try device.instanceNorm(maps: shape[1], dtype)
    let both = try device.instanceNorm(maps: shape[1], dtype)
    let medians = try device.medianTimes(
      [
        { try device.copyMemory(of: x, to: copied) },
        { try forward(x) },
        {
          try both(x)
          try both.backward(dy)
        },
      ], group: device.isGPU ? 0.01 : 0.002, total: device.isGPU ? 1 : 0.3)
    (self.shape, self.layout, self.dtype, byteCount) = (shape.dimensions, layout.rawValue, dtype.rawValue, x.byteCount)
    func speed(_ index: Int, tensors: Double) -> Speed {
      Speed(seconds: medians[index], copy: medians[0], tensors: tensors, byteCount: x.byteCount)
    }
    copy = speed(0, tensors: 2)
    self.forward = speed(1, tensors: 2)
    self.both = speed(2, tensors: 5)
  }

  private static let widths = [21, 7, 6, 10, 10, 5, 5, 12, 5, 5]

  static let titles = tableRow(
    ["shape", "type", "layout", "copy", "forward", "GB/s", "share", "and backward", "GB/s", "share"], widths: widths)

  var line: String {
    func cells(_ speed: Speed) -> [String] {
      [duration(speed.seconds), String(format: "%.0f", speed.gigabytesPerSecond), String(format: "%.2f", speed.share)]
    }
    return tableRow(
      ["\(Shape(shape))", dtype, layout, String(format: "%.0f GB/s", copy.gigabytesPerSecond)] + cells(forward)
        + cells(both), widths: Self.widths)
  }
}
