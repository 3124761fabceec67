import ArgumentParser
import ArrayFiles
import InstanceNorm

/// The layer of normalisation whose weights are to be used, out of a file that may hold a whole network.
struct SavedLayer {
  /// What its tensors' names begin with; nil where they are bare.
  let name: String?
  let maps: Int
  /// Whether the file has scale and bias for it.
  let isAffine: Bool
  let hasRunningStatistics: Bool

  /// - Parameter name: the layer's, empty for one without a name; nil where the file has one alone.
  init(in path: String, named name: String?) throws {
    let file = try StateDict(contentsOf: path)
    // What a convolution or a linear layer calls its weight has more axes than one.
    func layers(with tensors: [String]) -> [String: Int] {
      var maps: [String: Int] = [:]
      for (tensor, entry) in file.entries where entry.shape.rank == 1 {
        let parts = tensor.split(separator: ".", omittingEmptySubsequences: false)
        if tensors.contains(String(parts[parts.count - 1])) {
          maps[parts.dropLast().joined(separator: ".")] = entry.shape[0]
        }
      }
      return maps
    }
    let affine = layers(with: ["weight", "scale"])
    let tracking = layers(with: ["running_mean", "runningMean"])
    let maps = affine.merging(tracking) { scale, _ in scale }
    let names = maps.keys.sorted()

    let chosen: String
    if let name {
      guard names.contains(name) else {
        throw ValidationError(
          "--layer: \(path.shown) has no layer of normalisation '\(name)'; \(choice(of: names, for: name, "layer"))")
      }
      chosen = name
    } else {
      guard names.count == 1 else {
        let some = names.prefix(5).map { $0.isEmpty ? "one without a name" : $0.shown }.joined(separator: ", ")
        throw FileError.unsupported(
          path: path,
          reason: names.isEmpty
            ? "expected the weights of a layer of normalisation, got none among \(file.names.count) tensors"
            : "expected the weights of one layer, got \(names.count): \(some)\(names.count > 5 ? "..." : ""); "
              + "--layer names the one")
      }
      chosen = names[0]
    }
    self.name = chosen.isEmpty ? nil : chosen
    self.maps = maps[chosen] ?? 0
    isAffine = affine[chosen] != nil
    hasRunningStatistics = tracking[chosen] != nil
  }
}
