import InstanceNorm
import TestSupport
import Testing

/// A plane's result depends on that plane's values and the parameters alone.
@Suite struct DeterministicTests {
  private struct Result: Equatable {
    var y: [UInt64]
    var dx: [UInt64]
    var parameters: [[UInt64]]
  }

  /// Large enough that seven threads get a share each.
  private let shape: Shape = [5, 19, 41, 37]

  private func run(_ x: Tensor, _ dy: Tensor) throws -> Result {
    let maps = x.shape[1]
    let norm = try InstanceNorm2D(numOfMaps: maps)
    norm.scale?.data = try Tensor.randomNormal([19], seed: 3).prefix(maps)
    norm.bias?.data = try Tensor.randomNormal([19], seed: 4).prefix(maps)
    let y = try norm(x)
    let dx = try norm.backward(dy)
    let grads = [try #require(norm.scale?.grad), try #require(norm.bias?.grad)]
    return Result(y: try bits(y), dx: try bits(dx), parameters: try grads.map(bits))
  }

  @Test(arguments: Layout.allCases) func `the bits are those of any number of threads`(layout: Layout) throws {
    let x = try Tensor.randomNormal(shape, mean: 5, seed: 1).to(layout)
    let dy = try Tensor.randomNormal(shape, seed: 2).to(layout)
    let expected = try run(x.to(.cpu(threads: 1)), dy.to(.cpu(threads: 1)))
    for threads in [2, 3, 7] {
      for _ in 0..<3 {
        #expect(try run(x.to(.cpu(threads: threads)), dy.to(.cpu(threads: threads))) == expected)
      }
    }
  }

  @Test func `a picture has the same bits alone and in a batch`() throws {
    let x = try Tensor.randomNormal(shape, mean: 5, seed: 1)
    let dy = try Tensor.randomNormal(shape, seed: 2)
    let size = 19 * 41 * 37
    let whole = try run(x, dy)
    for image in 0..<shape[0] {
      func alone(_ tensor: Tensor) throws -> Tensor {
        try Tensor(Array(tensor.array(of: Float.self)[image * size..<(image + 1) * size]), shape: [1, 19, 41, 37])
      }
      let single = try run(alone(x), alone(dy))
      #expect(single.y[...] == whole.y[image * size..<(image + 1) * size])
      #expect(single.dx[...] == whole.dx[image * size..<(image + 1) * size])
    }
  }

  @Test func `a map has the same bits alone and among others`() throws {
    let x = try Tensor.randomNormal([1, 19, 41, 37], mean: 5, seed: 1)
    let dy = try Tensor.randomNormal([1, 19, 41, 37], seed: 2)
    let whole = try run(x, dy)
    let wholeLast = try run(x.to(.nhwc), dy.to(.nhwc))
    let size = 41 * 37
    for maps in [1, 2, 3, 8, 16, 17] {
      func first(_ tensor: Tensor) throws -> Tensor {
        try Tensor(Array(tensor.array(of: Float.self)[..<(maps * size)]), shape: [1, maps, 41, 37])
      }
      let alone = try run(first(x), first(dy))
      #expect(alone.y[...] == whole.y[..<(maps * size)])
      #expect(alone.dx[...] == whole.dx[..<(maps * size)])
      // With the maps last a plane is summed in another order; one map alone has no layout.
      let aloneLast = try run(first(x).to(.nhwc), first(dy).to(.nhwc))
      let expected = maps == 1 ? whole : wholeLast
      #expect(aloneLast.y[...] == expected.y[..<(maps * size)])
      #expect(aloneLast.dx[...] == expected.dx[..<(maps * size)])
    }
  }

  @Test func `concurrent layers do not disturb one another`() async throws {
    let x = try Tensor.randomNormal(shape, mean: 5, seed: 1)
    let dy = try Tensor.randomNormal(shape, seed: 2)
    let expected = try run(x, dy)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 { group.addTask { try run(x, dy) == expected } }
      for try await isEqual in group { #expect(isEqual) }
    }
  }
}

extension Tensor {
  /// The first values of a tensor of rank 1.
  fileprivate func prefix(_ count: Int) throws -> Tensor {
    try Tensor(Array(array(of: Float.self).prefix(count)))
  }
}
