import CConvolutionKernels
import Calls
import Tensors

/// The gradient by weights of a convolution by the transposed of Winograd's algorithm: a third of the products, or fewer.
///
/// Some rows of tiles at a time are transformed, by threads that divide rows; and multiplied and added up over tiles, in
/// float32, by threads that divide the 36 frequencies. What some rows come to is added up in float64, unless these are all.
struct WinogradWeightGradient {
  private let call: ConvolutionCall
  private let correlation: Correlation
  private let form: ConvolutionForm
  private let scheme: WinogradScheme
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
  private let sumFrequency: Int

  /// Tiles that are transformed at a time, about, and values at most.
  private static let mostTiles = 256
  private static let mostValues = 1 << 22

  /// nil for what it does not do.
  init?(_ call: ConvolutionCall, _ kernels: ConvolutionKernels, _ elementKernels: ElementKernels, threads: Int) {
    form = .forward(call)
    let c = form.correlation
    guard case .winograd(let scheme) = CorrelationMethod(c, exact: false), c.outputMaps % 16 == 0,
      call.w.dtype == .float32
    else { return nil }
    self.scheme = scheme
    self.call = call
    correlation = c
    self.kernels = kernels
    self.elementKernels = elementKernels
    self.threads = threads
    columns = (c.outputWidth + scheme.size - 1) / scheme.size
    rows = (c.outputHeight + scheme.size - 1) / scheme.size
    let most = min(Self.mostTiles, Self.mostValues / (36 * (scheme.maps + c.outputMaps)))
    rowsAtOnce = max(1, min(c.images * rows, most / columns))
    func odd(_ values: Int) -> Int { values + (values / 16 % 2 == 0 ? 16 : 0) }
    inputFrequency = odd(rowsAtOnce * columns * scheme.maps)
    gradientFrequency = odd(rowsAtOnce * columns * c.outputMaps)
    sumFrequency = odd(scheme.maps * c.outputMaps)
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
    var plan = RoomPlan()
    let room = Room(
      pixelsAt: plan.take(floats: scheme.readCount(1) * scheme.readCount(columns) * c.inputMaps),
      gradientsAt: plan.take(floats: scheme.size * scheme.size * columns * c.outputMaps),
      asideAt: plan.take(bytes: max(x.asideByteCount, dy.asideByteCount)))
    let all = c.images * rows
    let readers = ThreadedWork.shareCount(items: rowsAtOnce, values: max(c.work, 1), threads: threads)
    let scratch = try Scratch(shares: readers, bytesPerShare: plan.byteCount)
    let transformed = try Scratch(shares: 1, bytesPerShare: 36 * (inputFrequency + gradientFrequency) * 4)
    let isOnePass = all <= rowsAtOnce
    let memory = try Scratch(shares: 1, bytesPerShare: 36 * sumFrequency * (isOnePass ? 4 : 8))
    let address = scratch.address
    let sums = isOnePass ? nil : memory.address.raw(share: 0).assumingMemoryBound(to: Double.self)
    let products = isOnePass ? memory.address.raw(share: 0).assumingMemoryBound(to: Float.self) : nil
    let inputs = transformed.address.raw(share: 0).assumingMemoryBound(to: Float.self)
    let gradients = inputs + 36 * inputFrequency
    sums?.update(repeating: 0, count: 36 * sumFrequency)
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
              let start = frequency * sumFrequency + panel * vectors * 16
              var correlation = convolution_correlation(
                a: first, b: second, a_step: scheme.maps, b_step: c.outputMaps, segments: 1,
                inner: count * columns, rows: scheme.maps, vectors: vectors, sums: sums.map { $0 + start },
                values: products.map { $0 + start }, sums_row: c.outputMaps)
              kernels.table.correlate(&correlation)
            }
          }
        }
      }
    }
    write(sums, products)
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
    let (size, stride) = (scheme.size, scheme.stride)
    let pixels = base.floats(at: room.pixelsAt)
    let readWidth = scheme.readCount(columns)
    for line in 0..<scheme.readCount(1) {
      read(
        x, stride * size * row + line, of: c.readHeight, c.readWidth, into: pixels + line * readWidth * c.inputMaps,
        width: readWidth)
    }
    var tiles = scheme.inputTiles(columns, rowValues: readWidth * c.inputMaps, frequency: inputFrequency)
    for part in 0..<stride {
      kernels.table.winograd_input(
        &tiles, pixels + part * readWidth * c.inputMaps, inputs + tile * scheme.maps + part * stride * c.inputMaps)
    }
    let width = size * columns
    let own = base.floats(at: room.gradientsAt)
    for line in 0..<size {
      read(
        dy, size * row + line, of: c.outputHeight, c.outputWidth, into: own + line * width * c.outputMaps, width: width)
    }
    tiles = convolution_tiles(
      tiles: columns, vectors: c.outputMaps / 16, size: size, row: width * c.outputMaps, pixel: c.outputMaps,
      tile: c.outputMaps, frequency: gradientFrequency)
    kernels.table.winograd_gradient(&tiles, own, gradients + tile * c.outputMaps)
  }

  /// Transforms the sums and puts them where the weights are, those of 16 maps of either side at a time.
  private func write(_ sums: UnsafePointer<Double>?, _ products: UnsafePointer<Float>?) {
    let c = correlation
    let stride = scheme.stride
    let view = form.weights
    let weights = view.address.assumingMemoryBound(to: Float.self) + view.start
    let (blocks, vectors, parts) = (c.inputMaps / 16, c.outputMaps / 16, stride * stride)
    let (items, values) = (blocks * vectors * parts, scheme.maps * c.outputMaps * 36)
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    ThreadedWork.run(items: items, values: values, shares: shares) { _, items in
      for item in items {
        // The parts of a step write to the same cache lines.
        let (block, pixel) = (item / parts % blocks * 16, item % parts)
        let vector = item / parts / blocks * 16
        let start = (pixel * c.inputMaps + block) * c.outputMaps + vector
        var from = convolution_sums(sums: sums.map { $0 + start }, values: products.map { $0 + start })
        let first = pixel / stride * view.row + pixel % stride * view.column
        var to = convolution_weights(
          values: weights + vector * view.output + block * view.input + first, output: view.output, input: view.input,
          row: stride * view.row, column: stride * view.column, maps: 16, step: c.outputMaps,
          frequency: sumFrequency)
        kernels.table.winograd_gradient_output(scheme.kernel, &from, &to)
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
