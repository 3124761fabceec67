// What sums and statistics are computed in. A `wide` has the precision: float64, or where a device has none, the sum of
// two float32 (Dekker, "A floating-point technique for extending the available precision", 1971). A `number` has the
// range too: a wide and an exponent of its own, so that nothing that is done to a plane's statistics overflows.

#ifdef HAS_DOUBLE

typedef double wide;

INLINE wide wide_of(REAL value) { return value; }
INLINE REAL real_of_wide(wide value) { return (REAL)value; }
INLINE wide wide_of_count(long count) { return (double)count; }
INLINE wide wide_add(wide a, wide b) { return a + b; }
INLINE wide wide_multiply(wide a, wide b) { return a * b; }
INLINE wide wide_divide(wide a, wide b) { return a / b; }
INLINE wide wide_root(wide a) { return sqrt(a); }
INLINE wide wide_negate(wide a) { return -a; }
INLINE int wide_is_zero(wide a) { return a == 0; }
INLINE int wide_is_negative(wide a) { return a < 0; }
/// a 2^exponent, without the care for subnormals that makes ldexp slow where there are none.
INLINE wide wide_scale(wide a, int exponent) {
  if (exponent > 1000 || exponent < -1000) return ldexp(a, exponent);
  return a * as_double((ulong)(exponent + 1023) << 52);
}
INLINE int wide_is_finite(wide a) { return (as_ulong(a) & 0x7ff0000000000000UL) != 0x7ff0000000000000UL; }

/// The exponent of what is neither 0 nor infinite nor NaN.
INLINE int wide_exponent(wide a) {
  int field = (int)(as_ulong(a) >> 52) & 0x7ff;
  if (field != 0) return field - 1023;
  return ((int)(as_ulong(a * 0x1p54) >> 52) & 0x7ff) - 1023 - 54;
}

INLINE ulong bits_of_wide(wide a, int exponent) { return as_ulong(wide_scale(a, exponent)); }
INLINE wide wide_of_bits(ulong bits, int *exponent) {
  *exponent = 0;
  return as_double(bits);
}

#else

typedef struct {
  float high;
  float low;
} wide;

INLINE wide wide_pair(float high, float low) {
  wide result = {high, low};
  return result;
}
/// The sum of two floats, exactly.
INLINE wide wide_sum(float a, float b) {
  float sum = a + b, part = sum - a;
  return wide_pair(sum, (a - (sum - part)) + (b - part));
}
/// The same for a larger and a smaller magnitude.
INLINE wide wide_quick_sum(float a, float b) {
  float sum = a + b;
  return wide_pair(sum, b - (sum - a));
}
INLINE wide wide_of(REAL value) { return wide_pair(value, 0); }
INLINE REAL real_of_wide(wide value) { return value.high + value.low; }
INLINE wide wide_of_count(long count) {
  float high = (float)count;
  return wide_pair(high, (float)(count - (long)high));
}
INLINE wide wide_add(wide a, wide b) {
  wide high = wide_sum(a.high, b.high), low = wide_sum(a.low, b.low);
  high = wide_quick_sum(high.high, high.low + low.high);
  return wide_quick_sum(high.high, high.low + low.low);
}
INLINE wide wide_negate(wide a) { return wide_pair(-a.high, -a.low); }
INLINE wide wide_multiply(wide a, wide b) {
  float product = a.high * b.high;
  float rest = fma(a.high, b.high, -product);
  return wide_quick_sum(product, fma(a.high, b.low, fma(a.low, b.high, rest)));
}
INLINE wide wide_divide(wide a, wide b) {
  // Long division, a float's worth of digits a time.
  float first = a.high / b.high;
  wide rest = wide_add(a, wide_negate(wide_multiply(b, wide_pair(first, 0))));
  float second = rest.high / b.high;
  rest = wide_add(rest, wide_negate(wide_multiply(b, wide_pair(second, 0))));
  return wide_add(wide_quick_sum(first, second), wide_pair(rest.high / b.high, 0));
}
INLINE wide wide_root(wide a) {
  if (!(a.high > 0)) return wide_pair(a.high, 0);
  // Newton's steps from a float's root.
  wide root = wide_pair(sqrt(a.high), 0);
  for (int step = 0; step < 2; step++) {
    wide rest = wide_add(a, wide_negate(wide_multiply(root, root)));
    root = wide_add(root, wide_pair(rest.high / (2 * root.high), 0));
  }
  return root;
}
INLINE int wide_is_zero(wide a) { return a.high == 0; }
INLINE int wide_is_negative(wide a) { return a.high < 0; }
INLINE wide wide_scale(wide a, int exponent) { return wide_pair(ldexp(a.high, exponent), ldexp(a.low, exponent)); }
INLINE int wide_is_finite(wide a) { return (as_uint(a.high) & 0x7f800000U) != 0x7f800000U; }
INLINE int wide_exponent(wide a) {
  int field = (int)(as_uint(a.high) >> 23) & 0xff;
  if (field != 0) return field - 127;
  return ((int)(as_uint(a.high * 0x1p24f) >> 23) & 0xff) - 127 - 24;
}

/// The float64 of a wide times 2^exponent, put together by hand.
CALLED ulong bits_of_wide(wide a, int exponent) {
  ulong sign = (ulong)(as_uint(a.high) >> 31) << 63;
  if (!wide_is_finite(a)) return (a.high != a.high) ? 0x7ff8000000000000UL : sign | 0x7ff0000000000000UL;
  if (a.high == 0) return sign;
  int own = wide_exponent(a);
  float factor = sign ? -1.0f : 1.0f;
  // 52 binary places, of something from 1 to 2 but for rounding.
  ulong digits = (ulong)(ldexp(factor * a.high, 23 - own)) << 29;
  digits += (long)rint(ldexp(factor * a.low, 52 - own));
  exponent += own;
  if (digits < (1UL << 52)) {
    digits <<= 1;
    exponent -= 1;
  }
  if (exponent > 1023) return sign | 0x7ff0000000000000UL;
  if (exponent < -1022) {
    int shift = -1022 - exponent;
    return sign | (shift > 52 ? 0UL : digits >> shift);
  }
  return sign | ((ulong)(exponent + 1023) << 52) | (digits & ((1UL << 52) - 1));
}

INLINE wide wide_of_bits(ulong bits, int *exponent) {
  int field = (int)(bits >> 52) & 0x7ff;
  ulong digits = bits & ((1UL << 52) - 1);
  float sign = bits >> 63 ? -1.0f : 1.0f;
  *exponent = 0;
  if (field == 0x7ff) return wide_pair(digits ? as_float(0x7fc00000U) : sign * as_float(0x7f800000U), 0);
  if (field == 0 && digits == 0) return wide_pair(sign * 0.0f, 0);
  *exponent = field == 0 ? -1022 : field - 1023;
  if (field != 0) digits |= 1UL << 52;
  float high = ldexp((float)(uint)(digits >> 29), -23), low = ldexp((float)(uint)(digits & ((1UL << 29) - 1)), -52);
  return wide_quick_sum(sign * high, sign * low);
}

#endif

/// A float64 that a kernel was told as its bits.
CALLED wide wide_of_argument(ulong bits) {
  int exponent;
  wide value = wide_of_bits(bits, &exponent);
  return wide_scale(value, exponent);
}

typedef struct {
  wide digits;
  int exponent;
} number;

/// With digits from 1 to 2 in magnitude, or 0, infinite or NaN as they are.
CALLED number number_of_wide(wide digits, int exponent) {
  number result;
  result.digits = digits;
  result.exponent = exponent;
  if (wide_is_zero(digits) || !wide_is_finite(digits)) {
    result.exponent = 0;
    return result;
  }
  int own = wide_exponent(digits);
  result.digits = wide_scale(digits, -own);
  result.exponent += own;
  return result;
}

INLINE number number_of(REAL value) {
#if VALUE_TYPE == TYPE_FLOAT64
  return number_of_wide(value, 0);
#else
  return number_of_wide(wide_of(value), 0);
#endif
}
INLINE number number_of_count(long count) { return number_of_wide(wide_of_count(count), 0); }
CALLED number number_of_bits(ulong bits) {
  int exponent;
  wide digits = wide_of_bits(bits, &exponent);
  return number_of_wide(digits, exponent);
}
CALLED ulong bits_of_number(number a) { return bits_of_wide(a.digits, a.exponent); }

INLINE int number_is_zero(number a) { return wide_is_zero(a.digits); }

INLINE number number_times_power(number a, int exponent) {
  if (!wide_is_zero(a.digits) && wide_is_finite(a.digits)) a.exponent += exponent;
  return a;
}

/// The nearest REAL of a 2^exponent.
CALLED REAL real_of_number(number a, int exponent) {
  exponent += a.exponent;
#if VALUE_TYPE == TYPE_FLOAT64
  return wide_scale(a.digits, exponent);
#else
  if (exponent <= EXPONENT_LIMIT && exponent >= -EXPONENT_LIMIT) {
    return real_of_wide(a.digits) * power_of_two(exponent);
  }
  // Twice rounded where the result is subnormal.
  return (REAL)ldexp((float)real_of_wide(a.digits), exponent);
#endif
}

CALLED number number_multiply(number a, number b) {
  return number_of_wide(wide_multiply(a.digits, b.digits), a.exponent + b.exponent);
}
CALLED number number_divide(number a, number b) {
  return number_of_wide(wide_divide(a.digits, b.digits), a.exponent - b.exponent);
}
CALLED number number_add(number a, number b) {
  if (!wide_is_finite(a.digits) || !wide_is_finite(b.digits)) {
    return number_of_wide(wide_add(a.digits, b.digits), 0);
  }
  if (wide_is_zero(a.digits)) return b;
  if (wide_is_zero(b.digits)) return a;
  if (a.exponent < b.exponent) {
    number c = a;
    a = b;
    b = c;
  }
  int distance = a.exponent - b.exponent;
  if (distance > 110) return a;
  return number_of_wide(wide_add(a.digits, wide_scale(b.digits, -distance)), a.exponent);
}
INLINE number number_negate(number a) {
  a.digits = wide_negate(a.digits);
  return a;
}
CALLED number number_root(number a) {
  int odd = a.exponent & 1;
  return number_of_wide(wide_root(wide_scale(a.digits, odd)), (a.exponent - odd) / 2);
}
/// 1 / root(variance + epsilon), 0 where that is a division by zero.
CALLED number inverse_root(number variance, ulong epsilon) {
  number spread = number_add(variance, number_of_bits(epsilon));
  if (number_is_zero(spread)) return spread;
  return number_divide(number_of(1), number_root(spread));
}
