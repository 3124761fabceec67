import Calls
import Tensors

extension Normalize.Statistics {
  /// Running ones, (C), for each of so many pictures.
  package init(
    runningMean: Tensor, runningVariance: Tensor, epsilon: Double, images: Int
  ) throws {
    try self.init(uninitialized: images, runningMean.count, on: runningMean.device)
    try withExtendedLifetime((self, runningMean, runningVariance)) {
      try RecallCall(
        images: images, maps: runningMean.count, epsilon: epsilon, runningMean: runningMean.storage.address,
        runningVariance: runningVariance.storage.address, mean: mean.storage.address, invStd: invStd.storage.address
      ).run(on: mean.storage.backend)
    }
  }

  /// Moves running statistics towards these.
  ///
  /// - Parameters:
  ///   - epsilon: what these were taken with.
  ///   - count: how many values each mean is of, 2 or more.
  ///   - momentum: from 0 to 1.
  package func track(
    epsilon: Double, count: Int, momentum: Double, runningMean: inout Tensor, runningVariance: inout Tensor
  ) throws {
    guard mean.shape[0] > 0 else { return }
    try runningMean.makeUnique()
    try runningVariance.makeUnique()
    try withExtendedLifetime(self) {
      try TrackCall(
        images: mean.shape[0], maps: mean.shape[1], count: count, momentum: momentum, epsilon: epsilon,
        mean: mean.storage.address, invStd: invStd.storage.address, runningMean: runningMean.storage.address,
        runningVariance: runningVariance.storage.address
      ).run(on: mean.storage.backend)
    }
  }
}
