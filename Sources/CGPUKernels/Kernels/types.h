// Values of any type, which is an argument. Programs that have them are compiled for float32.

/// The nearest float32 of a float64, or with `toOdd` one from which a narrower type is the nearest of the float64 too:
/// what is cut off makes the last bit 1 (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
CALLED float float_of_bits(ulong bits, int toOdd) {
  uint sign = (uint)(bits >> 63) << 31;
  int field = (int)(bits >> 52) & 0x7ff;
  ulong digits = bits & ((1UL << 52) - 1);
  if (field == 0x7ff) return as_float(sign | 0x7f800000U | (digits ? 0x400000U : 0U));
  int exponent = field - 1023;
  if (exponent > 127) return as_float(sign | 0x7f800000U);
  if (exponent < -151) return as_float(sign | (toOdd && (field | (digits != 0)) ? 1U : 0U));
  digits |= 1UL << 52;
  int shift = exponent < -126 ? 29 + (-126 - exponent) : 29;
  ulong kept = digits >> shift, cut = digits & ((1UL << shift) - 1), middle = 1UL << (shift - 1);
  uint result = (uint)kept;
  if (exponent >= -126) result = (result & 0x7fffffU) | (uint)(exponent + 127) << 23;
  if (toOdd) {
    result |= cut != 0;
  } else if (cut > middle || (cut == middle && (kept & 1))) {
    // A carry goes into the exponent, as it should.
    result += 1;
  }
  return as_float(sign | result);
}

INLINE float narrow_of(GLOBAL const void *values, int type, long index) {
  if (type == TYPE_FLOAT32) return ((GLOBAL const float *)values)[index];
  ushort bits = ((GLOBAL const ushort *)values)[index];
  return type == TYPE_FLOAT16 ? float_of_half(bits) : as_float((uint)bits << 16);
}

INLINE void set_narrow(GLOBAL void *values, int type, long index, float value) {
  if (type == TYPE_FLOAT32) {
    ((GLOBAL float *)values)[index] = value;
  } else {
    ((GLOBAL ushort *)values)[index] = type == TYPE_FLOAT16 ? half_of_float(value) : bfloat_of_float(value);
  }
}

INLINE wide wide_at(GLOBAL const void *values, int type, long index) {
  if (type == TYPE_FLOAT64) return wide_of_argument(((GLOBAL const ulong *)values)[index]);
  return wide_of(narrow_of(values, type, index));
}

/// Rounds the float64 with these bits to a value.
INLINE void set_bits(GLOBAL void *values, int type, long index, ulong bits) {
  if (type == TYPE_FLOAT64) {
    ((GLOBAL ulong *)values)[index] = bits;
  } else {
    set_narrow(values, type, index, float_of_bits(bits, type != TYPE_FLOAT32));
  }
}
