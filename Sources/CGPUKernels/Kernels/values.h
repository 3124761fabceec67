// The values that a program is compiled for: VALUE_TYPE is one of the TYPE numbers. A VALUE is how one lies in memory,
// a REAL what it is computed in, LANES how many VALUEs 16 bytes hold, REALS how many REALs. A MAGNITUDE has the bits of
// a REAL.

#if VALUE_TYPE == TYPE_FLOAT64
typedef double VALUE;
typedef double REAL;
typedef ulong MAGNITUDE;
#define LANES 2
#define REALS 2
#define REAL_BITS(value) as_ulong(value)
#define REAL_EXPONENT_BIAS 1023
#define REAL_MANTISSA 52
#define REAL_INFINITE 0x7ff0000000000000UL
#define REAL_ABSOLUTE 0x7fffffffffffffffUL
#define REAL_LARGEST 0x1.fffffffffffffp1023
#else
typedef float REAL;
typedef uint MAGNITUDE;
#define REALS 4
#define REAL_BITS(value) as_uint(value)
#define REAL_EXPONENT_BIAS 127
#define REAL_MANTISSA 23
#define REAL_INFINITE 0x7f800000U
#define REAL_ABSOLUTE 0x7fffffffU
#define REAL_LARGEST 0x1.fffffep127f
#if VALUE_TYPE == TYPE_FLOAT32
typedef float VALUE;
#define LANES 4
#else
typedef ushort VALUE;
#define LANES 8
#endif
#endif
/// Scale and bias.
typedef REAL PARAMETER;

/// The nearest bfloat16, ties to even.
INLINE ushort bfloat_of_float(float value) {
  uint bits = as_uint(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return (ushort)((bits >> 16) | 0x40U);
  return (ushort)((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

#if VALUE_TYPE == TYPE_FLOAT16
INLINE REAL real_of(VALUE value) { return float_of_half(value); }
INLINE VALUE value_of(REAL real) { return half_of_float(real); }
#elif VALUE_TYPE == TYPE_BFLOAT16
INLINE REAL real_of(VALUE value) { return as_float((uint)value << 16); }
INLINE VALUE value_of(REAL real) { return bfloat_of_float(real); }
#else
INLINE REAL real_of(VALUE value) { return value; }
INLINE VALUE value_of(REAL real) { return real; }
#endif

/// ReLU and its like: n, multiplied by the slope unless it is above 0; with a slope of 0, that is 0 and not a product,
/// which would keep NaN. A NaN compares false, and so stays. -0 becomes 0 with ReLU: so what is rounded before comes to
/// the same as what is rounded after.
INLINE REAL rectified(REAL n, REAL slope) { return n <= 0 ? (slope == 0 ? 0 : n * slope) : n; }

/// dy times the slope at n.
INLINE REAL rectified_gradient(REAL dy, REAL n, REAL slope) { return n > 0 ? dy : slope == 0 ? 0 : dy * slope; }

/// The REALs of 16 bytes.
INLINE void unpack_reals(uint4 bytes, REAL *reals) {
#if REALS == 2
  reals[0] = as_double(((ulong)bytes.y << 32) | bytes.x);
  reals[1] = as_double(((ulong)bytes.w << 32) | bytes.z);
#else
  reals[0] = as_float(bytes.x);
  reals[1] = as_float(bytes.y);
  reals[2] = as_float(bytes.z);
  reals[3] = as_float(bytes.w);
#endif
}

/// The values of 16 bytes.
INLINE void unpack(uint4 bytes, REAL *reals) {
#if LANES == REALS
  unpack_reals(bytes, reals);
#else
  reals[0] = real_of((ushort)(bytes.x & 0xffffU));
  reals[1] = real_of((ushort)(bytes.x >> 16));
  reals[2] = real_of((ushort)(bytes.y & 0xffffU));
  reals[3] = real_of((ushort)(bytes.y >> 16));
  reals[4] = real_of((ushort)(bytes.z & 0xffffU));
  reals[5] = real_of((ushort)(bytes.z >> 16));
  reals[6] = real_of((ushort)(bytes.w & 0xffffU));
  reals[7] = real_of((ushort)(bytes.w >> 16));
#endif
}

INLINE uint4 pack(const REAL *reals) {
  uint4 bytes;
#if LANES == 2
  ulong first = as_ulong(reals[0]), second = as_ulong(reals[1]);
  bytes.x = (uint)first;
  bytes.y = (uint)(first >> 32);
  bytes.z = (uint)second;
  bytes.w = (uint)(second >> 32);
#elif LANES == 4
  bytes.x = as_uint(reals[0]);
  bytes.y = as_uint(reals[1]);
  bytes.z = as_uint(reals[2]);
  bytes.w = as_uint(reals[3]);
#else
  bytes.x = (uint)value_of(reals[0]) | (uint)value_of(reals[1]) << 16;
  bytes.y = (uint)value_of(reals[2]) | (uint)value_of(reals[3]) << 16;
  bytes.z = (uint)value_of(reals[4]) | (uint)value_of(reals[5]) << 16;
  bytes.w = (uint)value_of(reals[6]) | (uint)value_of(reals[7]) << 16;
#endif
  return bytes;
}

/// 2^exponent, for exponents that a REAL has without losing bits.
INLINE REAL power_of_two(int exponent) {
#if VALUE_TYPE == TYPE_FLOAT64
  return as_double((ulong)(exponent + 1023) << 52);
#else
  return as_float((uint)(exponent + 127) << 23);
#endif
}

/// The farthest exponent to either side that `power_of_two` and its inverse have.
#define EXPONENT_LIMIT (REAL_EXPONENT_BIAS - 1)

INLINE int within_limit(int exponent) {
  return exponent > EXPONENT_LIMIT ? EXPONENT_LIMIT : exponent < -EXPONENT_LIMIT ? -EXPONENT_LIMIT : exponent;
}

/// The magnitude's bits, whose order is that of magnitudes, with infinity and then NaN as the largest.
INLINE MAGNITUDE magnitude_bits(REAL value) { return REAL_BITS(value) & REAL_ABSOLUTE; }

/// The exponent of a magnitude, limited, and 0 for 0.
INLINE int exponent_of_magnitude(ulong bits) {
  return bits == 0 ? 0 : within_limit((int)(bits >> REAL_MANTISSA) - REAL_EXPONENT_BIAS);
}

/// a / b for numbers of 0 or more; most are small, and GPUs divide long ones slowly.
INLINE long quotient(long a, long b) {
  return ((a | b) >> 31) == 0 ? (long)((uint)a / (uint)b) : a / b;
}
