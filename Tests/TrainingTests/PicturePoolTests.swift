import TestSupport
import Testing
import Training

@Suite struct PicturePoolTests {
  /// Pictures that are their numbers.
  private func batch(_ numbers: Range<Int>, layout: Layout = .nhwc) throws -> Tensor {
    try Tensor(numbers.flatMap { number in (0..<12).map { Float(number * 12 + $0) } }, shape: [numbers.count, 3, 2, 2])
      .to(layout)
  }

  private func numbers(_ x: Tensor) throws -> [Int] {
    let values = try x.doubles
    // All of a picture, and nothing else.
    for (index, value) in values.enumerated() { #expect(Int(value) % 12 == index % 12) }
    return stride(from: 0, to: values.count, by: 12).map { Int(values[$0]) / 12 }
  }

  @Test func `until it is full a pool returns what it is given`() throws {
    let pool = try PicturePool(capacity: 6, seed: 1)
    for step in 0..<3 {
      let x = try batch(2 * step..<2 * step + 2)
      let y = try pool.exchange(x)
      #expect(try bits(y) == bits(x) && y.layout == .nhwc)
    }
    #expect(pool.pictures.count == 6 && pool.seen == 6)
    let none = try PicturePool(capacity: 0, seed: 1)
    for step in 0..<5 { #expect(try numbers(none.exchange(batch(step..<step + 1))) == [step]) }
  }

  @Test func `half of the time an earlier picture comes, each once, and the new one takes its place`() throws {
    let (capacity, count) = (10, 2000)
    let pool = try PicturePool(capacity: capacity, seed: 2)
    var held = Set<Int>()
    var (exchanged, ages) = (0, 0)
    for number in 0..<count {
      let shown = try numbers(pool.exchange(batch(number..<number + 1)))[0]
      if number < capacity {
        held.insert(number)
      } else if shown != number {
        #expect(held.remove(shown) == shown)
        held.insert(number)
        (exchanged, ages) = (exchanged + 1, ages + number - shown)
      }
    }
    #expect(try Set(pool.pictures.flatMap(numbers)) == held)
    // Four deviations of a binomial distribution.
    #expect(abs(Double(exchanged) - Double(count - capacity) / 2) < 4 * (Double(count) / 4).squareRoot())
    // A place is drawn every second time, one of ten: a picture waits for twenty.
    #expect((17.0...23).contains(Double(ages) / Double(exchanged)))
  }

  @Test func `what comes does not depend on how pictures are batched`() throws {
    let (one, many) = (try PicturePool(capacity: 4, seed: 3), try PicturePool(capacity: 4, seed: 3))
    let single = try (0..<60).flatMap { try numbers(one.exchange(batch($0..<$0 + 1))) }
    let batched = try (0..<12).flatMap { try numbers(many.exchange(batch(5 * $0..<5 * $0 + 5))) }
    #expect(single == batched)
    let other = try PicturePool(capacity: 4, seed: 4)
    #expect(try (0..<60).flatMap { try numbers(other.exchange(batch($0..<$0 + 1))) } != single)
  }

  @Test(arguments: [0, 3, 40]) func `a pool goes on from a checkpoint`(seen: Int) throws {
    let folder = TemporaryFolder(inMemory: true)
    let pool = try PicturePool(capacity: 5, seed: 5)
    for number in 0..<seen { _ = try pool.exchange(batch(number..<number + 1)) }
    try Checkpoint(of: ["pool": pool]).write(to: folder.file("x"))
    let resumed = try PicturePool(capacity: 5, seed: 5)
    // What it had does not matter.
    _ = try resumed.exchange(batch(900..<907))
    try Checkpoint(contentsOf: folder.file("x")).restore(["pool": resumed])
    #expect(resumed.seen == seen)
    for number in seen..<seen + 40 {
      let x = try batch(number..<number + 1)
      let (wanted, got) = (try pool.exchange(x), try resumed.exchange(x))
      #expect(try bits(got) == bits(wanted) && got.layout == .nhwc)
    }
    let smaller = try PicturePool(capacity: 4, seed: 5)
    #expect(throws: CheckpointError.self) { try Checkpoint(contentsOf: folder.file("x")).restore(["pool": smaller]) }
  }

  @Test func `pictures of another size and lists of none are refused, and nothing changes`() throws {
    let pool = try PicturePool(capacity: 5, seed: 6)
    _ = try pool.exchange(batch(0..<2))
    for shape in [[1, 3, 2, 3], [0, 3, 2, 2], [3, 2, 2]] as [Shape] {
      #expect(throws: TensorError.self) { try pool.exchange(.zeros(shape)) }
    }
    #expect(pool.seen == 2 && pool.pictures.count == 2)
    #expect(throws: TensorError.self) { try PicturePool(capacity: -1, seed: 1) }
  }

  @Test func `no gradient goes through a pool`() throws {
    let pool = try PicturePool(capacity: 2, seed: 7)
    let x = try batch(0..<1)
    let gradient = try gradients(of: pool.exchange(x * 3).mean() + x.mean(), by: x)
    #expect(try gradient.doubles.allSatisfy { abs($0 - 1.0 / 12) < 1e-6 })
  }
}
