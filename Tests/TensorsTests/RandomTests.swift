import ArrayFiles
import Foundation
import InstanceNorm
import TestSupport
import Testing

@Suite struct RandomTests {
  @Test func `the generator gives SplitMix64's published numbers`() {
    var generator = SeededGenerator(seed: 1_234_567)
    let numbers = (0..<5).map { _ in generator.next() }
    #expect(
      numbers == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
      ])
  }

  @Test func `each of many things that follow from one seed has numbers of its own`() {
    var first: [Double] = []
    for seed in 0..<10 as Range<UInt64> {
      for stream in 0..<10 as Range<UInt64> {
        for index in 0..<100 as Range<UInt64> {
          var generator = SeededGenerator(seed: seed, stream: stream, index: index)
          var again = SeededGenerator(seed: seed, stream: stream, index: index)
          first.append(generator.nextUniform())
          #expect(again.nextUniform() == first.last)
        }
      }
    }
    #expect(Set(first).count == 10_000)
    // Four deviations of the mean, and of each tenth's count.
    #expect(abs(first.reduce(0, +) / 10_000 - 0.5) < 0.0116)
    for tenth in 0..<10 { #expect(abs(first.count { Int($0 * 10) == tenth } - 1000) < 120) }
  }

  @Test func `indices are spread evenly over what they are below`() {
    var generator = SeededGenerator(seed: 3)
    var counts = [0, 0, 0, 0, 0, 0, 0]
    for _ in 0..<7000 { counts[generator.nextIndex(below: 7)] += 1 }
    for count in counts { #expect(abs(count - 1000) < 120) }
    #expect(generator.nextIndex(below: 1) == 0)
  }

  @Test func `normal numbers are those that another implementation makes`() throws {
    let expected = try NPY.read(from: golden("random_normal_seed_1.npy")).doubles
    let values = try Tensor.randomNormal([100], seed: 1, dtype: .float64).doubles
    for (value, other) in zip(values, expected) { #expect(abs(value - other) <= 4 * other.ulp) }
  }

  @Test func `the same seed gives the same bits, for good`() throws {
    let values = try Tensor.randomNormal([1000], seed: 42, dtype: .float64).doubles
    let hash = values.reduce(14_695_981_039_346_656_037 as UInt64) { ($0 ^ $1.bitPattern) &* 1_099_511_628_211 }
    #expect(hash == 8_863_683_484_944_159_797)
    #expect(try bits(.randomNormal([50], seed: 7)) == bits(.randomNormal([50], seed: 7)))
    #expect(try bits(.randomNormal([50], seed: 7)) != bits(.randomNormal([50], seed: 8)))
  }

  @Test func `mean, deviation and range are those asked for`() throws {
    let normal = try Tensor.randomNormal([1, 1, 100_000], mean: 5, deviation: 2, seed: 3).planeSummaries()[0]
    #expect(abs(normal.moments.mean - 5) < 0.03)
    #expect(abs(normal.moments.variance - 4) < 0.06)
    let uniform = try Tensor.randomUniform([1, 1, 100_000], in: -1..<3, seed: 3, dtype: .float64).planeSummaries()[0]
    #expect(uniform.minimum >= -1 && uniform.maximum < 3)
    #expect(abs(uniform.moments.mean - 1) < 0.02)
    #expect(throws: TensorError.self) { try Tensor.randomNormal([3], deviation: -1, seed: 0) }
    #expect(throws: TensorError.self) { try Tensor.randomNormal([3], mean: .nan, seed: 0) }
    #expect(throws: TensorError.self) { try Tensor.randomUniform([3], in: -1e308..<1e308, seed: 0) }
  }

  @Test func `the logarithm is within 4 ulp`() {
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<10_000 {
      let x = max(generator.nextUniform(), 1e-300) * Double.random(in: 1e-12...2, using: &generator)
      let expected = log(x)
      #expect(abs(naturalLogarithm(x) - expected) <= max(4 * expected.ulp, 1e-17))
    }
  }
}
