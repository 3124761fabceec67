// Functions of one value, and gradients through them.

INLINE floats value_of(element_function function, float a, float b, floats x) {
  switch (function) {
  case element_rectify: return rectified(x, a);
  case element_tanh: return hyperbolic_tangent(x);
  case element_sigmoid: return logistic(x);
  case element_exp: return value(exponential_of(x));
  case element_log: return natural_logarithm(x);
  case element_square_root: return __builtin_elementwise_sqrt(x);
  case element_absolute: return magnitude(x);
  case element_square: return x * x;
  case element_clamp: return within(x, a, b);
  case element_softplus: return softplus(x);
  case element_gelu: return gelu(x);
  case element_silu: return silu(x);
  case element_negate: return -x;
  case element_reciprocal: return 1.0f / x;
  case element_affine: return x;
  }
}

/// dy times the slope; `v` is the function's value or its argument.
INLINE floats gradient_of(element_function function, float a, float b, floats dy, floats v) {
  switch (function) {
  case element_rectify: return rectified_gradient(dy, v, a);
  case element_tanh: return dy * ((1.0f - v) * (1.0f + v));
  case element_sigmoid: return dy * (v * (1.0f - v));
  case element_exp: return dy * v;
  case element_log: return dy / v;
  case element_square_root: return 0.5f * dy / v;
  case element_absolute: return v > 0.0f ? dy : v < 0.0f ? -dy : (floats)0.0f;
  case element_square: return dy * (2.0f * v);
  case element_clamp: return v >= a ? (v <= b ? dy : (floats)0.0f) : (floats)0.0f;
  case element_softplus: return dy * logistic(v);
  case element_gelu: return dy * gelu_slope(v);
  case element_silu: return dy * silu_slope(v);
  case element_negate: return -dy;
  case element_reciprocal: return -dy * (v * v);
  case element_affine: return dy;
  }
}

#define EACH_FUNCTION(f)                                                                                               \
  f(rectify) f(tanh) f(sigmoid) f(exp) f(log) f(square_root) f(absolute) f(square) f(clamp) f(softplus) f(gelu)        \
      f(silu) f(negate) f(reciprocal)

INLINE void pointwise_of(norm_type type, element_function function, bool stream_output, float a, float b,
                         const char *x, char *y, size_t count) {
  const size_t bytes = width(type);
  size_t i = 0;
  if (stream_output) {
    size_t before = least(values_before_alignment(y, bytes), count);
    if (before > 0) store_few(type, y, value_of(function, a, b, load_few(type, x, before)), before);
    i = before;
    if (((size_t)(y + i * bytes) & (lanes * bytes - 1)) == 0) {
      for (; i + lanes <= count; i += lanes)
        stream(type, y + i * bytes, value_of(function, a, b, load(type, x + i * bytes)));
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
  }
  for (; i + lanes <= count; i += lanes)
    store(type, y + i * bytes, value_of(function, a, b, load(type, x + i * bytes)));
  if (i < count)
    store_few(type, y + i * bytes, value_of(function, a, b, load_few(type, x + i * bytes, count - i)), count - i);
}

/// scale x + offset, in float64, since the two may cancel.
INLINE void affine_of(norm_type type, bool stream_output, double scale, double offset, const char *x, char *y,
                      size_t count) {
  const size_t bytes = width(type);
#define AFFINE(x) rounded_once(type, low(x) * scale + offset, high(x) * scale + offset)
  size_t i = 0;
  if (stream_output) {
    size_t before = least(values_before_alignment(y, bytes), count);
    if (before > 0) store_few(type, y, AFFINE(load_few(type, x, before)), before);
    i = before;
    if (((size_t)(y + i * bytes) & (lanes * bytes - 1)) == 0) {
      for (; i + lanes <= count; i += lanes) stream(type, y + i * bytes, AFFINE(load(type, x + i * bytes)));
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
  }
  for (; i + lanes <= count; i += lanes) store(type, y + i * bytes, AFFINE(load(type, x + i * bytes)));
  if (i < count) store_few(type, y + i * bytes, AFFINE(load_few(type, x + i * bytes, count - i)), count - i);
#undef AFFINE
}

static void PASTE(pointwise, ISA)(const element_pointwise *form, const void *x, void *y, size_t count) {
  const float a = (float)form->a, b = (float)form->b;
#define CASE(type)                                                                                                     \
  switch (form->function) {                                                                                            \
    EACH_FUNCTION(CALL_##type)                                                                                         \
  case element_affine: affine_of(type, form->stream, form->a, form->b, x, y, count); break;                            \
  }
#define CALL(type, function)                                                                                           \
  case element_##function: pointwise_of(type, element_##function, form->stream, a, b, x, y, count); break;
#define CALL_norm_float32(function) CALL(norm_float32, function)
#define CALL_norm_float16(function) CALL(norm_float16, function)
#define CALL_norm_bfloat16(function) CALL(norm_bfloat16, function)
  WITH_TYPE(CASE, form->type)
#undef CALL
#undef CASE
}

INLINE void pointwise_gradient_of(norm_type type, element_function function, bool stream_output, float a, float b,
                                  const char *dy, const char *v, char *dx, size_t count) {
  const size_t bytes = width(type);
  size_t i = 0;
#define RESULT(read, ...)                                                                                              \
  gradient_of(function, a, b, read(type, dy + i * bytes __VA_ARGS__), read(type, v + i * bytes __VA_ARGS__))
  if (stream_output) {
    size_t before = least(values_before_alignment(dx, bytes), count);
    if (before > 0) store_few(type, dx, RESULT(load_few, , before), before);
    i = before;
    if (((size_t)(dx + i * bytes) & (lanes * bytes - 1)) == 0) {
      for (; i + lanes <= count; i += lanes) stream(type, dx + i * bytes, RESULT(load));
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
  }
  for (; i + lanes <= count; i += lanes) store(type, dx + i * bytes, RESULT(load));
  if (i < count) store_few(type, dx + i * bytes, RESULT(load_few, , count - i), count - i);
#undef RESULT
}


static void PASTE(pointwise_gradient, ISA)(const element_pointwise *form, const void *dy, const void *value, void *dx,
                                           size_t count) {
  const float a = (float)form->a, b = (float)form->b;
#define CASE(type)                                                                                                     \
  switch (form->function) {                                                                                            \
    EACH_FUNCTION(CALL_##type)                                                                                         \
  case element_affine: affine_of(type, form->stream, form->a, 0, dy, dx, count); break;                                \
  }
#define CALL(type, function)                                                                                           \
  case element_##function:                                                                                             \
    pointwise_gradient_of(type, element_##function, form->stream, a, b, dy, value, dx, count);                         \
    break;
  WITH_TYPE(CASE, form->type)
#undef CALL_norm_float32
#undef CALL_norm_float16
#undef CALL_norm_bfloat16
#undef CALL
#undef CASE
}
