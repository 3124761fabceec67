import Calls
import Tensors

extension NormGradientCall {
  /// Makes the gradients of scale and bias of the sums over planes, which have been taken.
  func writeParameterGradients(threads: Int) {
    if let scaleGradient { write(scaleGradient, scale.grain, sums + planes.count, threads: threads) }
    if let biasGradient { write(biasGradient, bias.grain, sums, threads: threads) }
  }

  private func write(
    _ target: UnsafeMutableRawPointer, _ grain: ParameterValues.Grain, _ sums: UnsafeMutablePointer<Double>,
    threads: Int
  ) {
    let dtype = planes.dtype.parameterDType
    func store(_ value: Double, _ index: Int) {
      if dtype == .float64 {
        target.storeBytes(of: value, toByteOffset: index * 8, as: Double.self)
      } else {
        target.storeBytes(of: Float(value), toByteOffset: index * 4, as: Float.self)
      }
    }
    switch grain {
    case .map:
      // The first picture's become those of all, each thread's for some maps.
      let shares = ThreadedWork.shareCount(items: (planes.maps + 7) / 8, values: planes.count, threads: threads)
      ThreadedWork.run(items: (planes.maps + 7) / 8, values: planes.count, shares: shares) { _, items in
        addPictures(sums, items.lowerBound * 8..<min(items.upperBound * 8, planes.maps))
      }
      for map in 0..<planes.maps { store(planes.images == 0 ? 0 : sums[map], map) }
    case .plane:
      for plane in 0..<planes.count { store(sums[plane], plane) }
    case .element:
      // Those are summed with the values at hand; of no pictures there are none.
      if planes.images == 0 {
        target.initializeMemory(as: UInt8.self, repeating: 0, count: planes.maps * planes.size * dtype.byteCount)
      }
    }
  }

  /// Adds to the first picture's sums of some maps those of the others, in the order of memory.
  private func addPictures(_ sums: UnsafeMutablePointer<Double>, _ maps: Range<Int>) {
    guard planes.images > 1 else { return }
    var map = maps.lowerBound
    while map + 8 <= maps.upperBound {
      func own(_ image: Int) -> SIMD8<Double> {
        UnsafeRawPointer(sums + image * planes.maps + map).loadUnaligned(as: SIMD8<Double>.self)
      }
      var total = own(0)
      for image in 1..<planes.images { total += own(image) }
      UnsafeMutableRawPointer(sums + map).storeBytes(of: total, as: SIMD8<Double>.self)
      map += 8
    }
    for map in map..<maps.upperBound {
      for image in 1..<planes.images { sums[map] += sums[image * planes.maps + map] }
    }
  }
}
