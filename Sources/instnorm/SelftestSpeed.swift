import Foundation
import InstanceNorm

/// How fast the layer is on one shape, beside a copy of the same bytes within the device.
struct SpeedRow: Encodable {
  let shape: [Int]
  let layout: String
  let dtype: String
  /// Of one tensor.
  let byteCount: Int
  let copy: Speed
  let forward: Speed
  /// Forward and backward, one after the other.
  let both: Speed

  struct Speed: Encodable {
    let seconds: Double
    /// Of the tensors that have to be read and written, each once; 10^9 bytes a second.
    let gigabytesPerSecond: Double
    /// Of the copy's.
    let share: Double
  }

  /// The rows for a device, each as soon as it is measured. What would not fit its memory is left out.
  static func measureAll(on device: Device, _ found: (SpeedRow) throws -> Void) throws {
    for shape in device.isGPU ? largeShapes : smallShapes {
      for dtype in [DType.float32, .float16] {
        // x, dy, the copy and what the calls make of these, with some room.
        guard try shape.byteCount(of: dtype) < device.memory / 8 else { continue }
        for layout in Layout.allCases { try found(SpeedRow(shape, layout, dtype, on: device)) }
      }
    }
  }

  /// 256 MiB and more in float32, and one that is all overhead.
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
    let (forward, both) = (try InstanceNorm2D(numOfMaps: shape[1]), try InstanceNorm2D(numOfMaps: shape[1]))
    for layer in [forward, both] {
      try layer.calcMode(dtype)
      try layer.to(device)
    }
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
      Speed(
        seconds: medians[index], gigabytesPerSecond: tensors * Double(x.byteCount) / medians[index] / 1e9,
        share: medians[0] * tensors / 2 / medians[index])
    }
    copy = speed(0, tensors: 2)
    self.forward = speed(1, tensors: 2)
    self.both = speed(2, tensors: 5)
  }

  static let titles = columns([
    "shape", "type", "layout", "copy", "forward", "GB/s", "share", "and backward", "GB/s", "share",
  ])

  var line: String {
    func cells(_ speed: Speed) -> [String] {
      [duration(speed.seconds), String(format: "%.0f", speed.gigabytesPerSecond), String(format: "%.2f", speed.share)]
    }
    return Self.columns(
      ["\(Shape(shape))", dtype, layout, String(format: "%.0f GB/s", copy.gigabytesPerSecond)] + cells(forward)
        + cells(both))
  }

  private static func columns(_ cells: [String]) -> String {
    zip(cells, [21, 7, 6, 10, 10, 5, 5, 12, 5, 5]).map { cell, width in
      String(repeating: " ", count: max(0, width - cell.count)) + cell
    }.joined(separator: "  ")
  }
}
