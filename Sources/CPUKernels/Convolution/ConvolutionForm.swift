import Calls
import Tensors

/// A direction of a convolution as a correlation: what is read where, with which weights, and what is written.
struct ConvolutionForm {
  var correlation: Correlation
  var weights: WeightsView
  let sourceHeight: Int
  let sourceWidth: Int
  let targetHeight: Int
  let targetWidth: Int
  /// Which of the target's rows and columns are written.
  var every = (rows: OutputRows.Every(), columns: OutputRows.Every())
  /// The source's place of each that is read: (place + offset) / step, where that is whole and within.
  var offset: (rows: Int, columns: Int)
  var step = (rows: 1, columns: 1)

  func row(_ place: Int) -> Int32 { Self.source(place + offset.rows, step.rows, sourceHeight) }
  func column(_ place: Int) -> Int32 { Self.source(place + offset.columns, step.columns, sourceWidth) }

  private static func source(_ place: Int, _ step: Int, _ extent: Int) -> Int32 {
    place >= 0 && place % step == 0 && place / step < extent ? Int32(place / step) : -1
  }

  static func forward(_ call: ConvolutionCall) -> ConvolutionForm {
    let g = call.geometry
    let correlation = Correlation(
      images: g.images, groups: g.groups, inputMaps: g.inputMaps, outputMaps: g.outputMaps,
      kernelHeight: g.kernelHeight, kernelWidth: g.kernelWidth, rowStride: g.strideRows, columnStride: g.strideColumns,
      rowDilation: g.dilationRows, columnDilation: g.dilationColumns, outputHeight: g.outputHeight,
      outputWidth: g.outputWidth)
    return ConvolutionForm(
      correlation: correlation, weights: WeightsView(call), sourceHeight: g.inputHeight, sourceWidth: g.inputWidth,
      targetHeight: g.outputHeight, targetWidth: g.outputWidth, offset: (-g.top, -g.left))
  }

  /// dx[c, i, j] = sum over o, k, l of w[o, c, k, l] dy[o, (i + top - k d) / s, ...]: a correlation of dy with the kernel
  /// turned round. Where there is a stride, zeros stand between the pixels of dy; or, without them, each of s s' parts of
  /// dx has a correlation of its own, with every s-th row and s'-th column of the kernel.
  static func byData(_ call: ConvolutionCall) -> [ConvolutionForm] {
    let g = call.geometry
    let correlation = Correlation(
      images: g.images, groups: g.groups, inputMaps: g.outputMaps, outputMaps: g.inputMaps,
      kernelHeight: g.kernelHeight, kernelWidth: g.kernelWidth, rowDilation: g.dilationRows,
      columnDilation: g.dilationColumns, outputHeight: g.inputHeight, outputWidth: g.inputWidth)
    var weights = WeightsView(call)
    (weights.output, weights.input) = (weights.input, weights.output)
    var form = ConvolutionForm(
      correlation: correlation, weights: weights, sourceHeight: g.outputHeight, sourceWidth: g.outputWidth,
      targetHeight: g.inputHeight, targetWidth: g.inputWidth,
      offset: (
        g.top - (g.kernelHeight - 1) * g.dilationRows, g.left - (g.kernelWidth - 1) * g.dilationColumns
      ))
    let isInParts =
      (g.strideRows > 1 || g.strideColumns > 1) && g.dilationRows == 1 && g.dilationColumns == 1
      && g.kernelHeight >= g.strideRows && g.kernelWidth >= g.strideColumns && call.x.layout == .nhwc
    guard isInParts else {
      form.step = (g.strideRows, g.strideColumns)
      form.weights.turn(rows: g.kernelHeight, columns: g.kernelWidth)
      return [form]
    }
    let rows = (0..<min(g.strideRows, g.inputHeight)).map {
      Part($0, of: g.inputHeight, g.kernelHeight, stride: g.strideRows, before: g.top)
    }
    let columns = (0..<min(g.strideColumns, g.inputWidth)).map {
      Part($0, of: g.inputWidth, g.kernelWidth, stride: g.strideColumns, before: g.left)
    }
    return rows.flatMap { row in columns.map { column in form.part(row, column) } }
  }

  /// Of one axis: the places of dx that are `start` more than a multiple of the stride.
  private struct Part {
    let every: OutputRows.Every
    /// How many places there are.
    let extent: Int
    /// The first of the kernel's places that have a bearing on them, and how many there are.
    let first: Int
    let count: Int
    /// i = start + s t reads dy from t + offset on.
    let offset: Int

    init(_ start: Int, of extent: Int, _ kernel: Int, stride: Int, before: Int) {
      every = OutputRows.Every(start: start, step: stride)
      self.extent = (extent - start + stride - 1) / stride
      first = (start + before) % stride
      count = (kernel - first + stride - 1) / stride
      offset = (start + before - first) / stride - (count - 1)
    }
  }

  private func part(_ row: Part, _ column: Part) -> ConvolutionForm {
    var form = self
    form.every = (row.every, column.every)
    form.offset = (row.offset, column.offset)
    form.correlation.kernelHeight = row.count
    form.correlation.kernelWidth = column.count
    form.correlation.outputHeight = row.extent
    form.correlation.outputWidth = column.extent
    form.weights.start += row.first * weights.row + column.first * weights.column
    form.weights.row *= row.every.step
    form.weights.column *= column.every.step
    form.weights.turn(rows: row.count, columns: column.count)
    return form
  }
}

extension WeightsView {
  /// As they lie in memory.
  init(_ call: ConvolutionCall) {
    let g = call.geometry
    let (maps, places) = (g.inputMaps / g.groups, g.kernelHeight * g.kernelWidth)
    let isLast = call.w.layout == .nhwc
    let row = g.kernelWidth * (isLast ? maps : 1)
    self.init(
      address: call.w.address, dtype: call.w.dtype, group: g.outputMaps / g.groups * maps * places,
      output: maps * places, input: isLast ? 1 : places, row: row, column: isLast ? maps : 1)
  }

  /// Has the last row and column first.
  fileprivate mutating func turn(rows: Int, columns: Int) {
    start += (rows - 1) * row + (columns - 1) * column
    (row, column) = (-row, -column)
  }
}
