import CElementKernels
import CNormKernels
import Calls
import Tensors

/// Where a convolution's results go: rows of pixels with the maps together, float32, become rows of any type and layout.
struct OutputRows {
  let address: UnsafeMutableRawPointer
  let dtype: DType
  let layout: Layout
  let maps: Int
  let height: Int
  let width: Int
  /// Which of the rows and columns of what is in memory are written, which may be larger: every `step`th from `start`.
  var every = (rows: Every(), columns: Every())
  private let type: norm_type
  private let kernels: ElementKernels

  struct Every {
    var start = 0
    var step = 1
  }

  init?(
    _ address: UnsafeMutableRawPointer, _ dtype: DType, _ layout: Layout, maps: Int, height: Int, width: Int,
    _ kernels: ElementKernels
  ) {
    guard let type = dtype.kernelType else { return nil }
    self.type = type
    self.address = address
    self.dtype = dtype
    self.layout = layout
    self.maps = maps
    self.height = height
    self.width = width
    self.kernels = kernels
  }

  /// Whether results can be written where they belong, if panels have no lanes without a map.
  var isPlain: Bool { dtype == .float32 && (layout == .nhwc || maps == 1) }

  /// Of the maps together, the first value of a row.
  func row(_ image: Int, _ row: Int) -> UnsafeMutablePointer<Float> {
    address.assumingMemoryBound(to: Float.self) + pixel(image, row, 0) * maps
  }

  /// From a pixel that is written to the next of its row.
  var pixelStep: Int { every.columns.step * maps }
  /// From a row that is written to the next.
  var rowStep: Int { every.rows.step * width * maps }

  private func pixel(_ image: Int, _ row: Int, _ column: Int) -> Int {
    (image * height + every.rows.start + row * every.rows.step) * width + every.columns.start
      + column * every.columns.step
  }

  /// Writes some of a row's pixels. Where not all columns are written, the maps are together.
  ///
  /// - Parameters:
  ///   - pixels: float32, which may be changed.
  ///   - pitch: values from pixel to pixel of these.
  ///   - groupPitch: values from one of the groups that maps come in to the next.
  func write(
    _ pixels: UnsafeMutablePointer<Float>, pitch: Int, groups: Int, groupPitch: Int, image: Int, row: Int,
    columns: Range<Int>
  ) {
    let from = UnsafeMutableRawPointer(pixels)
    let bytes = dtype.byteCount
    let groupMaps = maps / groups
    let plane = height * width
    if layout == .nhwc {
      let to = address + pixel(image, row, columns.lowerBound) * maps * bytes
      if pitch == maps, every.columns.step == 1 {
        return kernels.table.convert(.float32, type, from, to, columns.count * maps, false)
      }
      for pixel in 0..<columns.count {
        for group in 0..<groups {
          kernels.table.convert(
            .float32, type, from + (pixel * pitch + group * groupPitch) * 4,
            to + (pixel * pixelStep + group * groupMaps) * bytes, groupMaps, false)
        }
      }
      return
    }
    if dtype != .float32 {
      // In place: what is written is never ahead of what is read.
      kernels.table.convert(.float32, type, from, from, columns.count * pitch, false)
    }
    let to = address + (image * maps * plane + row * width + columns.lowerBound) * bytes
    for group in 0..<groups {
      kernels.table.transpose(
        bytes, from + group * groupPitch * bytes, pitch, to + group * groupMaps * plane * bytes, plane, columns.count,
        groupMaps, false)
    }
  }
}
