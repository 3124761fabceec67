import CPUKernels
import Calls
import Tensors
import Testing

@Suite struct MomentsTests {
  private func moments(_ values: [Double]) -> Moments {
    values.withUnsafeBufferPointer { Moments(of: $0) }
  }

  @Test func `pieces merge into the moments of the whole`() throws {
    let values = try Tensor.randomNormal([1000], mean: 100, deviation: 3, seed: 1, dtype: .float64).array(
      of: Double.self)
    let whole = moments(values)
    for split in [1, 7, 8, 500, 999] {
      var merged = moments(Array(values[..<split]))
      merged.merge(moments(Array(values[split...])))
      #expect(merged.count == 1000)
      #expect(abs(merged.mean - whole.mean) < 1e-12)
      #expect(abs(merged.squaredDeviations - whole.squaredDeviations) < 1e-8)
    }
  }

  @Test func `no values change nothing, on either side`() {
    let some = moments([1, 2, 4])
    var left = Moments()
    left.merge(some)
    var right = some
    right.merge(Moments())
    #expect(left == some)
    #expect(right == some)
    #expect(Moments().variance == 0)
  }

  @Test func `equal values have exactly their value as mean and no deviation`() {
    for value in [0.1, -1e6 / 3, 3e38, 1e-45, .leastNonzeroMagnitude] {
      for count in [1, 3, 7, 8, 9, 100, 511, 512] {
        let result = moments(Array(repeating: value, count: count))
        #expect(result.mean == value)
        #expect(result.squaredDeviations == 0)
      }
    }
  }

  @Test func `small deviations on a large mean are not lost`() {
    // 1e9 + 0, 1, 2, ... 511: the variance of a ramp is (n^2 - 1) / 12.
    let result = moments((0..<512).map { 1e9 + Double($0) })
    #expect(abs(result.variance - (512.0 * 512 - 1) / 12) < 1e-9)
    #expect(result.mean == 1e9 + 255.5)
  }

  @Test func `a reduction visits every value once, in blocks, with room for its levels`() {
    struct Visited: Mergeable, Equatable {
      var ranges: [Range<Int>] = []
      mutating func merge(_ other: Visited) { ranges += other.ranges }
    }
    for count in [0, 1, 511, 512, 513, 1024, 1025, 5 * 512, 100_000, 131_072, 131_073] {
      let depth = reductionDepth(count)
      var results = Array(repeating: Visited(), count: depth + 1)
      results.withUnsafeMutableBufferPointer { buffer in
        reduce(0, count, width: 1, into: buffer.baseAddress!) { start, count, result in
          result.pointee = Visited(ranges: [start..<start + count])
        }
      }
      #expect(results[depth] == Visited(), "the level beyond the depth was written, count \(count)")
      var next = 0
      for range in results[0].ranges {
        #expect(range.lowerBound == next && range.count <= blockLength)
        next = range.upperBound
      }
      #expect(next == count)
    }
  }
}
