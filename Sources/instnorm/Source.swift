import ArgumentParser
import ArrayFiles
import Foundation
import InstanceNorm

/// What an input file holds: planes to normalise, and what the output needs of the rest.
struct Source {
  let path: String
  /// (N, C, H, W) or (N, C, D, H, W).
  var tensor: Tensor
  /// The picture that the tensor came from; nil for an array.
  var picture: Picture?
  /// Whether the array had no batch dimension, and the output has none either.
  private var isSingle = false

  /// - Parameter layout: the order of an array's axes; a picture's tensor gets this layout too.
  init(_ path: String, layout: Layout = .nchw) throws {
    self.path = path
    guard isArrayFile(path) else {
      if let foreign = ForeignFile(at: path), !foreign.isPicture {
        throw FileError.malformed(path: path, reason: "not a picture: \(foreign.description)")
      }
      let picture = try Picture(contentsOf: path)
      self.picture = picture
      tensor = try picture.colors.to(layout)
      return
    }
    tensor = try NPY.read(from: path)
    let inFile = tensor.shape.dimensions
    guard (3...5).contains(inFile.count) else {
      throw FileError.unsupported(
        path: path, reason: "expected an array of rank 3 (C, H, W), 4 or 5, got shape \(tensor.shape)")
    }
    isSingle = inFile.count == 3
    let batched = isSingle ? [1] + inFile : inFile
    tensor = tensor.reinterpreted(as: Shape(layout.logicalOrder(batched)), layout: layout)
    guard maps > 0 else {
      throw FileError.unsupported(path: path, reason: "an array without maps, of shape \(Shape(inFile))")
    }
  }

  var maps: Int { tensor.shape[1] }

  /// A layer for these planes, with scale 1 and bias 0.
  ///
  /// - Throws: `ValidationError` when there is no such layer for these planes.
  func layer(
    _ kind: NormKind = .instance, epsilon: Double = 1e-5, affine: Bool = true, trackRunningStats: Bool = false,
    name: String? = nil
  ) throws -> Normalization {
    if case .group(let groups) = kind, maps % groups != 0 {
      throw ValidationError("--norm: \(path) has \(maps) maps, which are not \(groups) groups of equally many")
    }
    guard tensor.shape.rank == 5 else {
      return try kind.layer(
        maps: maps, epsilon: epsilon, affine: affine, trackRunningStats: trackRunningStats, name: name)
    }
    guard case .instance = kind else {
      throw ValidationError("--norm: volumes, as in \(path), have instance alone; got \(kind)")
    }
    return try InstanceNorm3D(numOfMaps: maps, epsilon: epsilon, affine: affine, name: name)
  }

  /// Turns a grey picture into three equal maps when it is to be used with something that has three.
  mutating func expandGrey(to wanted: Int) throws {
    guard picture != nil, maps == 1, wanted == 3 else { return }
    let plane = try tensor.array(of: Float.self)
    var shape = tensor.shape
    shape.dimensions[1] = 3
    tensor = try Tensor(plane + plane + plane, shape: shape).to(tensor.layout)
  }

  /// Writes a result that is shaped as this source, with the picture's transparency if it was one.
  func write(_ result: Tensor, to output: String) throws {
    if isArrayFile(output) {
      let inFile = result.layout.memoryOrder(result.shape.dimensions)
      try NPY.write(isSingle ? result.reinterpreted(as: Shape(inFile.dropFirst())) : result, to: output)
      return
    }
    do {
      try Picture(
        colors: result, alpha: picture?.alpha, is16Bit: picture?.is16Bit ?? false
      ).write(to: output)
    } catch TensorError.invalidShape(let shape, _) {
      throw FileError.notWritten(
        path: output, reason: "a picture has shape (1, 1 or 3, height, width), this result has \(shape)")
    }
  }
}

func isArrayFile(_ path: String) -> Bool {
  (path as NSString).pathExtension.lowercased() == "npy"
}

/// Refuses, before any work is done, an output that could not be written in the end.
func checkOutput(_ path: String) throws {
  guard isArrayFile(path) || Picture.canWrite(to: path) else {
    throw ValidationError("--output: '\(path)' \(Picture.whyNotWritten)")
  }
  try AtomicFile.check(path)
}
