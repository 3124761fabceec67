import InstanceNorm

/// Results of a generator from earlier steps, which a discriminator sees in place of half of the latest, so that it does
/// not forget what the generator did before (Shrivastava et al., "Learning from simulated and unsupervised images through
/// adversarial training", 2017; CycleGAN has a pool of 50).
///
/// What is drawn follows from the seed and from how many pictures there were.
public final class PicturePool {
  /// The pictures that the pool holds at most.
  public let capacity: Int
  private let seed: UInt64
  /// How many pictures were given to ``exchange(_:)`` so far.
  public private(set) var seen = 0
  /// The pictures in the pool, (1, C, H, W) each.
  public private(set) var pictures: [Tensor] = []

  /// - Parameters:
  ///   - capacity: the pictures that the pool holds at most; with 0 it returns what it is given.
  ///   - seed: of what is drawn. Pools that are used together need different ones.
  /// - Throws: `TensorError.argument(name:expected:got:)` when the capacity is negative.
  public init(capacity: Int = 50, seed: UInt64) throws {
    guard capacity >= 0 else { throw TensorError.argument(name: "capacity", expected: "0 or more", got: "\(capacity)") }
    (self.capacity, self.seed) = (capacity, seed)
  }

  /// For each picture of a batch itself or, with a probability of one half once the pool is full, an earlier one, whose
  /// place it takes. Until then every picture goes into the pool and is returned as well.
  ///
  /// - Parameter batch: (N, C, H, W), of the same size every time.
  /// - Returns: pictures without a gradient, in the batch's layout and on its device.
  /// - Throws: `TensorError.shapeMismatch(operation:expected:got:)` for pictures of another size.
  public func exchange(_ batch: Tensor) throws -> Tensor {
    guard batch.shape.rank == 4, batch.shape[0] > 0 else {
      throw TensorError.invalidShape(batch.shape, reason: "pictures are (N, C, H, W)")
    }
    if let known = pictures.first, Array(known.shape.dropFirst()) != Array(batch.shape.dropFirst()) {
      throw TensorError.shapeMismatch(
        operation: "a pool's pictures", expected: Shape([batch.shape[0]] + known.shape.dropFirst()), got: batch.shape)
    }
    if capacity == 0 { return batch.stopGradient() }
    return try Recording.pause {
      // Nothing changes unless all goes well.
      var (pool, seen) = (pictures, seen)
      var result: [Tensor] = []
      for index in 0..<batch.shape[0] {
        let picture = try batch.sliced(along: 0, index..<index + 1).stopGradient()
        var generator = SeededGenerator(seed: seed, stream: RandomStream.pool.rawValue, index: UInt64(seen))
        let (isExchanged, place) = (generator.nextUniform() < 0.5, generator.nextIndex(below: capacity))
        seen += 1
        if pool.count < capacity {
          pool.append(picture)
        } else if isExchanged {
          // From a checkpoint it may come in another layout and on another device.
          result.append(try pool[place].to(batch.layout).to(batch.device))
          pool[place] = picture
          continue
        }
        result.append(picture)
      }
      let exchanged = try Tensor.concatenated(result, along: 0)
      (pictures, self.seen) = (pool, seen)
      return exchanged
    }
  }
}

extension PicturePool: Resumable {
  private struct State: Codable {
    var seen: Int
    var capacity: Int
    var seed: UInt64
  }

  /// The pictures, and how many there were.
  public func save(into checkpoint: inout Checkpoint, as name: String) throws {
    try checkpoint.set(State(seen: seen, capacity: capacity, seed: seed), for: name)
    for (index, picture) in pictures.enumerated() { try checkpoint.add(picture, as: "\(name)/\(index)") }
  }

  public func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
    let state = try checkpoint.value(State.self, for: name)
    guard state.seen >= 0, state.capacity == capacity, state.seed == seed else {
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: name, expected: "a pool of \(capacity) with seed \(seed)",
        got: "one of \(state.capacity) with seed \(state.seed) that has seen \(state.seen) pictures")
    }
    let names = (0..<min(state.seen, capacity)).map { "\(name)/\($0)" }
    let pictures = try names.map { key in
      guard let picture = checkpoint.tensors[key] else {
        throw CheckpointError.missing(path: checkpoint.path, name: key, available: checkpoint.tensors.keys.sorted())
      }
      return picture
    }
    let expected = pictures.first?.shape
    for (key, picture) in zip(names, pictures) where picture.shape != expected || picture.shape.rank != 4 {
      throw CheckpointError.mismatch(
        path: checkpoint.path, name: key, expected: "(1, C, H, W), like the pool's others", got: "\(picture.shape)")
    }
    try checkpoint.check(only: names, of: name)
    return { (self.seen, self.pictures) = (state.seen, pictures) }
  }
}
