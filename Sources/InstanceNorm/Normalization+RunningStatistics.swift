import Operations
import Tensors

extension Normalization {
  /// (C), float64, zeros at first; nil unless ``tracksRunningStats``.
  public var runningMean: Tensor? { attrs["runningMean"] }
  /// (C), float64, of unbiased variances; ones at first; nil unless ``tracksRunningStats``.
  public var runningVar: Tensor? { attrs["runningVar"] }
  /// How many calls have moved the running statistics.
  public var numOfBatches: Int {
    Int(exactly: (try? attrs["numOfBatches"]?.array(of: Double.self).first) ?? 0) ?? 0
  }

  /// Whether calls normalise by running statistics.
  var usesRunningStats: Bool { tracksRunningStats && !train }

  func checkTracking(_ data: Tensor) throws {
    if train, data.count > 0 {
      let planes = Planes(data)
      guard PlaneSets(sharing, of: planes).width * planes.size > 1 else {
        throw ModuleError.dataShape(
          module: label,
          expected: "with more than one value for each mean, as a single one has no variance to track", got: data.shape)
      }
    }
    guard let maps = numOfMaps else { return }
    for name in ["runningMean", "runningVar"] {
      guard let tensor = attrs[name], tensor.shape.rank == 1, tensor.shape[0] == maps, tensor.dtype == .float64 else {
        throw ModuleError.variable(
          module: label, name: name, expected: "shape (\(maps),), float64",
          got: attrs[name].map { "\($0.shape), \($0.dtype)" } ?? "nothing")
      }
      guard tensor.isBeside(data) else {
        throw DeviceError.mismatch(operation: "\(label), \(name)", expected: data.device, got: tensor.device)
      }
    }
  }

  func track(_ statistics: Normalize.Statistics, of input: Tensor) throws {
    guard var runningMean, var runningVar else { return }
    let planes = Planes(input)
    let number = numOfBatches + 1
    try statistics.track(
      epsilon: epsilon, count: PlaneSets(sharing, of: planes).width * planes.size,
      momentum: momentum ?? 1 / Double(number), runningMean: &runningMean, runningVariance: &runningVar)
    setAttr("runningMean", runningMean)
    setAttr("runningVar", runningVar)
    setAttr("numOfBatches", try Tensor([Double(number)], shape: []))
  }
}
