import ArgumentParser
import ArrayFiles
import Foundation
import InstanceNorm
import Text

/// What to read of files of pictures.
struct Reading: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The page or frame to read of a file that has several, counted from 0. (default: all)", valueName: "n"))
  var page: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The pixels that a file may have, in all its pictures.", valueName: "n"))
  var maxPixels = Picture.defaultMaxPixels

  func validate() throws {
    if let page, page < 0 { throw ValidationError("--page: expected 0 or more; got \(page)") }
    guard maxPixels > 0 else { throw ValidationError("--max-pixels: expected 1 or more; got \(maxPixels)") }
  }

  /// The same for another file of the command, of which another page is asked for.
  func with(page: Int?) -> Reading {
    var reading = self
    reading.page = page
    return reading
  }
}

/// What an input file holds: planes to normalise, and what the output needs of the rest.
struct Source {
  let path: String
  /// (N, C, H, W) or (N, C, D, H, W).
  var tensor: Tensor
  /// The picture that the tensor came from; nil for an array.
  var picture: Picture?
  /// Whether the array had no batch dimension, and the output has none either.
  private var isSingle = false

  /// Reads a file. What is unusual about a picture's values is said on standard error.
  ///
  /// - Parameters:
  ///   - layout: the order of an array's axes; a picture's tensor gets this layout too.
  ///   - reading: how large pictures may be, and which of a file is meant.
  init(_ path: String, layout: Layout = .nchw, reading: Reading) throws {
    self.path = path
    guard isArrayFile(path) else {
      let picture = try Picture(contentsOf: path, page: reading.page, maxPixels: reading.maxPixels)
      for note in picture.notes { tell("instnorm: \(oneLine("\(path): \(note)"))\n") }
      self.picture = picture
      tensor = try picture.colors.to(layout)
      return
    }
    if reading.page != nil { throw ValidationError("--page: is for pictures, and \(path) is an array") }
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
    let grey = try tensor.array(of: Float.self)
    var shape = tensor.shape
    shape.dimensions[1] = 3
    let planeSize = shape[2] * shape[3]
    let planes = (0..<3 * shape[0]).flatMap { grey[($0 / 3 * planeSize)...].prefix(planeSize) }
    tensor = try Tensor(planes, shape: shape).to(tensor.layout)
  }

  /// Writes a result that is shaped as this source, with the picture's transparency if it was one.
  func write(_ result: Tensor, to output: String) throws {
    if isArrayFile(output) {
      let inFile = result.layout.memoryOrder(result.shape.dimensions)
      try NPY.write(isSingle ? result.reinterpreted(as: Shape(inFile.dropFirst())) : result, to: output)
      return
    }
    do {
      let shown = try Picture(
        colors: result, alpha: picture?.alpha, is16Bit: picture?.is16Bit ?? false, timing: picture?.timing)
      if output == PictureJobs.stream {
        try shown.write(to: "/dev/stdout", as: "png")
      } else {
        try shown.write(to: output)
      }
    } catch TensorError.invalidShape(let shape, _) {
      throw FileError.notWritten(
        path: output, reason: "pictures have shape (pictures, 1 or 3, height, width), this result has \(shape)")
    }
  }
}

func isArrayFile(_ path: String) -> Bool {
  (path as NSString).pathExtension.lowercased() == "npy"
}

/// Refuses, before any work is done, an output that could not be written in the end.
func checkOutput(_ path: String) throws {
  if !isArrayFile(path), let reason = Picture.whyNotWritten(to: path) {
    throw ValidationError("--output: '\(path)' is no .npy file, and \(reason)")
  }
  try AtomicFile.check(path)
}
