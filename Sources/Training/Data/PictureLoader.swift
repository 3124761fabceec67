import ArrayFiles
import Foundation
import ImageFiles
import Tensors

/// Batches of pictures from folders, without end, decoded on threads that stay ahead of the training.
///
///     let loader = try PictureLoader(
///       folders: ["photos"], batchSize: 4, augmentation: Augmentation(size: 256, scale: 1...1.5), seed: 1)
///     for _ in 0..<10_000 {
///       let x = try loader.next()
///       ...
///     }
///
/// Each epoch is every picture once in an order of its own, and a batch may begin in one epoch and end in the next. Batch
/// k follows from the files, the seed and the options alone, whatever the number of threads: a loader made alike that
/// resumes at ``ExampleLoader/position`` gives the same bits from there on.
///
/// Grey pictures become three equal colours, transparency shows white, and of an animation or pages the first is taken.
/// A picture that cannot be read is reported once, and the one that follows it in the epoch comes in its place; so does a
/// file that goes while the network is trained.
public final class PictureLoader: ExampleLoader {
  /// - Parameters:
  ///   - files: the pictures.
  ///   - batchSize: pictures in a batch.
  ///   - augmentation: what of a picture is shown.
  ///   - seed: of the order and of what is drawn for each picture. Loaders that are used together need different ones.
  ///   - threads: how many decode, a batch each.
  ///   - ahead: how many batches are ready or being made at most, beside the one that was taken last.
  ///   - onBroken: is told why a picture cannot be read, by ``next()``.
  /// - Throws: `FileError.unreadable(path:reason:)` when there are no files, and
  ///   `TensorError.argument(name:expected:got:)` when a number is below 1 or out of all proportion.
  public init(
    files: [String], batchSize: Int, augmentation: Augmentation, seed: UInt64, threads: Int = 1, ahead: Int = 3,
    onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws {
    guard let first = files.first else { throw FileError.unreadable(path: "", reason: "no pictures were given") }
    let folder = files.count == 1 ? first : (first as NSString).deletingLastPathComponent
    try super.init(
      Source(files: files, picturesPerExample: 1, folder: folder) { example, framing in
        [try framing.crop(of: DecodedPicture(contentsOf: files[example], covering: framing.covering))]
      },
      Options(
        batchSize: batchSize, augmentation: augmentation, seed: seed, threads: threads, ahead: ahead,
        onBroken: onBroken))
  }

  /// Of the pictures in some folders and in the folders inside them; the other parameters are as above.
  ///
  /// - Throws: as above, and `FileError.unreadable(path:reason:)` for a folder that cannot be read or has no pictures.
  public convenience init(
    folders: [String], batchSize: Int, augmentation: Augmentation, seed: UInt64, threads: Int = 1, ahead: Int = 3,
    onBroken: @escaping (FileError) -> Void = { _ in }
  ) throws {
    let files = try folders.flatMap { try requiredPictures(in: $0) }
    try self.init(
      files: files, batchSize: batchSize, augmentation: augmentation, seed: seed, threads: threads, ahead: ahead,
      onBroken: onBroken)
  }

  /// The next batch, (batchSize, 3, height, width) in float32, 0 for black to 1, with the colours of a pixel together
  /// (`Layout.nhwc`), on the CPU.
  ///
  /// - Throws: `FileError.unreadable(path:reason:)` when no picture can be read, and
  ///   `TensorError.outOfMemory(byteCount:)`.
  public func next() throws -> Tensor { try nextTensors()[0] }
}

/// The pictures in a folder and in the folders inside it.
///
/// - Throws: `FileError.unreadable(path:reason:)` when there are none.
func requiredPictures(in folder: String) throws -> [String] {
  let files = try Picture.files(in: folder, recursively: true)
  if files.isEmpty { throw FileError.noPictures(in: folder) }
  return files
}
