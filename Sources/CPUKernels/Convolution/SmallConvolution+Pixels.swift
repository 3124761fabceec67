import Calls
import Tensors

// What a small convolution reads and writes except weights.

extension SmallConvolution {
  /// Whether the places of a map's kernel are neighbours among the weights, and not the maps.
  private var isTurned: Bool { form.weights.input != 1 }
  private var places: Int { correlation.kernelHeight * correlation.kernelWidth }

  private func divideRows(
    _ count: Int, values: Int, bytesPerShare: Int, _ body: (Range<Int>, UnsafeMutableRawPointer) -> Void
  ) throws(TensorError) {
    let shares = ThreadedWork.shareCount(items: count, values: values, threads: threads)
    let scratch = try Scratch(shares: shares, bytesPerShare: bytesPerShare)
    let address = scratch.address
    ThreadedWork.run(items: count, values: values, shares: shares) { share, items in
      body(items, address.raw(share: share))
    }
  }

  /// X, of p rows.
  func unfold(into target: UnsafeMutablePointer<Float>) throws(TensorError) {
    let c = correlation
    let readPlaces = try ReadPlaces(form)
    guard let reader = readPlaces.pixels(call, form, kernels, elementKernels) else { return }
    var plan = RoomPlan()
    let pixelsAt = plan.take(floats: c.readWidth * c.inputMaps + 16)
    let asideAt = plan.take(bytes: reader.asideByteCount)
    let unfoldedAt = plan.take(floats: isTurned ? c.outputWidth * length : 0)
    try divideRows(c.images * c.outputHeight, values: 2 * pixels * length, bytesPerShare: plan.byteCount) {
      rows, room in
      let unfolded = room.floats(at: unfoldedAt)
      for row in rows {
        let to = target + row * c.outputWidth * pitch
        reader.unfold(
          c, row: row, into: isTurned ? unfolded : to, pitch: isTurned ? length : pitch,
          pixels: room.floats(at: pixelsAt), aside: room + asideAt)
        guard isTurned else { continue }
        for pixel in 0..<c.outputWidth {
          elementKernels.table.transpose(
            4, unfolded + pixel * length, c.inputMaps, to + pixel * pitch, places, places, c.inputMaps, false)
        }
      }
    }
  }

  /// dy, the maps of a pixel together.
  func readGradients(into target: UnsafeMutablePointer<Float>) throws(TensorError) {
    let c = correlation
    let readPlaces = try ReadPlaces(form)
    guard let reader = readPlaces.gradients(call, c, kernels, elementKernels) else { return }
    try divideRows(
      c.images * c.outputHeight, values: pixels * c.outputMaps, bytesPerShare: reader.asideByteCount
    ) { rows, room in
      for row in rows {
        let (image, line) = row.quotientAndRemainder(dividingBy: c.outputHeight)
        reader.read(
          image: image, row: line, columns: 0..<c.outputWidth, into: target + row * c.outputWidth * c.outputMaps,
          aside: room)
      }
    }
  }

  /// Adds up what each pixel of dy, in p rows as X has them, comes to in dx.
  func fold(_ columns: UnsafePointer<Float>) throws(TensorError) {
    let c = correlation
    let maps = c.inputMaps
    let (height, width) = (form.sourceHeight, form.sourceWidth)
    let scratch = try Scratch(shares: 1, bytesPerShare: c.images * height * width * maps * 4)
    let sums = scratch.address.raw(share: 0).floats(at: 0)
    let values = max(pixels * length, c.images * height * width * maps)
    try divideRows(
      (maps + 15) / 16, values: values, bytesPerShare: isTurned ? length * 4 : 0
    ) { blocks, room in
      let first = 16 * blocks.lowerBound
      let count = min(16 * blocks.upperBound, maps) - first
      for place in 0..<c.images * height * width { (sums + place * maps + first).update(repeating: 0, count: count) }
      let turned = room.floats(at: 0)
      for pixel in 0..<pixels {
        let (row, column) = pixel.quotientAndRemainder(dividingBy: c.outputWidth)
        let (image, line) = row.quotientAndRemainder(dividingBy: c.outputHeight)
        var own = columns + pixel * pitch + first
        if isTurned {
          own += first * (places - 1)
          elementKernels.table.transpose(4, own, places, turned, count, count, places, false)
          own = UnsafePointer(turned)
        }
        for place in 0..<places {
          let (k, l) = place.quotientAndRemainder(dividingBy: c.kernelWidth)
          let to = Int(form.row(line * c.rowStride + k * c.rowDilation))
          let at = Int(form.column(column * c.columnStride + l * c.columnDilation))
          guard to >= 0, at >= 0 else { continue }
          let sum = sums + ((image * height + to) * width + at) * maps + first
          let added = own + place * (isTurned ? count : maps)
          for map in 0..<count { sum[map] += added[map] }
        }
      }
    }
    write(sums, call.x, maps: maps, height: height, width: width)
  }

  /// Pixels with the maps together.
  func write(
    _ pixels: UnsafeMutablePointer<Float>, _ target: ConvolutionCall.Operand, maps: Int, height: Int, width: Int
  ) {
    guard
      let output = OutputRows(
        target.address, target.dtype, target.layout, maps: maps, height: height, width: width, elementKernels)
    else { return }
    let rows = correlation.images * height
    let values = rows * width * maps
    ThreadedWork.run(
      items: rows, values: values, shares: ThreadedWork.shareCount(items: rows, values: values, threads: threads)
    ) { _, items in
      for item in items {
        let (image, row) = item.quotientAndRemainder(dividingBy: height)
        output.write(
          pixels + item * width * maps, pitch: maps, groups: 1, groupPitch: 0, image: image, row: row,
          columns: 0..<width)
      }
    }
  }
}
