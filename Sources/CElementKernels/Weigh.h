// Weighted sums of rows, of pixels and of places along a row, in float32.

INLINE floats weighed(norm_type type, const void *const *x, const float *weights, size_t sources, size_t at,
                      size_t few) {
  floats result = 0;
  for (size_t k = 0; k < sources; k++) {
    const char *from = (const char *)x[k] + at;
    result = multiply_add(few ? load_few(type, from, few) : load(type, from), (floats)weights[k], result);
  }
  return result;
}

INLINE void weigh_rows_of(norm_type from, norm_type to, const void *const *x, const float *weights, size_t sources,
                          char *y, size_t count) {
  const size_t x_bytes = width(from), y_bytes = width(to);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    store(to, y + i * y_bytes, weighed(from, x, weights, sources, i * x_bytes, 0));
  if (i < count)
    store_few(to, y + i * y_bytes, weighed(from, x, weights, sources, i * x_bytes, count - i), count - i);
}

static void PASTE(weigh_rows, ISA)(norm_type from, const void *const *x, const float *weights, size_t sources,
                                   norm_type to, void *y, size_t count) {
#define CASE(type)                                                                                                     \
  switch (to) {                                                                                                        \
  case norm_float32: weigh_rows_of(type, norm_float32, x, weights, sources, y, count); break;                          \
  case norm_float16: weigh_rows_of(type, norm_float16, x, weights, sources, y, count); break;                          \
  case norm_bfloat16: weigh_rows_of(type, norm_bfloat16, x, weights, sources, y, count); break;                        \
  }
  WITH_TYPE(CASE, from)
#undef CASE
}

/// The sum of a pixel's terms, from value `c` of each on.
#define PIXEL_SUM(vector, splat, read)                                                                                 \
  vector sum = 0;                                                                                                      \
  for (size_t k = 0; k < terms->rows; k++)                                                                             \
    for (int32_t e = terms->starts[p]; e < terms->starts[p + 1]; e++) {                                                \
      const char *at = (const char *)terms->addresses[k] + ((size_t)terms->offsets[e] + c) * x_bytes;                  \
      sum = multiply_add_##vector(splat(terms->row_weights[k] * terms->weights[e]), read, sum);                        \
    }

INLINE float multiply_add_float(float a, float b, float c) {
#if HAS_FMA
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
#define multiply_add_floats multiply_add

INLINE float read_float(const char *from) {
  float a;
  __builtin_memcpy(&a, from, sizeof a);
  return a;
}

INLINE void weigh_pixels_of(norm_type from, norm_type to, const element_terms *terms, char *y, size_t y_step,
                            size_t pixels, size_t channels) {
  const size_t x_bytes = width(from), y_bytes = width(to);
  for (size_t p = 0; p < pixels; p++) {
    char *pixel = y + p * y_step * y_bytes;
    size_t c = 0;
    for (; c + lanes <= channels; c += lanes) {
      PIXEL_SUM(floats, (floats), load(from, at))
      store(to, pixel + c * y_bytes, sum);
    }
    if (from == norm_float32 && to == norm_float32) {
      for (; c < channels; c++) {
        PIXEL_SUM(float, , read_float(at))
        __builtin_memcpy(pixel + c * y_bytes, &sum, sizeof sum);
      }
    } else if (c < channels) {
      PIXEL_SUM(floats, (floats), load_few(from, at, channels - c))
      store_few(to, pixel + c * y_bytes, sum, channels - c);
    }
  }
}

static void PASTE(weigh_pixels, ISA)(norm_type from, norm_type to, const element_terms *terms, void *y, size_t y_step,
                                     size_t pixels, size_t channels) {
#define CASE(type)                                                                                                     \
  switch (to) {                                                                                                        \
  case norm_float32: weigh_pixels_of(type, norm_float32, terms, y, y_step, pixels, channels); break;                   \
  case norm_float16: weigh_pixels_of(type, norm_float16, terms, y, y_step, pixels, channels); break;                   \
  case norm_bfloat16: weigh_pixels_of(type, norm_bfloat16, terms, y, y_step, pixels, channels); break;                 \
  }
  WITH_TYPE(CASE, from)
#undef CASE
}
#undef PIXEL_SUM
#undef multiply_add_floats

/// Up to 16 places. Two sources for each, as linear interpolation has them, are worth a loop of their own.
INLINE void place_sums(const float *x, const int32_t *starts, const int32_t *sources, const float *weights, bool pairs,
                       float *y, size_t count) {
  if (pairs) {
    const int32_t *s = sources + starts[0];
    const float *w = weights + starts[0];
    for (size_t i = 0; i < count; i++)
      y[i] = multiply_add_float(w[2 * i + 1], x[s[2 * i + 1]], w[2 * i] * x[s[2 * i]]);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    float result = 0;
    for (int32_t e = starts[i]; e < starts[i + 1]; e++) result = multiply_add_float(weights[e], x[sources[e]], result);
    y[i] = result;
  }
}

static void PASTE(weigh_places, ISA)(const float *x, const int32_t *starts, const int32_t *sources,
                                     const float *weights, norm_type to, void *y, size_t count) {
  const size_t bytes = width(to);
  bool pairs = true;
  for (size_t i = 0; i < count; i++) pairs &= starts[i + 1] - starts[i] == 2;
  if (to == norm_float32 && (size_t)y % sizeof(float) == 0) {
    place_sums(x, starts, sources, weights, pairs, y, count);
    return;
  }
  for (size_t i = 0; i < count; i += lanes) {
    const size_t few = least(count - i, lanes);
    float room[lanes] = {0};
    place_sums(x, starts + i, sources, weights, pairs, room, few);
    floats results = load(norm_float32, room);
    char *at = (char *)y + i * bytes;
#define CASE(type)                                                                                                     \
  if (few < lanes)                                                                                                     \
    store_few(type, at, results, few);                                                                                 \
  else                                                                                                                 \
    store(type, at, results)
    WITH_TYPE(CASE, to)
#undef CASE
  }
}
