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
  /// From a frequency to the next.
  private let frequencyValues: Int

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
    UnsafePointer(memory + frequency * frequencyValues + panel * panelValues)
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
    let partCount: Int
    switch method {
    case .direct, .unfolded:
      panelValues = c.kernelHeight * c.kernelWidth * inner * width
      partCount = c.groups
    case .winograd(let scheme):
      panelValues = scheme.maps * width
      partCount = 36
    case .byKernelRow:
      panelValues = c.kernelWidth * inner * width
      partCount = 1
    }
    // An odd number of cache lines, so that frequencies do not all fall on the same ones of a cache's sets.
    let lines = panels * panelValues / 16
    frequencyValues = (lines + (lines % 2 == 0 ? 1 : 0)) * 16
    biasStart = if case .winograd = method { partCount * frequencyValues } else { partCount * panels * panelValues }
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
    case .winograd(let scheme): try packTransformed(weights, c, scheme, kernels, threads: threads)
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

  /// [frequency][panel][c][o], of G g G^T; with a stride, [frequency][panel][pixel of a step][c][o].
  private func packTransformed(
    _ weights: WeightsView, _ c: Correlation, _ scheme: WinogradScheme, _ kernels: ConvolutionKernels, threads: Int
  ) throws(TensorError) {
    let (inner, width, vectors, stride) = (c.inputMaps, width, vectors, scheme.stride)
    var view = weights
    // Those that do not fill vectors of float32 are packed first.
    let isPlain = weights.dtype == .float32 && c.outputMaps % 16 == 0
    let places = c.kernelHeight * c.kernelWidth
    let scratch = try Scratch(shares: 1, bytesPerShare: isPlain ? 0 : places * inner * width * panels * 4)
    if !isPlain {
      let direct = scratch.address.raw(share: 0)
      packDirectly(weights, c, direct.assumingMemoryBound(to: Float.self), threads: threads)
      view = WeightsView(
        address: direct, dtype: .float32, output: 1, input: width, row: c.kernelWidth * inner * width,
        column: inner * width)
    }
    let values = view.address.assumingMemoryBound(to: Float.self) + view.start
    let (panelValues, frequencyValues, memory) = (panelValues, frequencyValues, memory)
    let work = 36 * scheme.maps * pitch
    // Of 16 maps of either side.
    let blocks = inner / 16
    let items = panels * vectors * stride * stride * blocks
    ThreadedWork.run(
      items: items, values: work, shares: ThreadedWork.shareCount(items: items, values: work, threads: threads)
    ) { _, items in
      for item in items {
        let (vector, part) = item.quotientAndRemainder(dividingBy: stride * stride * blocks)
        let (pixel, block) = part.quotientAndRemainder(dividingBy: blocks)
        let (panel, lane) = (vector / vectors, vector % vectors * 16)
        let output = isPlain ? vector * 16 * view.output : panel * places * inner * width + lane
        var form = convolution_weights(
          values: UnsafeMutablePointer(mutating: values) + output + 16 * block * view.input + pixel / stride * view.row
            + pixel % stride * view.column,
          output: view.output, input: view.input, row: stride * view.row, column: stride * view.column, maps: 16,
          step: width, frequency: frequencyValues)
        kernels.table.winograd_weights(
          scheme.kernel, &form, memory + panel * panelValues + (pixel * inner + 16 * block) * width + lane)
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
