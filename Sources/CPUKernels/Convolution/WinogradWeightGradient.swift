import CConvolutionKernels
import Calls
import Tensors

/// The gradient by weights of a convolution of 3x3 places, by the transposed of Winograd's F(4x4, 3x3): a fourth of the
/// products.
///
/// Some rows of tiles at a time are transformed, by threads that divide rows; and multiplied and added up over tiles, in
/// float32, by threads that divide the 36 frequencies. What some rows come to is added up in float64.
struct WinogradWeightGradient {
  private let call: ConvolutionCall
  private let correlation: Correlation
  private let form: ConvolutionForm
  private let kernels: ConvolutionKernels
  private let elementKernels: ElementKernels
  private let threads: Int
  /// Of tiles: in a row, rows of a picture, and rows that are transformed at a time, of any pictures.
  private let columns: Int
  private let rows: Int
  private let rowsAtOnce: Int
  /// From frequency to frequency.
  private let inputFrequency: Int
  private let gradientFrequency: Int

  /// Tiles that are transformed at a time, about, and values at most.
  private static let mostTiles = 256
  private static let mostValues = 1 << 22

  /// nil for what it does not do.
  init?(_ call: ConvolutionCall, _ kernels: ConvolutionKernels, _ elementKernels: ElementKernels, threads: Int) {
    form = .forward(call)
    let c = form.correlation
    guard CorrelationMethod(c, exact: false) == .winograd, c.outputMaps % 16 == 0 else { return nil }
    self.call = call
    correlation = c
    self.kernels = kernels
    self.elementKernels = elementKernels
    self.threads = threads
    columns = (c.outputWidth + 3) / 4
    rows = (c.outputHeight + 3) / 4
    let most = min(Self.mostTiles, Self.mostValues / (36 * (c.inputMaps + c.outputMaps)))
    rowsAtOnce = max(1, min(c.images * rows, most / columns))
    func odd(_ values: Int) -> Int { values + (values / 16 % 2 == 0 ? 16 : 0) }
    inputFrequency = odd(rowsAtOnce * columns * c.inputMaps)
    gradientFrequency = odd(rowsAtOnce * columns * c.outputMaps)
  }

  private struct Room {
    let pixelsAt: Int
    let gradientsAt: Int
    let asideAt: Int
  }

  func run() throws(TensorError) {
    let c = correlation
    let places = try ReadPlaces(form)
    guard let x = places.pixels(call, form, kernels, elementKernels),
      let dy = places.gradients(call, c, kernels, elementKernels)
    else { return }
    let width = 4 * columns
    var plan = RoomPlan()
    let room = Room(
      pixelsAt: plan.take(floats: 6 * (width + 2) * c.inputMaps),
      gradientsAt: plan.take(floats: 4 * width * c.outputMaps),
      asideAt: plan.take(bytes: max(x.asideByteCount, dy.asideByteCount)))
    let all = c.images * rows
    let readers = ThreadedWork.shareCount(items: rowsAtOnce, values: max(c.work, 1), threads: threads)
    let scratch = try Scratch(shares: readers, bytesPerShare: plan.byteCount)
    let transformed = try Scratch(shares: 1, bytesPerShare: 36 * (inputFrequency + gradientFrequency) * 4)
    let sums = try Scratch(shares: 1, doublesPerShare: 36 * c.inputMaps * c.outputMaps)
    let (address, total) = (scratch.address, sums.address.doubles(share: 0))
    let inputs = transformed.address.raw(share: 0).assumingMemoryBound(to: Float.self)
    let gradients = inputs + 36 * inputFrequency
    total.update(repeating: 0, count: 36 * c.inputMaps * c.outputMaps)
    let vectors = kernels.table.panel_vectors(c.outputMaps)
    let panels = c.outputMaps / (16 * vectors)
    for first in stride(from: 0, to: all, by: rowsAtOnce) {
      let count = min(rowsAtOnce, all - first)
      let work = max(c.work / all * count, 1)
      ThreadedWork.run(items: count, values: work, shares: min(readers, count)) { share, items in
        for item in items {
          let (image, row) = (first + item).quotientAndRemainder(dividingBy: rows)
          transform(image, row, item * columns, x, dy, address.raw(share: share), room, inputs, gradients)
        }
      }
      let items = 36 * panels
      let shares = ThreadedWork.shareCount(items: items, values: work, threads: threads)
      ThreadedWork.run(items: items, values: work, shares: shares) { _, items in
        for item in items {
          let (frequency, panel) = item.quotientAndRemainder(dividingBy: panels)
          var a = UnsafePointer(inputs + frequency * inputFrequency)
          var b = UnsafePointer(gradients + frequency * gradientFrequency + panel * vectors * 16)
          withUnsafePointer(to: &a) { first in
            withUnsafePointer(to: &b) { second in
              var correlation = convolution_correlation(
                a: first, b: second, a_step: c.inputMaps, b_step: c.outputMaps, segments: 1, inner: count * columns,
                rows: c.inputMaps, vectors: vectors,
                sums: total + frequency * c.inputMaps * c.outputMaps + panel * vectors * 16, sums_row: c.outputMaps)
              kernels.table.correlate(&correlation)
            }
          }
        }
      }
    }
    try write(total)
  }

  /// Transforms the tiles of a row, of x and of dy.
  private func transform(
    _ image: Int, _ row: Int, _ tile: Int, _ x: PictureReader, _ dy: PictureReader, _ base: UnsafeMutableRawPointer,
    _ room: Room, _ inputs: UnsafeMutablePointer<Float>, _ gradients: UnsafeMutablePointer<Float>
  ) {
    let c = correlation
    let aside = base + room.asideAt
    func read(
      _ reader: PictureReader, _ line: Int, of height: Int, _ columns: Int, into to: UnsafeMutablePointer<Float>,
      width: Int
    ) {
      let maps = reader.source.maps
      // Beyond the edges dy is 0, and what it is multiplied by does not matter.
      guard line < height else { return to.update(repeating: 0, count: width * maps) }
      reader.read(image: image, row: line, columns: 0..<columns, into: to, aside: aside)
      (to + columns * maps).update(repeating: 0, count: (width - columns) * maps)
    }
    let width = 4 * columns
    let pixels = base.floats(at: room.pixelsAt)
    for line in 0..<6 {
      read(
        x, 4 * row + line, of: c.readHeight, c.readWidth, into: pixels + line * (width + 2) * c.inputMaps,
        width: width + 2)
    }
    var tiles = convolution_tiles(
      tiles: columns, vectors: c.inputMaps / 16, row: (width + 2) * c.inputMaps, pixel: c.inputMaps, tile: c.inputMaps,
      frequency: inputFrequency)
    kernels.table.winograd_input(&tiles, pixels, inputs + tile * c.inputMaps)
    let own = base.floats(at: room.gradientsAt)
    for line in 0..<4 {
      read(
        dy, 4 * row + line, of: c.outputHeight, c.outputWidth, into: own + line * width * c.outputMaps, width: width)
    }
    tiles = convolution_tiles(
      tiles: columns, vectors: c.outputMaps / 16, row: width * c.outputMaps, pixel: c.outputMaps, tile: c.outputMaps,
      frequency: gradientFrequency)
    kernels.table.winograd_gradient(&tiles, own, gradients + tile * c.outputMaps)
  }

  /// Transforms the sums and puts them where the weights are.
  private func write(_ total: UnsafePointer<Double>) throws(TensorError) {
    let c = correlation
    let view = form.weights
    let target = Values(view.address, view.dtype)
    let floats = view.dtype == .float32 ? view.address.assumingMemoryBound(to: Float.self) : nil
    let values = c.inputMaps * c.outputMaps * 36
    let shares = ThreadedWork.shareCount(items: c.inputMaps, values: values, threads: threads)
    let scratch = try Scratch(shares: shares, doublesPerShare: 9 * c.outputMaps)
    let address = scratch.address
    ThreadedWork.run(items: c.inputMaps, values: values, shares: shares) { share, items in
      let weights = address.doubles(share: share)
      for map in items {
        kernels.table.winograd_gradient_output(
          total + map * c.outputMaps, c.inputMaps * c.outputMaps, c.outputMaps / 16, weights, c.outputMaps)
        for output in 0..<c.outputMaps {
          for place in 0..<9 {
            let to =
              view.start + output * view.output + map * view.input + place / 3 * view.row + place % 3 * view.column
            let value = weights[place * c.outputMaps + output]
            if let floats { floats[to] = Float(value) } else { target[to] = value }
          }
        }
      }
    }
  }
}

/// Where the rows and columns are that a gradient by weights reads: those of x as the convolution read them, and those of
/// dy as they are.
struct ReadPlaces: ~Copyable {
  private let scratch: Scratch
  private let rows: UnsafeMutablePointer<Int32>
  private let columns: UnsafeMutablePointer<Int32>
  private let ownRows: UnsafeMutablePointer<Int32>
  private let ownColumns: UnsafeMutablePointer<Int32>

  init(_ form: ConvolutionForm) throws(TensorError) {
    let c = form.correlation
    scratch = try Scratch(
      shares: 1, bytesPerShare: 4 * (c.readHeight + c.readWidth + c.outputHeight + c.outputWidth))
    rows = scratch.address.raw(share: 0).assumingMemoryBound(to: Int32.self)
    columns = rows + c.readHeight
    ownRows = columns + c.readWidth
    ownColumns = ownRows + c.outputHeight
    for row in 0..<c.readHeight { rows[row] = form.row(row) }
    for column in 0..<c.readWidth { columns[column] = form.column(column) }
    for row in 0..<c.outputHeight { ownRows[row] = Int32(row) }
    for column in 0..<c.outputWidth { ownColumns[column] = Int32(column) }
  }

  func pixels(
    _ call: ConvolutionCall, _ form: ConvolutionForm, _ kernels: ConvolutionKernels, _ elementKernels: ElementKernels
  ) -> PictureReader? {
    PictureReader(
      .init(
        address: call.x.address, dtype: call.x.dtype, layout: call.x.layout, maps: form.correlation.inputMaps,
        height: form.sourceHeight, width: form.sourceWidth), rows: rows, columns: columns, kernels, elementKernels)
  }

  func gradients(
    _ call: ConvolutionCall, _ c: Correlation, _ kernels: ConvolutionKernels, _ elementKernels: ElementKernels
  ) -> PictureReader? {
    PictureReader(
      .init(
        address: call.y.address, dtype: call.y.dtype, layout: call.y.layout, maps: c.outputMaps,
        height: c.outputHeight, width: c.outputWidth), rows: ownRows, columns: ownColumns, kernels, elementKernels)
  }
}
