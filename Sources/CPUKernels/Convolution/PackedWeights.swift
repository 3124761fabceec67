import CConvolutionKernels
import Calls
import Tensors

/// Weights w[o, c, k, l] in memory, in any order: whoever means them turned round has negative strides.
struct WeightsView {
  var address: UnsafeMutableRawPointer
  var dtype: DType
  var start = 0
  /// From the weights of one group to those of the next.
  var group = 0
  var output: Int
  var input: Int
  var row: Int
  var column: Int
}

/// Weights in the order in which the kernels read them, with the bias; float32.
final class PackedWeights: @unchecked Sendable {
  // Unchecked: nothing is written after the initializer.
  let method: CorrelationMethod
  /// Of 16 maps, in a panel.
  let vectors: Int
  /// Of a group.
  let panels: Int
  /// Of a panel, and of a panel of one frequency.
  let panelValues: Int

  private let memory: UnsafeMutablePointer<Float>
  private let byteCount: Int
  private let biasStart: Int

  var width: Int { vectors * 16 }
  /// Room for the maps of a group, as panels have it.
  var pitch: Int { panels * width }

  func panel(_ panel: Int, group: Int = 0) -> UnsafePointer<Float> {
    UnsafePointer(memory + (group * panels + panel) * panelValues)
  }

  func panel(_ panel: Int, frequency: Int) -> UnsafePointer<Float> {
    UnsafePointer(memory + (frequency * panels + panel) * panelValues)
  }

  /// The bias of a group's maps, or zeros, as many as panels have lanes.
  func bias(group: Int = 0) -> UnsafePointer<Float> { UnsafePointer(memory + biasStart + group * biasPitch) }

  private let biasPitch: Int

  init(
    _ weights: WeightsView, bias: UnsafeMutableRawPointer?, _ correlation: Correlation, _ method: CorrelationMethod,
    _ kernels: ConvolutionKernels, threads: Int
  ) throws(TensorError) {
    self.method = method
    let c = correlation
    // Kernel rows stand side by side as maps.
    let maps = method == .byKernelRow ? c.outputMaps * c.kernelHeight : c.outputMapsPerGroup
    vectors = kernels.table.panel_vectors(maps)
    panels = (maps + vectors * 16 - 1) / (vectors * 16)
    let width = vectors * 16
    let inner = c.inputMapsPerGroup
    let parts: Int
    switch method {
    case .direct:
      panelValues = c.kernelHeight * c.kernelWidth * inner * width
      parts = c.groups
    case .winograd:
      panelValues = inner * width
      parts = 36
    case .byKernelRow:
      panelValues = c.kernelWidth * inner * width
      parts = 1
    }
    biasStart = parts * panels * panelValues
    biasPitch = (max(panels * width, c.outputMapsPerGroup) + 15) / 16 * 16
    byteCount = (biasStart + c.groups * biasPitch) * 4
    memory = try MemoryPool.shared.allocate(byteCount: byteCount).assumingMemoryBound(to: Float.self)
    (memory + biasStart).update(repeating: 0, count: c.groups * biasPitch)
    if let bias {
      let values = Values(bias, weights.dtype)
      for map in 0..<c.outputMaps {
        let (group, index) = map.quotientAndRemainder(dividingBy: c.outputMapsPerGroup)
        memory[biasStart + group * biasPitch + index] = Float(values[map])
      }
    }
    switch method {
    case .direct: packDirectly(weights, c, memory)
    case .byKernelRow: packByKernelRow(weights, c)
    case .winograd: try packTransformed(weights, c, kernels, threads: threads)
    }
  }

  deinit { MemoryPool.shared.deallocate(memory, byteCount: byteCount) }

  /// [group][panel][k][l][c][o].
  private func packDirectly(_ weights: WeightsView, _ c: Correlation, _ target: UnsafeMutablePointer<Float>) {
    let (inner, maps, width) = (c.inputMapsPerGroup, c.outputMapsPerGroup, width)
    for group in 0..<c.groups {
      for panel in 0..<panels {
        let to = target + (group * panels + panel) * c.kernelHeight * c.kernelWidth * inner * width
        let first = panel * width
        for place in 0..<c.kernelHeight * c.kernelWidth {
          let start =
            weights.start + group * weights.group + first * weights.output + place / c.kernelWidth * weights.row
            + place % c.kernelWidth * weights.column
          weights.copy(
            start, rows: inner, rowStep: weights.input, columns: min(width, maps - first), columnStep: weights.output,
            to: to + place * inner * width, width: width)
        }
      }
    }
  }

  /// [panel][l][c][k o].
  private func packByKernelRow(_ weights: WeightsView, _ c: Correlation) {
    memory.update(repeating: 0, count: biasStart)
    let (inner, maps, width) = (c.inputMapsPerGroup, c.outputMaps, width)
    for row in 0..<c.kernelHeight {
      for map in 0..<maps {
        let (panel, lane) = (row * maps + map).quotientAndRemainder(dividingBy: width)
        for column in 0..<c.kernelWidth {
          let start = weights.start + map * weights.output + row * weights.row + column * weights.column
          weights.copy(
            start, rows: inner, rowStep: weights.input, columns: 1, columnStep: 0,
            to: memory + panel * panelValues + column * inner * width + lane, width: width, fills: false)
        }
      }
    }
  }

  /// [frequency][panel][c][o], of G g G^T.
  private func packTransformed(
    _ weights: WeightsView, _ c: Correlation, _ kernels: ConvolutionKernels, threads: Int
  ) throws(TensorError) {
    let (inner, width, panels) = (c.inputMaps, width, panels)
    let scratch = try Scratch(shares: 1, bytesPerShare: 9 * inner * width * panels * 4)
    let direct = scratch.address.raw(share: 0).assumingMemoryBound(to: Float.self)
    packDirectly(weights, c, direct)
    let (panelValues, memory) = (panelValues, memory)
    let values = 36 * inner * width * panels
    ThreadedWork.run(
      items: panels * inner, values: values,
      shares: ThreadedWork.shareCount(items: panels * inner, values: values, threads: threads)
    ) { _, items in
      for item in items {
        let (panel, row) = item.quotientAndRemainder(dividingBy: inner)
        kernels.table.winograd_weights(
          direct + panel * 9 * inner * width + row * width, inner * width, width / 16,
          memory + panel * panelValues + row * width, panels * panelValues)
      }
    }
  }
}

extension WeightsView {
  /// to[r width + c] = the value at start + r rowStep + c columnStep, and zeros up to the width.
  fileprivate func copy(
    _ start: Int, rows: Int, rowStep: Int, columns: Int, columnStep: Int, to: UnsafeMutablePointer<Float>, width: Int,
    fills: Bool = true
  ) {
    if dtype == .float32 {
      let from = address.assumingMemoryBound(to: Float.self) + start
      for row in 0..<rows {
        for column in 0..<columns { to[row * width + column] = from[row * rowStep + column * columnStep] }
      }
    } else {
      let from = Values(address, dtype)
      for row in 0..<rows {
        for column in 0..<columns {
          to[row * width + column] = Float(from[start + row * rowStep + column * columnStep])
        }
      }
    }
    guard fills, columns < width else { return }
    for row in 0..<rows { (to + row * width + columns).update(repeating: 0, count: width - columns) }
  }
}
