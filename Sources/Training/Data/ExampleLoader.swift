import ArrayFiles
import InstanceNorm
import Tensors

/// What ``PictureLoader`` and ``PairLoader`` have in common: the order of their examples, their place in it, and what
/// becomes of pictures that cannot be read.
public class ExampleLoader {
  /// How examples come to be.
  struct Source: Sendable {
    /// A file of each example, by which it is known; 1 or more.
    let files: [String]
    /// Pictures of an example.
    let picturesPerExample: Int
    /// Where they are, for errors.
    let folder: String
    /// The pictures of an example as tensors (1, 3, H, W). Throws `FileError` for an example to be passed over.
    let load: @Sendable (_ example: Int, Framing) throws -> [Tensor]
  }

  /// What is drawn for a batch, and how it is made.
  struct Options {
    let batchSize: Int
    let augmentation: Augmentation
    let seed: UInt64
    let threads: Int
    let ahead: Int
    let onBroken: (FileError) -> Void
  }

  private struct Batch: Sendable {
    let tensors: [Tensor]
    let broken: [FileError]
  }

  /// A number of batches that nobody trains for, and that leaves room to count pictures.
  private static let mostBatches = 1 << 40
  private static let largestBatch = 1 << 16

  /// The files that examples come from; of a pair the input's.
  public let files: [String]
  private let options: Options
  private let prefetcher: Prefetcher<Batch>
  /// The files that have been reported.
  private var reported: Set<String> = []

  init(_ source: Source, _ options: Options) throws {
    for (name, value, most) in [
      ("batchSize", options.batchSize, Self.largestBatch), ("threads", options.threads, 64),
      ("ahead", options.ahead, 64),
    ] where !(1...most).contains(value) {
      throw TensorError.argument(name: name, expected: "1...\(most)", got: "\(value)")
    }
    self.options = options
    files = source.files
    let order = EpochOrder(count: source.files.count, seed: options.seed)
    let (batchSize, augmentation, seed) = (options.batchSize, options.augmentation, options.seed)
    prefetcher = Prefetcher(threads: options.threads, ahead: options.ahead) { number in
      try Self.batch(number, of: batchSize, source, order, augmentation, seed: seed)
    }
  }

  /// How many examples there are: pictures, or pairs of them.
  public var count: Int { files.count }

  /// Examples in a batch.
  public var batchSize: Int { options.batchSize }

  /// What of a picture is shown.
  public var augmentation: Augmentation { options.augmentation }

  /// Of the order, and of what is drawn for each picture.
  public var seed: UInt64 { options.seed }

  /// How many batches were taken, which is all of a loader's state; 0 at first.
  public var position: Int { prefetcher.position }

  /// How many times all examples were taken; a fraction.
  public var epoch: Double { Double(position) * Double(options.batchSize) / Double(count) }

  /// Goes on with the batch that comes after `position` ones.
  ///
  /// - Throws: `TensorError.argument(name:expected:got:)` for a negative number, or one out of all proportion.
  public func resume(at position: Int) throws {
    guard (0...Self.mostBatches).contains(position) else {
      throw TensorError.argument(name: "position", expected: "0...\(Self.mostBatches) batches", got: "\(position)")
    }
    prefetcher.position = position
  }

  func nextTensors() throws -> [Tensor] {
    let batch = try prefetcher.next()
    for error in batch.broken where reported.insert(error.path).inserted { options.onBroken(error) }
    return batch.tensors
  }

  /// The batch of a number, which follows from the files, the seed and the options alone.
  private static func batch(
    _ number: Int, of batchSize: Int, _ source: Source, _ order: EpochOrder, _ augmentation: Augmentation, seed: UInt64
  ) throws -> Batch {
    var broken: [FileError] = []

    /// In place of an example that cannot be read comes the one that follows in the epoch.
    func pictures(at place: Int) throws -> [Tensor] {
      var generator = SeededGenerator(seed: seed, stream: RandomStream.framing.rawValue, index: UInt64(place))
      let framing = augmentation.framing(drawnFrom: &generator)
      for offset in 0..<source.files.count {
        do {
          return try source.load(order.example(at: place, offset: offset), framing)
        } catch let error as FileError {
          broken.append(error)
        }
      }
      throw FileError.unreadable(
        path: source.folder,
        reason:
          "none of its pictures, \(source.files.count), can be used; the first: \(broken.first.map { "\($0)" } ?? "")")
    }

    let shape: Shape = [batchSize, 3, augmentation.height, augmentation.width]
    var tensors = try (0..<source.picturesPerExample).map { _ in
      try Tensor(uninitialized: shape, dtype: .float32, layout: .nhwc)
    }
    for index in 0..<batchSize {
      for (which, picture) in try pictures(at: number * batchSize + index).enumerated() {
        try tensors[which].setPicture(index, to: picture)
      }
    }
    return Batch(tensors: tensors, broken: broken)
  }
}

extension Tensor {
  /// Writes one picture of a batch whose colours lie together, from one, (1, 3, H, W), whose planes do.
  fileprivate mutating func setPicture(_ index: Int, to picture: Tensor) throws {
    let count = picture.count / 3
    try picture.withUnsafeBuffer(of: Float.self) { source in
      try withUnsafeMutableBuffer(of: Float.self) { target in
        let pixels = UnsafeMutableBufferPointer(rebasing: target[index * 3 * count..<(index + 1) * 3 * count])
        for channel in 0..<3 {
          for pixel in 0..<count { pixels[3 * pixel + channel] = source[channel * count + pixel] }
        }
      }
    }
  }
}

extension ExampleLoader: Resumable {
  /// The place, and what it means something for.
  private struct State: Codable, Equatable {
    var position: Int
    var count: Int
    var batchSize: Int
    var seed: UInt64
  }

  public func save(into checkpoint: inout Checkpoint, as name: String) throws {
    try checkpoint.set(
      State(position: position, count: count, batchSize: options.batchSize, seed: options.seed), for: name)
  }

  public func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
    let state = try checkpoint.value(State.self, for: name)
    let own = State(position: state.position, count: count, batchSize: options.batchSize, seed: options.seed)
    guard state == own, (0...Self.mostBatches).contains(state.position) else {
      func shown(_ state: State) -> String {
        "\(state.count) examples in batches of \(state.batchSize) with seed \(state.seed)"
      }
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: name, expected: shown(own), got: "batch \(state.position) of \(shown(state))")
    }
    return { self.prefetcher.position = state.position }
  }
}
