import ArrayFiles
import Foundation
import ImageFiles
import Tensors

/// Batches of pairs of pictures, an input and what a network is to make of it, as pix2pix is trained on them. The same
/// part of both is shown. Everything else is as in ``PictureLoader``.
///
/// Both pictures of a pair have the same proportions, if not the same size; a pair of others is passed over, as one is
/// that cannot be read.
public final class PairLoader: ExampleLoader {
  /// Which half of a picture is the input.
  public enum Side: String, CaseIterable, Hashable, Sendable {
    case left, right
  }

  /// Of two folders, in which the pictures of a pair have the same name and may have different endings, in folders of the
  /// same name inside them.
  ///
  /// - Parameters:
  ///   - inputs: the folder of the inputs.
  ///   - targets: that of the targets.
  ///   - batchSize: pairs in a batch.
  ///   - augmentation: what of a pair is shown.
  ///   - seed: of the order and of what is drawn for each pair.
  ///   - threads: how many decode, a batch each.
  ///   - ahead: how many batches are ready or being made at most, beside the one that was taken last.
  ///   - onBroken: is told why a pair is passed over.
  /// - Throws: `FileError.malformed(path:reason:)` when a picture has no partner or several, and what
  ///   ``PictureLoader`` throws.
  public init(
    inputs: String, targets: String, batchSize: Int, augmentation: Augmentation, seed: UInt64, threads: Int = 1,
    ahead: Int = 3, onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws {
    let pairs = try pairs(inputs, targets)
    let source = Source(files: pairs.map(\.input), picturesPerExample: 2, folder: inputs) { example, framing in
      let pair = pairs[example]
      // Not read at a part of their size, which need not be the same of both to the pixel.
      let (input, target) = (try DecodedPicture(contentsOf: pair.input), try DecodedPicture(contentsOf: pair.target))
      let sizes = [input, target].map { framing.scaledSize(ofHeight: $0.height, width: $0.width) }
      guard abs(sizes[0].height - sizes[1].height) <= 1, abs(sizes[0].width - sizes[1].width) <= 1 else {
        throw FileError.unsupported(
          path: pair.target,
          reason: "\(target.width) x \(target.height) pixels are of other proportions than the "
            + "\(input.width) x \(input.height) of \(pair.input.shown)")
      }
      return [try framing.crop(of: input), try framing.crop(of: target)]
    }
    try super.init(
      source,
      Options(
        batchSize: batchSize, augmentation: augmentation, seed: seed, threads: threads, ahead: ahead,
        onBroken: onBroken))
  }

  /// Of one folder, whose pictures are a pair side by side each. One whose width is odd is passed over.
  ///
  /// - Parameters:
  ///   - folder: the folder.
  ///   - input: the half that is the input.
  ///   - batchSize: pairs in a batch.
  ///   - augmentation: what of a pair is shown.
  ///   - seed: of the order and of what is drawn for each pair.
  ///   - threads: how many decode, a batch each.
  ///   - ahead: how many batches are ready or being made at most, beside the one that was taken last.
  ///   - onBroken: is told why a pair is passed over.
  /// - Throws: what ``PictureLoader`` throws.
  public init(
    halves folder: String, input: Side = .left, batchSize: Int, augmentation: Augmentation, seed: UInt64,
    threads: Int = 1, ahead: Int = 3, onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws {
    let files = try requiredPictures(in: folder)
    let source = Source(files: files, picturesPerExample: 2, folder: folder) { example, framing in
      let picture = try DecodedPicture(contentsOf: files[example])
      guard picture.width.isMultiple(of: 2) else {
        throw FileError.unsupported(
          path: files[example], reason: "a pair side by side has an even width, and \(picture.width) pixels are odd")
      }
      let middle = picture.width / 2
      let left = try framing.crop(of: picture, columns: 0..<middle)
      let right = try framing.crop(of: picture, columns: middle..<picture.width)
      return input == .left ? [left, right] : [right, left]
    }
    try super.init(
      source,
      Options(
        batchSize: batchSize, augmentation: augmentation, seed: seed, threads: threads, ahead: ahead,
        onBroken: onBroken))
  }

  /// The next batch, two tensors as of ``PictureLoader/next()``.
  ///
  /// - Throws: as there.
  public func next() throws -> (input: Tensor, target: Tensor) {
    let pair = try nextTensors()
    return (pair[0], pair[1])
  }
}

/// The files of two folders that have the same name, but for its ending.
private func pairs(_ inputs: String, _ targets: String) throws -> [(input: String, target: String)] {
  func named(_ folder: String) throws -> [String: String] {
    var files: [String: String] = [:]
    for path in try requiredPictures(in: folder) {
      let name = (String(path.dropFirst(folder.count).drop { $0 == "/" }) as NSString).deletingPathExtension
      if let other = files.updateValue(path, forKey: name) {
        throw FileError.malformed(path: path, reason: "it has the same name as \(other.shown), and one makes a pair")
      }
    }
    return files
  }
  func requireAll(_ files: [String: String], in others: [String: String], _ folder: String, _ other: String) throws {
    let alone = files.keys.filter { others[$0] == nil }.sorted()
    guard alone.isEmpty else {
      let more = alone.count > 3 ? " and \(alone.count - 3) more" : ""
      throw FileError.malformed(
        path: folder,
        reason: "pictures without one of the same name in \(other.shown): "
          + alone.prefix(3).map { ($0 as String).shown }.joined(separator: ", ") + more)
    }
  }
  let (first, second) = (try named(inputs), try named(targets))
  try requireAll(first, in: second, inputs, targets)
  try requireAll(second, in: first, targets, inputs)
  return first.keys.sorted().map { (first[$0] ?? "", second[$0] ?? "") }
}
