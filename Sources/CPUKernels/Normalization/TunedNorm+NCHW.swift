import CNormKernels
import Calls
import Tensors

/// Planes that each lie together.
struct TunedPlanes {
  let call: NormCall
  private let tuned: TunedForm
  private let segments: Segments
  private let size: PlaneSize

  init?(_ call: NormCall, _ kernels: NormKernels?, streamed: Int) {
    guard let tuned = TunedForm(kernels, call, streamed: streamed) else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPlane(call.planes.size)
    size = PlaneSize(call.planes.size)
  }

  /// Normalises each plane by its own moments.
  func runAlone(threads: Int) throws(TensorError) {
    let planes = call.planes
    let split = segments.split(planes.count, of: planes.size, threads: threads)
    if split.shares > 1 {
      for plane in 0..<planes.count { try cooperate(plane, shares: split.shares) }
    } else if split.planes == 1 {
      try whole(0..<planes.count)
    } else {
      let failure = Failure()
      ThreadedWork.run(items: planes.count, values: planes.valueCount, shares: split.planes) { _, items in
        failure.catching { () throws(TensorError) in try whole(items) }
      }
      try failure.check()
    }
  }

  // MARK: One thread, several planes

  private struct Record {
    var sums = ShiftedSums(shift: 0)
    var affine = FloatAffine()
    var isWide = false
  }

  private func whole(_ range: Range<Int>) throws(TensorError) {
    let planeBytes = call.planes.size * tuned.valueBytes
    // As many records as a temporary allocation has room for on the stack, which is 1 KiB.
    let most = 1024 / MemoryLayout<Record>.stride
    let group = max(1, min(most, CacheSizes.group / planeBytes))
    try withUnsafeTemporaryAllocation(of: Record.self, capacity: most) { (records) throws(TensorError) in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: group) {
        let count = min(group, range.upperBound - start)
        for index in 0..<count { records[index].sums = sums(of: start + index) }
        for index in 0..<count { records[index] = record(start + index, records[index].sums) }
        for index in 0..<count {
          let plane = start + index
          if records[index].isWide {
            try plain(plane) { $0.run($1, block: $2) }
          } else {
            let ahead = plane + group < range.upperBound ? plane + group : nil
            normalize(plane, 0..<call.planes.size, records[index].affine, ahead: ahead)
          }
        }
      }
    }
  }

  private func address(_ base: UnsafeMutableRawPointer, _ plane: Int, _ value: Int = 0) -> UnsafeMutableRawPointer {
    base + (plane * call.planes.size + value) * tuned.valueBytes
  }

  private func sums(of plane: Int) -> ShiftedSums {
    let planes = call.planes
    var sums = sums(
      of: plane,
      shift: shiftSample(planes.dtype, address(call.input, plane), size: planes.size))
    if sums.isFarOff(size) { sums = self.sums(of: plane, shift: Float(sums.mean(size))) }
    return sums
  }

  private func sums(of plane: Int, shift: Float) -> ShiftedSums {
    var sums = ShiftedSums(shift: shift)
    for index in 0..<segments.count { sums.add(moments(of: plane, segment: index, shift: shift)) }
    return sums
  }

  private func moments(of plane: Int, segment: Int, shift: Float) -> norm_moments {
    let range = segments[segment]
    return tuned.kernels.table.plane_moments(
      tuned.form.type, address(call.input, plane, range.lowerBound), range.count, shift)
  }

  /// What a plane's sums say of how to normalise it. Writes its statistics.
  @inline(__always)
  private func record(_ plane: Int, _ sums: ShiftedSums) -> Record {
    let (mean, invStd) = (sums.mean(size), sums.invStd(size, epsilon: call.epsilon))
    guard let affine = FloatAffine(call, plane, mean: mean, invStd: invStd) else { return Record(isWide: true) }
    call.mean?[plane] = mean
    call.invStd?[plane] = invStd
    return Record(affine: affine)
  }

  private func normalize(_ plane: Int, _ range: Range<Int>, _ affine: FloatAffine, ahead: Int?) {
    guard let output = call.output else { return }
    let start = range.lowerBound
    var form = tuned.form
    var ahead = ahead
    if range.count * tuned.valueBytes > CacheSizes.fetchedAhead { ahead = nil }
    let (shift, gain, offset) = (affine.shift, affine.gain, affine.offset)
    withUnsafePointer(to: shift) { shift in
      withUnsafePointer(to: gain) { gain in
        withUnsafePointer(to: offset) { offset in
          var pointers = norm_affine(shift: shift, gain: gain, offset: offset)
          tuned.kernels.table.normalize(
            &form, address(call.input, plane, start), call.residual.map { address($0, plane, start) },
            address(output, plane, start), range.count, 1, 0, &pointers, ahead.map { address(call.input, $0) })
        }
      }
    }
  }

  private func plain(
    _ plane: Int, _ body: (PlainNorm, Band, UnsafeMutablePointer<Double>) -> Void
  ) throws(TensorError) {
    let scratch = try Scratch(shares: 1, doublesPerShare: PlainNorm.scratch(width: 1, size: call.planes.size))
    body(PlainNorm(call), call.planes.band(ofPlane: plane), scratch.address.doubles(share: 0))
  }

  // MARK: Several threads, one plane

  private func cooperate(_ plane: Int, shares: Int) throws(TensorError) {
    let record = record(plane, sums(of: plane, shares: shares))
    if record.isWide { return try plain(plane) { $0.run($1, block: $2) } }
    normalize(plane, record.affine, shares: shares)
  }

  private func sums(of plane: Int, shares: Int) -> ShiftedSums {
    let planes = call.planes
    return withUnsafeTemporaryAllocation(of: norm_moments.self, capacity: segments.count) { pieces in
      let pieceBase = pieces.baseAddress!
      func total(_ shift: Float) -> ShiftedSums {
        ThreadedWork.run(items: segments.count, values: planes.size, shares: shares) { _, items in
          for index in items { pieceBase[index] = moments(of: plane, segment: index, shift: shift) }
        }
        var sums = ShiftedSums(shift: shift)
        for index in 0..<segments.count { sums.add(pieceBase[index]) }
        return sums
      }
      let sums = total(shiftSample(planes.dtype, address(call.input, plane), size: planes.size))
      return sums.isFarOff(size) ? total(Float(sums.mean(size))) : sums
    }
  }

  private func normalize(_ plane: Int, _ affine: FloatAffine, shares: Int) {
    ThreadedWork.run(items: segments.count, values: call.planes.size, shares: shares) { _, items in
      normalize(plane, segments.range(items), affine, ahead: nil)
    }
  }
}

// MARK: - Planes that share

extension TunedPlanes: NormPasses {
  func takeMoments(of part: Part, into moments: UnsafeMutablePointer<Moments>, threads: Int) throws(TensorError) {
    try part.forEachPlane(segments, call.planes, threads: threads) { plane, shares in
      let sums = shares == 1 ? sums(of: plane) : sums(of: plane, shares: shares)
      moments[plane] = Moments(sums, size, count: call.planes.size)
    }
  }

  func normalize(_ part: Part, threads: Int) throws(TensorError) {
    guard let mean = call.mean, let invStd = call.invStd else { return }
    try part.forEachPlane(segments, call.planes, threads: threads) { (plane, shares) throws(TensorError) in
      guard let affine = FloatAffine(call, plane, mean: mean[plane], invStd: invStd[plane]) else {
        return try plain(plane) { $0.normalize($1, block: $2) }
      }
      if shares == 1 {
        normalize(plane, 0..<call.planes.size, affine, ahead: nil)
      } else {
        normalize(plane, affine, shares: shares)
      }
    }
  }
}

extension Planes {
  /// One plane alone.
  func band(ofPlane plane: Int) -> Band {
    Band(firstPlane: plane, firstMap: plane % maps, width: 1, offset: offset(ofPlane: plane))
  }
}
