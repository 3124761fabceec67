// Elementary functions of 16 float32 values, as products, sums and selections: no tables, no branches, no libm. The
// polynomials are minimax fits over the intervals said.

// MARK: - Exponentials

/// p first second, p in [0.7, 1.5) and the other two powers of two: so that a product with something large or small
/// leaves the range of float32 only where its result does.
typedef struct exponential {
  floats p, first, second;
} exponential;

INLINE floats power_of_two(ints n) { return (floats)((n + 127) << 23); }

/// NaN stays.
INLINE floats within(floats x, float least, float most) {
  x = x < least ? (floats)least : x;
  return x > most ? (floats)most : x;
}

/// e^x; below -120 it is that of -120, which is 0 in float32 even 200 times, and above 89 that of 89, which is
/// infinite.
INLINE exponential exponential_of(floats x) {
  x = within(x, -120, 89);
  // Added to 1.5 2^23, a number is rounded to an integer, which stands in the sum's lowest bits.
  const float rounder = 0x1.8p23f;
  floats rounded = multiply_add(x, (floats)0x1.715476p0f, (floats)rounder);
  ints n = (ints)rounded - 0x4b400000;
  floats whole = rounded - rounder;
  // ln 2 in two parts, of which the first has few enough digits for an exact product.
  floats r = multiply_add(whole, (floats)-0x1.63p-1f, x);
  r = multiply_add(whole, (floats)0x1.bd0106p-13f, r);
  // e^r = 1 + r + r^2 q(r), |r| <= 0.35; 2^-28.
  floats q = multiply_add(r, (floats)0x1.6dbc68p-10f, (floats)0x1.124148p-7f);
  q = multiply_add(q, r, (floats)0x1.555454p-5f);
  q = multiply_add(q, r, (floats)0x1.555486p-3f);
  q = multiply_add(q, r, (floats)0.5f);
  ints half = n >> 1;
  return (exponential){1.0f + multiply_add(r * r, q, r), power_of_two(half), power_of_two(n - half)};
}

INLINE floats value(exponential e) { return e.p * e.first * e.second; }
/// a e^x.
INLINE floats times(floats a, exponential e) { return a * e.p * e.first * e.second; }

INLINE floats logistic(floats x) {
  floats e = value(exponential_of(-magnitude(x)));
  return (x < 0.0f ? e : (floats)1.0f) / (1.0f + e);
}

/// x / (1 + e^-x); its limit, 0, at -infinity.
INLINE floats silu(floats x) {
  exponential e = exponential_of(-magnitude(x));
  floats below = times(x < -200.0f ? (floats)-200.0f : x, e);
  return (x < 0.0f ? below : x) / (1.0f + value(e));
}

/// s (1 + x (1 - s)), s = sigmoid(x).
INLINE floats silu_slope(floats x) {
  x = within(x, -200, 200);
  exponential e = exponential_of(-magnitude(x));
  floats small = value(e), divisor = 1.0f + small;
  floats rest = (x < 0.0f ? (floats)1.0f : small) / divisor, factor = multiply_add(x, rest, (floats)1.0f);
  return (x < 0.0f ? times(factor, e) : factor) / divisor;
}

INLINE floats hyperbolic_tangent(floats x) {
  // Near 0, tanh x = x + x^3 q(x^2), |x| <= 0.64; 2^-27.
  floats s = x * x;
  floats q = multiply_add(s, (floats)-0x1.6f4212p-8f, (floats)0x1.50b828p-6f);
  q = multiply_add(q, s, (floats)-0x1.b806a6p-5f);
  q = multiply_add(q, s, (floats)0x1.1105a2p-3f);
  q = multiply_add(q, s, (floats)-0x1.55552cp-2f);
  floats near = multiply_add(x * s, q, x);
  floats far = 1.0f - 2.0f / (value(exponential_of(2.0f * magnitude(x))) + 1.0f);
  floats signed_far = (floats)((words)far | ((words)x & 0x80000000u));
  return magnitude(x) < 0.64f ? near : signed_far;
}

/// log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|.
INLINE floats softplus(floats x) {
  floats e = value(exponential_of(-magnitude(x)));
  // log(1 + e) = e + e^2 q(e), e <= 1; 2^-30.
  floats q = multiply_add(e, (floats)0x1.0fb47ap-9f, (floats)-0x1.bead04p-7f);
  q = multiply_add(q, e, (floats)0x1.57e93ap-5f);
  q = multiply_add(q, e, (floats)-0x1.544570p-4f);
  q = multiply_add(q, e, (floats)0x1.fea73ap-4f);
  q = multiply_add(q, e, (floats)-0x1.4a542ap-3f);
  q = multiply_add(q, e, (floats)0x1.978278p-3f);
  q = multiply_add(q, e, (floats)-0x1.ffc41ep-3f);
  q = multiply_add(q, e, (floats)0x1.5553a6p-2f);
  q = multiply_add(q, e, (floats)-0x1.fffff8p-2f);
  floats tail = multiply_add(e * e, q, e);
  return x > 0.0f ? x + tail : tail;
}

// MARK: - The normal distribution

/// e^(-t^2 / 2) and Q(t), whose product is the share of the normal distribution beyond t, for t from 0.
typedef struct normal_tail {
  exponential density;
  floats q;
} normal_tail;

INLINE normal_tail normal_tail_of(floats t) {
  // t^2 to twice the digits: an error in the exponent is one in the result, as large as the exponent.
  floats square = t * t;
#if HAS_FMA
  floats rest = multiply_add(t, t, -square);
#else
  floats high = (floats)((words)t & 0xfffff000u), low = t - high;
  floats rest = ((high * high - square) + 2.0f * high * low) + low * low;
#endif
  exponential density = exponential_of(-0.5f * square);
  density.p = multiply_add(density.p * -0.5f, rest, density.p);
  // (t + 3) Q(t) is a polynomial of u = (t - 3) / (t + 3), t <= 15; 2^-30.
  floats inverse = 1.0f / (t + 3.0f), u = (t - 3.0f) * inverse;
  floats q = multiply_add(u, (floats)0x1.c916bep-15f, (floats)0x1.136b82p-13f);
  q = multiply_add(q, u, (floats)-0x1.009e4p-12f);
  q = multiply_add(q, u, (floats)-0x1.0eaedcp-10f);
  q = multiply_add(q, u, (floats)0x1.0ca214p-10f);
  q = multiply_add(q, u, (floats)0x1.c8bda4p-8f);
  q = multiply_add(q, u, (floats)-0x1.56d5ecp-7f);
  q = multiply_add(q, u, (floats)-0x1.832d0ap-5f);
  q = multiply_add(q, u, (floats)0x1.d71386p-3f);
  q = multiply_add(q, u, (floats)-0x1.04c72ap-1f);
  q = multiply_add(q, u, (floats)0x1.754a76p-1f);
  return (normal_tail){density, q * inverse};
}

/// x times the share below x. Beyond 15 the tail is nothing.
INLINE floats gelu(floats x) {
  normal_tail tail = normal_tail_of(within(magnitude(x), 0, 15));
  floats below = times(tail.q * (x < -15.0f ? (floats)-15.0f : x), tail.density);
  floats share = times(tail.q, tail.density);
  floats far = x < 0.0f ? below : multiply_add(within(x, 0, 15), -share, x);
  // Near 0 the share is 1/2 + x p(x^2), |x| <= 0.75; 2^-29.
  floats s = x * x;
  floats p = multiply_add(s, (floats)0x1.ab099ap-14f, (floats)-0x1.354a9ap-10f);
  p = multiply_add(p, s, (floats)0x1.46c108p-7f);
  p = multiply_add(p, s, (floats)-0x1.105806p-4f);
  p = multiply_add(p, s, (floats)0x1.988452p-2f);
  floats near = x * multiply_add(x, p, (floats)0.5f);
  return magnitude(x) < 0.75f ? near : far;
}

INLINE floats gelu_slope(floats x) {
  floats t = within(magnitude(x), 0, 15);
  normal_tail tail = normal_tail_of(t);
  floats part = times(multiply_add(t, (floats)-0x1.988454p-2f, tail.q), tail.density);
  return x < 0.0f ? part : 1.0f - part;
}

// MARK: - The logarithm

INLINE floats natural_logarithm(floats x) {
  ints subnormal = x < 0x1p-126f;
  floats scaled = subnormal ? x * 0x1p23f : x;
  // scaled = 2^exponent m, m from the root of 1/2 to that of 2.
  ints exponent = ((ints)scaled - 0x3f3504f3) >> 23;
  floats f = (floats)((ints)scaled - (exponent << 23)) - 1.0f;
  exponent = subnormal ? exponent - 23 : exponent;
  floats e = __builtin_convertvector(exponent, floats);
  // log(1 + f) = f - f^2 / 2 + f^3 q(f); 2^-30.
  floats q = multiply_add(f, (floats)0x1.1b3ef4p-4f, (floats)-0x1.e2e81cp-4f);
  q = multiply_add(q, f, (floats)0x1.e65188p-4f);
  q = multiply_add(q, f, (floats)-0x1.fb4380p-4f);
  q = multiply_add(q, f, (floats)0x1.2332b4p-3f);
  q = multiply_add(q, f, (floats)-0x1.5562e0p-3f);
  q = multiply_add(q, f, (floats)0x1.99a546p-3f);
  q = multiply_add(q, f, (floats)-0x1.ffffeep-3f);
  q = multiply_add(q, f, (floats)0x1.555546p-2f);
  floats square = f * f;
  floats low = multiply_add(e, (floats)-0x1.bd0106p-13f, q * f * square);
  low = multiply_add(square, (floats)-0.5f, low);
  floats result = multiply_add(e, (floats)0x1.63p-1f, low + f);
  result = x < __builtin_inff() ? result : x;
  floats otherwise = x == 0.0f ? (floats)-__builtin_inff() : (floats)__builtin_nanf("");
  return x > 0.0f ? result : otherwise;
}
