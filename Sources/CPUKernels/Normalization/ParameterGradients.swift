import Calls
import Tensors

extension NormGradientCall {
  /// Makes the gradients of scale and bias of the sums over planes, which have been taken.
  func writeParameterGradients() {
    if let scaleGradient { write(scaleGradient, scale.grain, sums + planes.count) }
    if let biasGradient { write(biasGradient, bias.grain, sums) }
  }

  private func write(
    _ target: UnsafeMutableRawPointer, _ grain: ParameterValues.Grain, _ sums: UnsafeMutablePointer<Double>
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
      // The first picture's become those of all, in the order of memory.
      for image in 1..<max(planes.images, 1) {
        let own = sums + image * planes.maps
        for map in 0..<planes.maps { sums[map] += own[map] }
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
}
