import ArgumentParser
import InstanceNorm

/// A type of normalisation as the command line names it: `instance`, `batch`, `layer`, `group:4`.
enum NormKind: ExpressibleByArgument, CustomStringConvertible {
  case instance
  case batch
  case layer
  case group(Int)

  init?(argument: String) {
    switch argument {
    case "instance": self = .instance
    case "batch": self = .batch
    case "layer": self = .layer
    default:
      let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0] == "group", let groups = Int(parts[1]), groups > 0 else { return nil }
      self = .group(groups)
    }
  }

  var description: String {
    switch self {
    case .instance: "instance"
    case .batch: "batch"
    case .layer: "layer"
    case .group(let groups): "group:\(groups)"
    }
  }

  var defaultValueDescription: String { description }

  static let help = "What shares a mean and a deviation: instance, layer, group:G for G groups of maps, or batch."

  /// Whether PyTorch's layers of this type have running statistics unless they are told otherwise.
  var hasRunningStatistics: Bool {
    if case .batch = self { true } else { false }
  }

  /// A layer of this type for pictures (N, C, H, W), which normalises by their own statistics; a batch layer that tracks
  /// running statistics, by these.
  func layer(
    maps: Int, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = false,
    activation: Activation = .none, name: String? = nil
  ) throws -> Normalization {
    switch self {
    case .instance:
      try InstanceNorm2D(numOfMaps: maps, epsilon: epsilon, affine: affine, activation: activation, name: name)
    case .batch:
      try BatchNorm2D(
        numOfMaps: maps, epsilon: epsilon, affine: affine, trackRunningStats: trackRunningStats,
        activation: activation, name: name)
    case .layer:
      try LayerNorm2D(numOfMaps: maps, epsilon: epsilon, affine: affine, activation: activation, name: name)
    case .group(let groups):
      try GroupNorm2D(
        groups: groups, numOfMaps: maps, epsilon: epsilon, affine: affine, activation: activation, name: name)
    }
  }
}
