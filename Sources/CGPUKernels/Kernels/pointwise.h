// Functions of one value and their gradients, each computed in REAL and rounded once. NaN stays NaN.

#if VALUE_TYPE == TYPE_FLOAT64
#define NUMBER(digits) digits
#else
#define NUMBER(digits) digits##f
#endif

INLINE REAL sigmoid(REAL x) { return 1 / (1 + exp(-x)); }

/// The normal distribution's share below x.
INLINE REAL share_below(REAL x) { return erfc(x * NUMBER(-0.70710678118654752)) / 2; }

/// x share, whose limit is 0 where the share vanishes.
INLINE REAL part_of(REAL x, REAL share) { return share == 0 ? 0 : x * share; }

/// f(x). What `a` and `b` are is said in KernelCalls.h.
CALLED REAL function_value(int function, REAL x, REAL a, REAL b) {
  switch (function) {
  case POINTWISE_RECTIFY: return rectified(x, a);
  case POINTWISE_TANH: return tanh(x);
  case POINTWISE_SIGMOID: return sigmoid(x);
  case POINTWISE_EXP: return exp(x);
  case POINTWISE_LOG: return log(x);
  case POINTWISE_SQUARE_ROOT: return sqrt(x);
  case POINTWISE_ABSOLUTE: return fabs(x);
  case POINTWISE_SQUARE: return x * x;
  case POINTWISE_CLAMP: return x < a ? a : x > b ? b : x;
  case POINTWISE_SOFTPLUS: return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
  case POINTWISE_GELU: return part_of(x, share_below(x));
  case POINTWISE_SILU: return part_of(x, sigmoid(x));
  case POINTWISE_NEGATE: return -x;
  case POINTWISE_RECIPROCAL: return 1 / x;
  default: return fma(a, x, b);
  }
}

/// dy f'(x), `v` being f(x) where the slope is of that, else x. A slope of 0 is no product, which would keep NaN.
CALLED REAL function_gradient(int function, REAL dy, REAL v, REAL a, REAL b) {
  switch (function) {
  case POINTWISE_RECTIFY: return rectified_gradient(dy, v, a);
  case POINTWISE_TANH: return dy * fma(-v, v, (REAL)1);
  case POINTWISE_SIGMOID: return dy * (v * (1 - v));
  case POINTWISE_EXP: return dy * v;
  case POINTWISE_LOG: return dy / v;
  case POINTWISE_SQUARE_ROOT: return dy / (2 * v);
  case POINTWISE_ABSOLUTE: return v > 0 ? dy : v < 0 ? -dy : 0;
  case POINTWISE_SQUARE: return dy * (2 * v);
  case POINTWISE_CLAMP: return v >= a && v <= b ? dy : 0;
  case POINTWISE_SOFTPLUS: return dy * sigmoid(v);
  case POINTWISE_GELU:
    return dy * (share_below(v) + part_of(v * NUMBER(0.39894228040143268), exp(v * v / -2)));
  case POINTWISE_SILU: return dy * part_of(1 + part_of(v, sigmoid(-v)), sigmoid(v));
  case POINTWISE_NEGATE: return -dy;
  case POINTWISE_RECIPROCAL: return -dy * (v * v);
  default: return dy * a;
  }
}

KERNEL pointwise(GLOBAL const uint4 *input, GLOBAL uint4 *output, ARGUMENT(PointwiseKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  REAL a = real_of_number(number_of_bits(call.a), 0), b = real_of_number(number_of_bits(call.b), 0);
  REAL values[LANES];
  unpack(input[vector], values);
#pragma unroll
  for (int k = 0; k < LANES; k++) values[k] = function_value(call.function, values[k], a, b);
  store_vector(output, vector, length, values);
}

KERNEL pointwise_gradient(
    GLOBAL const uint4 *gradient, GLOBAL const uint4 *values, GLOBAL uint4 *output,
    ARGUMENT(PointwiseKernelCall) call) {
  int length;
  long vector = own_vector(call.count, &length);
  if (length == 0) return;
  REAL a = real_of_number(number_of_bits(call.a), 0), b = real_of_number(number_of_bits(call.b), 0);
  REAL dy[LANES], v[LANES];
  unpack(gradient[vector], dy);
  unpack(values[vector], v);
#pragma unroll
  for (int k = 0; k < LANES; k++) dy[k] = function_gradient(call.function, dy[k], v[k], a, b);
  store_vector(output, vector, length, dy);
}
