// float64 values rounded once to a type in memory.

typedef float eight_floats __attribute__((ext_vector_type(8)));
typedef unsigned eight_words __attribute__((ext_vector_type(8)));
typedef unsigned long long eight_long_words __attribute__((ext_vector_type(8)));

INLINE floats joined(eight_floats a, eight_floats b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/// Rounded towards zero, with the last bit set where anything was lost: what a second rounding, to float16 or bfloat16,
/// has to know.
INLINE eight_floats rounded_to_odd(doubles a) {
  eight_floats nearest = __builtin_convertvector(a, eight_floats);
  doubles back = __builtin_convertvector(nearest, doubles);
  eight_long_words bits = __builtin_convertvector((eight_words)nearest, eight_long_words);
  const eight_long_words magnitude = (eight_long_words)0x7fffffffffffffffull;
  // Comparisons of magnitudes, as numbers or as bits, come to the same.
  eight_long_words back_magnitude = (eight_long_words)back & magnitude, a_magnitude = (eight_long_words)a & magnitude;
  eight_long_words is_above = (eight_long_words)(back_magnitude > a_magnitude);
  bits -= is_above & 1;
  bits |= (eight_long_words)(back != a) & 1;
  return (eight_floats)__builtin_convertvector(bits, eight_words);
}

/// What stores as the nearest value of the type.
INLINE floats rounded_once(norm_type type, doubles low, doubles high) {
  if (type == norm_float32)
    return joined(__builtin_convertvector(low, eight_floats), __builtin_convertvector(high, eight_floats));
  return joined(rounded_to_odd(low), rounded_to_odd(high));
}
