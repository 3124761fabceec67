/// A float32 cut to its upper 16 bits: 8 bits of exponent, 8 of precision.
///
/// It holds values and converts them; arithmetic is done in wider types.
public struct BFloat16: Scalar, Hashable {
  public var bitPattern: UInt16

  public init(bitPattern: UInt16) {
    self.bitPattern = bitPattern
  }

  public static var dtype: DType { .bfloat16 }

  /// The nearest bfloat16, ties to even; NaN stays NaN and overflow becomes infinity.
  public init(_ value: Double) {
    let single = Float(value)
    guard !single.isNaN else {
      bitPattern = UInt16(single.bitPattern >> 16) | 0x40
      return
    }
    // Rounding to float32 first and to bfloat16 then can be off by one in the last place. Rounding to odd in between
    // (towards zero, with the last bit set when anything was lost) keeps what the second rounding has to know.
    var bits = single.bitPattern
    if single.double != value {
      if single.magnitude.double > value.magnitude { bits -= 1 }
      bits |= 1
    }
    bitPattern = UInt16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
  }

  public var double: Double {
    Double(Float(bitPattern: UInt32(bitPattern) << 16))
  }
}
