import CConvolutionKernels
import Calls
import Tensors

/// dw[o, c, k, l] = sum over n, i, j of x[n, c, i s - top + k d, j s' - left + l d'] dy[n, o, i, j].
///
/// Some rows of dy at a time are read, with the rows of x that they go with, and each place of the kernel gets the
/// products of these, which are added up in float32; what some rows come to is added up in float64. Threads divide the
/// weights among them, and each goes over all pictures: so the order of sums does not depend on how many there are.
///
/// Vectors hold the maps of dy, or those of x where dy has few.
struct WeightGradient {
  private let call: ConvolutionCall
  private let correlation: Correlation
  private let form: ConvolutionForm
  private let kernels: ConvolutionKernels
  private let elementKernels: ElementKernels
  private let threads: Int
  /// Whether vectors hold the maps of x.
  private let isTurned: Bool
  /// Of 16 maps, in a panel.
  private let vectors: Int
  private let panels: Int

  init(_ call: ConvolutionCall, _ kernels: ConvolutionKernels, _ elementKernels: ElementKernels, threads: Int) {
    self.call = call
    form = .forward(call)
    correlation = form.correlation
    self.kernels = kernels
    self.elementKernels = elementKernels
    self.threads = threads
    func padded(_ maps: Int) -> Int { (maps + 15) / 16 * 16 }
    let (inner, maps) = (correlation.inputMapsPerGroup, correlation.outputMapsPerGroup)
    isTurned = correlation.groups == 1 && maps * padded(inner) < inner * padded(maps)
    let lanes = isTurned ? inner : maps
    vectors = kernels.table.panel_vectors(lanes)
    panels = (lanes + vectors * 16 - 1) / (vectors * 16)
  }

  /// Lanes of a group's maps.
  private var pitch: Int { panels * vectors * 16 }
  /// Values of dy from the maps of one group to those of the next, or of the next pixel.
  private var gradientPitch: Int { isTurned ? correlation.outputMaps : pitch }
  /// The most rows of weights that a piece of work has.
  private static let mostRows = 96
  /// Pixels whose products are added up in float32, about.
  private static let pixels = 512

  /// The weights that read the same values of a row of x: all of a kernel row where these lie together, or of one place.
  private var runLength: Int { isTurned ? correlation.outputMaps : correlation.segmentLength }
  private var runs: Int {
    isTurned ? correlation.kernelHeight * correlation.kernelWidth : correlation.segments * correlation.groups
  }
  private var pieces: Int { (runLength + Self.mostRows - 1) / Self.mostRows }

  func run() throws(TensorError) {
    let c = correlation
    let chunkRows = max(1, min(c.outputHeight, Self.pixels / c.outputWidth))
    let readRows = (chunkRows - 1) * c.rowStride + c.rowSpan
    let places = try ReadPlaces(form)
    guard let x = places.pixels(call, form, kernels, elementKernels),
      let dy = places.gradients(call, c, kernels, elementKernels)
    else { return }
    var plan = RoomPlan()
    let rowValues = c.readWidth * c.inputMaps
    let gradientValues = c.outputWidth * c.groups * gradientPitch
    let room = Room(
      pixelsAt: plan.take(floats: readRows * rowValues + 64),
      gradientsAt: plan.take(floats: chunkRows * gradientValues),
      plainAt: plan.take(floats: c.outputWidth * c.outputMaps), firstAt: plan.take(bytes: chunkRows * 8),
      secondAt: plan.take(bytes: chunkRows * 8),
      asideAt: plan.take(bytes: max(x.asideByteCount, dy.asideByteCount)), rowValues: rowValues,
      gradientValues: gradientValues)
    let tasks = runs * pieces * panels
    let shares = ThreadedWork.shareCount(items: tasks, values: max(c.work, tasks), threads: threads)
    let scratch = try Scratch(shares: shares, bytesPerShare: plan.byteCount)
    let sums = try Scratch(shares: 1, doublesPerShare: runs * runLength * pitch)
    let (address, total) = (scratch.address, sums.address.doubles(share: 0))
    total.update(repeating: 0, count: runs * runLength * pitch)
    ThreadedWork.run(items: tasks, values: max(c.work, tasks), shares: shares) { share, tasks in
      let base = address.raw(share: share)
      for image in 0..<c.images {
        for first in stride(from: 0, to: c.outputHeight, by: chunkRows) {
          let chunk = first..<min(first + chunkRows, c.outputHeight)
          read(x, dy, image, chunk, base, room)
          for task in tasks { correlate(task, chunk.count, base, room, total) }
        }
      }
    }
    write(total)
  }

  private struct Room {
    let pixelsAt: Int
    let gradientsAt: Int
    let plainAt: Int
    let firstAt: Int
    let secondAt: Int
    let asideAt: Int
    let rowValues: Int
    let gradientValues: Int
  }

  private func read(
    _ x: PictureReader, _ dy: PictureReader, _ image: Int, _ rows: Range<Int>, _ base: UnsafeMutableRawPointer,
    _ room: Room
  ) {
    let c = correlation
    let firstRow = rows.lowerBound * c.rowStride
    for row in 0..<(rows.count - 1) * c.rowStride + c.rowSpan {
      x.read(
        image: image, row: firstRow + row, columns: 0..<c.readWidth,
        into: base.floats(at: room.pixelsAt) + row * room.rowValues, aside: base + room.asideAt)
    }
    let maps = c.outputMapsPerGroup
    for (index, row) in rows.enumerated() {
      let gradients = base.floats(at: room.gradientsAt) + index * room.gradientValues
      if maps == gradientPitch {
        dy.read(image: image, row: row, columns: 0..<c.outputWidth, into: gradients, aside: base + room.asideAt)
        continue
      }
      let plain = base.floats(at: room.plainAt)
      dy.read(image: image, row: row, columns: 0..<c.outputWidth, into: plain, aside: base + room.asideAt)
      for run in 0..<c.outputWidth * c.groups {
        (gradients + run * pitch).update(from: plain + run * maps, count: maps)
        (gradients + run * pitch + maps).update(repeating: 0, count: pitch - maps)
      }
    }
  }

  /// Adds what some rows come to, for some of the weights.
  private func correlate(
    _ task: Int, _ rows: Int, _ base: UnsafeMutableRawPointer, _ room: Room, _ total: UnsafeMutablePointer<Double>
  ) {
    let c = correlation
    // The panels of a piece follow each other: they read the same pixels.
    let panel = task % panels
    let piece = task / panels % pieces
    let (segment, group) = (task / panels / pieces).quotientAndRemainder(dividingBy: c.groups)
    let start = piece * Self.mostRows
    let isWhole = c.joinsKernelRows && !isTurned
    let (k, l) = isWhole ? (segment, 0) : segment.quotientAndRemainder(dividingBy: c.kernelWidth)
    let first = (base + room.firstAt).assumingMemoryBound(to: UnsafePointer<Float>.self)
    let second = (base + room.secondAt).assumingMemoryBound(to: UnsafePointer<Float>.self)
    let (pixels, gradients) = (base.floats(at: room.pixelsAt), base.floats(at: room.gradientsAt))
    let lane = panel * vectors * 16
    let offset = l * c.columnDilation * c.inputMaps + (isTurned ? lane : group * c.inputMapsPerGroup + start)
    for row in 0..<rows {
      let x = UnsafePointer(pixels + (row * c.rowStride + k * c.rowDilation) * room.rowValues + offset)
      let dy = UnsafePointer(gradients + row * room.gradientValues + (isTurned ? start : group * pitch + lane))
      (first[row], second[row]) = isTurned ? (dy, x) : (x, dy)
    }
    let (xStep, dyStep) = (c.columnStride * c.inputMaps, c.groups * gradientPitch)
    var correlation = convolution_correlation(
      a: first, b: second, a_step: isTurned ? dyStep : xStep, b_step: isTurned ? xStep : dyStep, segments: rows,
      inner: c.outputWidth, rows: min(Self.mostRows, runLength - start), vectors: vectors,
      sums: total + ((segment * c.groups + group) * runLength + start) * pitch + lane, values: nil,
      sums_row: pitch)
    kernels.table.correlate(&correlation)
  }

  /// Puts the sums where the weights are.
  private func write(_ total: UnsafePointer<Double>) {
    let c = correlation
    let view = form.weights
    let target = Values(view.address, view.dtype)
    let floats = view.dtype == .float32 ? view.address.assumingMemoryBound(to: Float.self) : nil
    let (inner, maps) = (c.inputMapsPerGroup, c.outputMapsPerGroup)
    let items = c.kernelHeight * c.kernelWidth * c.groups
    let values = items * inner * maps
    let shares = ThreadedWork.shareCount(items: items, values: values, threads: threads)
    ThreadedWork.run(items: items, values: values, shares: shares) { _, items in
      for item in items {
        let (place, group) = item.quotientAndRemainder(dividingBy: c.groups)
        let (k, l) = place.quotientAndRemainder(dividingBy: c.kernelWidth)
        let isWhole = c.joinsKernelRows && !isTurned
        let segment = isWhole ? k : place
        let from = total + ((segment * c.groups + group) * runLength + (isWhole ? l * inner : 0)) * pitch
        let (rowStep, mapStep) = isTurned ? (1, pitch) : (pitch, 1)
        let start = group * view.group + k * view.row + l * view.column
        for map in 0..<maps {
          for row in 0..<inner {
            let (to, value) = (start + map * view.output + row * view.input, from[row * rowStep + map * mapStep])
            if let floats { floats[to] = Float(value) } else { target[to] = value }
          }
        }
      }
    }
  }
}
