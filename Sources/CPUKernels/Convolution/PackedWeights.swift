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
    case .direct, .unfolded:
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
    case .direct, .unfolded: packDirectly(weights, c, memory, threads: threads)
    case .byKernelRow: packByKernelRow(weights, c)
    case .winograd: try packTransformed(weights, c, kernels, threads: threads)
    }
  }

  deinit { MemoryPool.shared.deallocate(memory, byteCount: byteCount) }

  /// [group][panel][k][l][c][o].
  private func packDirectly(
    _ weights: WeightsView, _ c: Correlation, _ target: UnsafeMutablePointer<Float>, threads: Int
  ) {
    let (inner, width, panels) = (c.inputMapsPerGroup, width, panels)
    let vectors = vectors
    let items = c.groups * panels * vectors
    let values = items * 16 * inner * c.kernelHeight * c.kernelWidth
    ThreadedWork.run(
      items: items, values: values,
      shares: ThreadedWork.shareCount(items: items, values: values, threads: threads)
    ) { _, items in
      for item in items {
        let (panel, vector) = item.quotientAndRemainder(dividingBy: vectors)
        let first = panel % panels * width + vector * 16
        weights.copyVector(
          weights.start + panel / panels * weights.group + first * weights.output,
          maps: min(16, c.outputMapsPerGroup - first), c,
          to: target + panel * c.kernelHeight * c.kernelWidth * inner * width + vector * 16, width: width)
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
            start, rows: inner, rowStep: weights.input,
            to: memory + panel * panelValues + column * inner * width + lane, width: width)
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
    packDirectly(weights, c, direct, threads: threads)
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
  /// to[(k, l, c) width + i] = w[o + i, c, k, l] for up to 16 maps, and zeros for the rest of them.
  ///
  /// - Parameter start: of w[o, 0, 0, 0].
  fileprivate func copyVector(
    _ start: Int, maps: Int, _ correlation: Correlation, to: UnsafeMutablePointer<Float>, width: Int
  ) {
    let (inner, kernelWidth) = (correlation.inputMapsPerGroup, correlation.kernelWidth)
    let places = correlation.kernelHeight * kernelWidth
    let floats = dtype == .float32 ? UnsafePointer(address.assumingMemoryBound(to: Float.self)) : nil
    // The places of a map's kernel are neighbours in memory.
    for map in 0..<inner {
      for place in 0..<places {
        let from = start + map * input + place / kernelWidth * row + place % kernelWidth * column
        let vector = to + (place * inner + map) * width
        if maps == 16, let floats {
          for lane in 0..<16 { vector[lane] = floats[from + lane * output] }
          continue
        }
        vector.update(repeating: 0, count: 16)
        for lane in 0..<max(maps, 0) { vector[lane] = Float(Values(address, dtype)[from + lane * output]) }
      }
    }
  }

  /// to[r width] = the value at start + r rowStep.
  fileprivate func copy(
    _ start: Int, rows: Int, rowStep: Int, to: UnsafeMutablePointer<Float>, width: Int
  ) {
    for row in 0..<rows { to[row * width] = Float(Values(address, dtype)[start + row * rowStep]) }
  }
}
