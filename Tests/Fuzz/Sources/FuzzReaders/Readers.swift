import Foundation
import ImageFiles
import InstanceNorm

/// What reads bytes that a stranger made.
enum Reader: String, CaseIterable {
  case npy
  case safetensors
  case pth
  case weights
  /// By the readers that are ours, which also look at the files that libvips decodes.
  case picture

  /// Reads a file, and traps where something that holds for every file does not.
  func read(_ path: String) throws {
    switch self {
    case .npy:
      let tensor = try NPY.read(from: path)
      precondition(byteCount(path) >= tensor.byteCount, "more values than the file has bytes")
    case .safetensors:
      let file = try SafetensorsFile(contentsOf: path)
      for name in file.names { _ = try? file.tensor(named: name) }
    case .pth:
      let file = try PyTorchFile(contentsOf: path)
      for name in file.names { _ = try? file.tensor(named: name) }
    case .weights:
      // With a number of maps to be inferred.
      let norm = try BatchNorm2D()
      do {
        try norm.load(from: path)
        _ = try norm.runningMean?.array(of: Double.self)
      } catch {
        precondition(norm.numOfMaps == nil, "a load that failed has changed the layer")
        throw error
      }
    case .picture:
      let most = 1 << 16
      let picture = try Picture(contentsOf: path, maxPixels: most)
      precondition(picture.count * picture.width * picture.height <= most, "more pixels than may be")
    }
  }
}

private func byteCount(_ path: String) -> Int {
  var status = stat()
  return stat(path, &status) == 0 ? Int(status.st_size) : 0
}
