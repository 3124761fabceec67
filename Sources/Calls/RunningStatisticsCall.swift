import Tensors

/// Moves running statistics towards a call's: running = (1 - momentum) running + momentum new, new being the mean over
/// the pictures of their means and of their unbiased variances. A map for which one of the two is not finite keeps what
/// it has. All of it is float64.
package struct TrackCall: Call {
  /// N, 1 or more.
  package var images: Int
  /// C.
  package var maps: Int
  /// How many values each mean is of, 2 or more.
  package var count: Int
  package var momentum: Double
  /// What the inverse deviations were taken with.
  package var epsilon: Double
  /// (N, C), of the call.
  package var mean: UnsafeMutableRawPointer
  package var invStd: UnsafeMutableRawPointer
  /// (C).
  package var runningMean: UnsafeMutableRawPointer
  package var runningVariance: UnsafeMutableRawPointer

  package init(
    images: Int, maps: Int, count: Int, momentum: Double, epsilon: Double, mean: UnsafeMutableRawPointer,
    invStd: UnsafeMutableRawPointer, runningMean: UnsafeMutableRawPointer, runningVariance: UnsafeMutableRawPointer
  ) {
    self.images = images
    self.maps = maps
    self.count = count
    self.momentum = momentum
    self.epsilon = epsilon
    self.mean = mean
    self.invStd = invStd
    self.runningMean = runningMean
    self.runningVariance = runningVariance
  }
}

/// Running statistics as a normalisation takes them: (C) as (N, C), and 1 / sqrt(variance + epsilon), which is 0 where
/// that is a division by zero. All of it is float64.
package struct RecallCall: Call {
  package var images: Int
  package var maps: Int
  package var epsilon: Double
  package var runningMean: UnsafeMutableRawPointer
  package var runningVariance: UnsafeMutableRawPointer
  package var mean: UnsafeMutableRawPointer
  package var invStd: UnsafeMutableRawPointer

  package init(
    images: Int, maps: Int, epsilon: Double, runningMean: UnsafeMutableRawPointer,
    runningVariance: UnsafeMutableRawPointer, mean: UnsafeMutableRawPointer, invStd: UnsafeMutableRawPointer
  ) {
    self.images = images
    self.maps = maps
    self.epsilon = epsilon
    self.runningMean = runningMean
    self.runningVariance = runningVariance
    self.mean = mean
    self.invStd = invStd
  }
}
