/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): the same numbers
/// from the same seed, everywhere. Encoded, it goes on where it was.
public struct SeededGenerator: RandomNumberGenerator, Sendable, Codable {
  private var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  /// The generator for one of many things that all follow from one seed, whatever was drawn for the others.
  ///
  /// - Parameters:
  ///   - seed: the seed of all.
  ///   - stream: what kind of thing it is.
  ///   - index: which of its kind.
  public init(seed: UInt64, stream: UInt64, index: UInt64) {
    state = seed
    for number in [stream, index] { state = next() ^ number }
    state = next()
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in 0..<1, a multiple of 2^-53.
  public mutating func nextUniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// One of the numbers 0, 1, ... `count - 1`, by the upper half of a product (Lemire, "Fast random integer generation
  /// in an interval", 2019), without the rejection that would take the last 2^-32 of bias from counts below 2^32.
  public mutating func nextIndex(below count: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(max(count, 1))).high)
  }

  /// A number from the normal distribution of mean 0 and deviation 1, by Marsaglia's polar method (1964). Of the two
  /// numbers that it makes one is used, so that a generator's state is its seed and a count.
  public mutating func nextNormal() -> Double {
    while true {
      let u = 2 * nextUniform() - 1
      let v = 2 * nextUniform() - 1
      let s = u * u + v * v
      if s > 0 && s < 1 { return u * (-2 * naturalLogarithm(s) / s).squareRoot() }
    }
  }
}

/// The logarithm of a positive normal number by IEEE operations alone, so that its bits are the same everywhere,
/// which the C library does not promise. Within 4 ulp.
///
/// x = m 2^e with m in (0.7, 1.5): log x = e log 2 + 2 artanh((m - 1) / (m + 1)), by its series.
package func naturalLogarithm(_ x: Double) -> Double {
  var (significand, exponent) = (x.significand, Double(x.exponent))
  if significand > 1.4142135623730951 {
    significand /= 2
    exponent += 1
  }
  let z = (significand - 1) / (significand + 1)
  let square = z * z
  var series = 0.0
  for odd in stride(from: 23.0, through: 1, by: -2) { series = series * square + 1 / odd }
  return exponent * 0.6931471805599453 + 2 * z * series
}

extension Tensor {
  /// Numbers from the normal distribution. The same seed gives the same bits on every platform.
  ///
  /// - Throws: ``TensorError/argument(name:expected:got:)`` when the deviation is negative, or it or the mean not
  ///   finite.
  public static func randomNormal(
    _ shape: Shape, mean: Double = 0, deviation: Double = 1, seed: UInt64, dtype: DType = .float32
  ) throws -> Tensor {
    guard deviation >= 0, deviation.isFinite else {
      throw TensorError.argument(name: "deviation", expected: "0 or more", got: "\(deviation)")
    }
    guard mean.isFinite else { throw TensorError.argument(name: "mean", expected: "a finite number", got: "\(mean)") }
    var generator = SeededGenerator(seed: seed)
    return try generated(shape, dtype) { mean + deviation * generator.nextNormal() }
  }

  /// Numbers spread evenly over a range. The same seed gives the same bits on every platform.
  ///
  /// They are drawn in float64 and rounded, so that in a narrower dtype the upper bound itself may come.
  ///
  /// - Throws: ``TensorError/argument(name:expected:got:)`` when the range is infinite.
  public static func randomUniform(
    _ shape: Shape, in range: Range<Double> = 0..<1, seed: UInt64, dtype: DType = .float32
  ) throws -> Tensor {
    var generator = SeededGenerator(seed: seed)
    let width = range.upperBound - range.lowerBound
    guard width.isFinite else { throw TensorError.argument(name: "range", expected: "a finite one", got: "\(range)") }
    return try generated(shape, dtype) { range.lowerBound + width * generator.nextUniform() }
  }

  private static func generated(_ shape: Shape, _ dtype: DType, _ next: () -> Double) throws -> Tensor {
    func make<S: Scalar>(_ type: S.Type) throws -> Tensor {
      try Tensor(shape: shape) { (buffer: UnsafeMutableBufferPointer<S>) in
        for index in buffer.indices { buffer[index] = S(next()) }
      }
    }
    return try make(dtype.scalarType)
  }
}
