import CNormKernels

/// Planes that each lie together.
struct TunedPlanes {
  let call: NormCall
  private let tuned: TunedForm
  private let segments: Segments
  private let size: PlaneSize

  init?(_ call: NormCall, _ kernels: Kernels?, streamed: Int) {
    guard
      let tuned = TunedForm(
        kernels, call.planes, activation: call.activation, residual: call.residual != nil, place: call.place,
        streamed: call.isInPlace ? .max : streamed)
    else { return nil }
    self.call = call
    self.tuned = tuned
    segments = .ofPlane(call.planes.size)
    size = PlaneSize(call.planes.size)
  }

  func run(threads: Int) {
    let planes = call.planes
    let shares = Parallel.shareCount(items: planes.count * segments.count, values: planes.valueCount, threads: threads)
    let isEven = planes.count % shares == 0 || planes.count >= 8 * shares
    if shares == 1 {
      whole(0..<planes.count)
    } else if isEven || segments.count == 1 {
      Parallel.run(items: planes.count, values: planes.valueCount, shares: min(shares, planes.count)) { _, items in
        whole(items)
      }
    } else {
      for plane in 0..<planes.count { split(plane, threads: threads) }
    }
  }

  // MARK: One thread, several planes

  private struct Record {
    var sums = ShiftedSums(shift: 0)
    var affine = FloatAffine()
    var isWide = false
  }

  private func whole(_ range: Range<Int>) {
    let planeBytes = call.planes.size * tuned.valueBytes
    // As many records as a temporary allocation has room for on the stack, which is 1 KiB.
    let most = 1024 / MemoryLayout<Record>.stride
    let group = max(1, min(most, CacheSizes.group / planeBytes))
    withUnsafeTemporaryAllocation(of: Record.self, capacity: most) { records in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: group) {
        let count = min(group, range.upperBound - start)
        for index in 0..<count { records[index].sums = sums(of: start + index) }
        for index in 0..<count { records[index] = record(start + index, records[index].sums) }
        for index in 0..<count {
          let plane = start + index
          if records[index].isWide {
            plain(plane)
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
    return tuned.kernels.table.pointee.plane_moments(
      tuned.form.type, address(call.input, plane, range.lowerBound), range.count, shift)
  }

  /// What a plane's sums say of how to normalise it. Writes its statistics.
  private func record(_ plane: Int, _ sums: ShiftedSums) -> Record {
    let map = plane % call.planes.maps
    let (mean, invStd) = (sums.mean(size), sums.invStd(size, epsilon: call.epsilon))
    guard let affine = FloatAffine(mean: mean, invStd: invStd, scale: call.scale[map], bias: call.bias[map])
    else { return Record(isWide: true) }
    call.mean?[plane] = mean
    call.invStd?[plane] = invStd
    return Record(affine: affine)
  }

  private func normalize(_ plane: Int, _ range: Range<Int>, _ affine: FloatAffine, ahead: Int?) {
    let start = range.lowerBound
    var form = tuned.form
    var ahead = ahead
    if range.count * tuned.valueBytes > CacheSizes.fetchedAhead { ahead = nil }
    let (shift, gain, offset) = (affine.shift, affine.gain, affine.offset)
    withUnsafePointer(to: shift) { shift in
      withUnsafePointer(to: gain) { gain in
        withUnsafePointer(to: offset) { offset in
          var pointers = norm_affine(shift: shift, gain: gain, offset: offset)
          tuned.kernels.table.pointee.normalize(
            &form, address(call.input, plane, start), call.residual.map { address($0, plane, start) },
            address(call.output, plane, start), range.count, 1, 0, &pointers, ahead.map { address(call.input, $0) })
        }
      }
    }
  }

  private func plain(_ plane: Int) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: PlainNorm.scratch(width: 1)) { block in
      PlainNorm(call).run(call.planes.band(ofPlane: plane), block: block.baseAddress!)
    }
  }

  // MARK: Several threads, one plane

  private func split(_ plane: Int, threads: Int) {
    let planes = call.planes
    let shares = Parallel.shareCount(items: segments.count, values: planes.size, threads: threads)
    withUnsafeTemporaryAllocation(of: norm_moments.self, capacity: segments.count) { pieces in
      let pieceBase = pieces.baseAddress!
      func total(_ shift: Float) -> ShiftedSums {
        Parallel.run(items: segments.count, values: planes.size, shares: shares) { _, items in
          for index in items { pieceBase[index] = moments(of: plane, segment: index, shift: shift) }
        }
        var sums = ShiftedSums(shift: shift)
        for index in 0..<segments.count { sums.add(pieceBase[index]) }
        return sums
      }
      var sums = total(
        shiftSample(planes.dtype, address(call.input, plane), size: planes.size))
      if sums.isFarOff(size) { sums = total(Float(sums.mean(size))) }
      let record = record(plane, sums)
      if record.isWide { return plain(plane) }
      Parallel.run(items: segments.count, values: planes.size, shares: shares) { _, items in
        normalize(plane, segments.range(items), record.affine, ahead: nil)
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
