/// What can go wrong with a training.
public enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
  case argument(name: String, expected: String, got: String)
  /// A checkpoint was made with another setting.
  case settings(path: String, name: String, expected: String, got: String)
  /// A step came to a value that is not finite. The variables are as they were before it.
  case notFinite(step: Int, tensor: String, lastCheckpoint: Int?)

  public var description: String {
    switch self {
    case .argument(let name, let expected, let got): "training: \(name): expected \(expected), got \(got)"
    case .settings(let path, let name, let expected, let got):
      "\(path.shown): was made with \(name) \(expected), and is to go on with \(got)"
    case .notFinite(let step, let tensor, let lastCheckpoint):
      "step \(step): \(tensor) is not finite; "
        + (lastCheckpoint.map { "the checkpoint of step \($0) is as it was" } ?? "there is no checkpoint yet")
    }
  }
}
