import Calls
import Tensors

extension CPUBackend {
  /// - Throws: `TensorError.outOfMemory(byteCount:)`.
  package func run(_ call: NormCall) throws(TensorError) { try run(call, threads: threads) }

  /// - Throws: `TensorError.outOfMemory(byteCount:)`.
  package func run(_ call: NormCall, threads: Int) throws(TensorError) {
    // No pictures are no share of the scratch either.
    // Nor is there anything to do for planes of nothing whose statistics nobody wants, however many they are.
    guard call.planes.count > 0, call.planes.size > 0 || call.mean != nil || call.invStd != nil else { return }
    let regrouped = call.regrouped
    try normalize(regrouped, threads: threads)
    if regrouped.planes.images < call.planes.images, !call.statisticsAreOfFirst {
      call.repeatStatistics(threads: threads)
    }
  }

  /// - Parameter threads: how many it may use.
  func normalize(_ call: NormCall, threads: Int) throws(TensorError) {
    if try ElementNorm.run(call, normKernels, on: self, threads: threads) { return }
    if call.planes.areContiguous {
      if let small = SmallPlanes(call, normKernels, streamed: streamed) {
        return try small.run(on: self, threads: threads)
      }
      if let tuned = TunedPlanes(call, normKernels, streamed: streamed) {
        return try tuned.run(on: self, threads: threads)
      }
    } else if let small = SmallPictures(call, normKernels, streamed: streamed) {
      return try small.run(on: self, threads: threads)
    } else if let tuned = TunedPictures(call, normKernels, streamed: streamed) {
      return try tuned.run(on: self, threads: threads)
    }
    try PlainNorm(call).run(on: self, threads: threads)
  }

  /// - Throws: `TensorError.outOfMemory(byteCount:)`.
  package func run(_ call: NormGradientCall) throws(TensorError) { try run(call, threads: threads) }

  /// - Throws: `TensorError.outOfMemory(byteCount:)`.
  package func run(_ call: NormGradientCall, threads: Int) throws(TensorError) {
    var call = call.regrouped
    if call.planes.count > 0 { try takeGradient(&call, threads: threads) }
    call.writeParameterGradients(threads: threads)
  }

  /// Leaves in the call the planes that the sums are of, and what is still to be made of these.
  private func takeGradient(_ call: inout NormGradientCall, threads: Int) throws(TensorError) {
    if try ElementGradients.run(call, normKernels, threads: threads) {
      (call.scaleGradient, call.biasGradient) = (nil, nil)
      return
    }
    if let gradients = call.elementGradients {
      // First, since dx may take the place of what both read.
      try PlainNormGradient(call).sumByElement(scale: gradients.scale, bias: gradients.bias, threads: threads)
    }
    if call.planes.areContiguous {
      if let small = SmallPlaneGradients(call, normKernels, streamed: streamed) {
        if small.isBatch {
          try small.runOnBatch(threads: threads)
          call.planes = call.planes.ofFirstPicture
          return
        }
        return try small.run(threads: threads)
      }
      if let tuned = TunedPlaneGradients(call, normKernels, streamed: streamed) {
        return try tuned.run(threads: threads)
      }
    } else if let small = SmallPictureGradients(call, normKernels, streamed: streamed) {
      return try small.run(threads: threads)
    } else if let tuned = TunedPictureGradients(call, normKernels, streamed: streamed) {
      return try tuned.run(threads: threads)
    }
    try PlainNormGradient(call).run(threads: threads)
  }

  package func run(_ call: TrackCall) {
    let (means, inverses) = (call.mean.doubles, call.invStd.doubles)
    let (runningMeans, runningVariances) = (call.runningMean.doubles, call.runningVariance.doubles)
    let unbiased = Double(call.count) / Double(call.count - 1)
    for map in 0..<call.maps {
      var (newMean, newVariance) = (0.0, 0.0)
      for plane in stride(from: map, to: call.images * call.maps, by: call.maps) {
        newMean += means[plane]
        // An inverse of 0 stands for a variance and an epsilon of 0.
        if inverses[plane] != 0 { newVariance += max(1 / (inverses[plane] * inverses[plane]) - call.epsilon, 0) }
      }
      newMean /= Double(call.images)
      newVariance *= unbiased / Double(call.images)
      // A product with 0 would keep what is not finite.
      guard newMean.isFinite, newVariance.isFinite else { continue }
      runningMeans[map] += call.momentum * (newMean - runningMeans[map])
      runningVariances[map] += call.momentum * (newVariance - runningVariances[map])
    }
  }

  package func run(_ call: RecallCall) {
    guard call.images > 0 else { return }
    let (runningMeans, runningVariances) = (call.runningMean.doubles, call.runningVariance.doubles)
    for map in 0..<call.maps {
      let spread = runningVariances[map] + call.epsilon
      call.mean.doubles[map] = runningMeans[map]
      call.invStd.doubles[map] = spread == 0 ? 0 : 1 / spread.squareRoot()
    }
    for image in 1..<call.images {
      for statistics in [call.mean.doubles, call.invStd.doubles] {
        (statistics + image * call.maps).update(from: statistics, count: call.maps)
      }
    }
  }
}

extension UnsafeMutableRawPointer {
  fileprivate var doubles: UnsafeMutablePointer<Double> { assumingMemoryBound(to: Double.self) }
}
