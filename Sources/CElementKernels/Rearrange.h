// Values that move as they are, or to another type.

// MARK: - Other types

INLINE void convert_of(norm_type from, norm_type to, bool stream_output, const char *x, char *y, size_t count) {
  const size_t x_bytes = width(from), y_bytes = width(to);
  size_t i = 0;
  if (stream_output) {
    size_t before = least(values_before_alignment(y, y_bytes), count);
    if (before > 0) store_few(to, y, load_few(from, x, before), before);
    i = before;
    if (((size_t)(y + i * y_bytes) & (lanes * y_bytes - 1)) == 0) {
      for (; i + lanes <= count; i += lanes) stream(to, y + i * y_bytes, load(from, x + i * x_bytes));
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
  }
  for (; i + lanes <= count; i += lanes) store(to, y + i * y_bytes, load(from, x + i * x_bytes));
  if (i < count) store_few(to, y + i * y_bytes, load_few(from, x + i * x_bytes, count - i), count - i);
}

static void PASTE(convert, ISA)(norm_type from, norm_type to, const void *x, void *y, size_t count, bool stream) {
  // Not by way of float32, which would change what a NaN says.
  if (from == to && !stream) {
    __builtin_memcpy(y, x, count * width(from));
    return;
  }
#define CASE(type) WITH_SECOND_TYPE(type, to)
#define WITH_SECOND_TYPE(type, to)                                                                                     \
  switch (to) {                                                                                                        \
  case norm_float32: convert_of(type, norm_float32, stream, x, y, count); break;                                       \
  case norm_float16: convert_of(type, norm_float16, stream, x, y, count); break;                                       \
  case norm_bfloat16: convert_of(type, norm_bfloat16, stream, x, y, count); break;                                     \
  }
  WITH_TYPE(CASE, from)
#undef WITH_SECOND_TYPE
#undef CASE
}

INLINE void widen_of(norm_type type, const char *x, double *y, size_t count) {
  const size_t bytes = width(type);
  for (size_t i = 0; i < count; i += lanes) {
    const size_t few = least(count - i, lanes);
    floats a = few < lanes ? load_few(type, x + i * bytes, few) : load(type, x + i * bytes);
    doubles halves_of[2] = {low(a), high(a)};
    __builtin_memcpy(y + i, halves_of, few * sizeof(double));
  }
}

static void PASTE(widen, ISA)(norm_type from, const void *x, double *y, size_t count) {
#define CASE(type) widen_of(type, x, y, count)
  WITH_TYPE(CASE, from)
#undef CASE
}

INLINE void narrow_of(norm_type type, const double *x, char *y, size_t count) {
  const size_t bytes = width(type);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    doubles halves_of[2];
    __builtin_memcpy(halves_of, x + i, sizeof halves_of);
    store(type, y + i * bytes, rounded_once(type, halves_of[0], halves_of[1]));
  }
  if (i < count) {
    doubles halves_of[2] = {0, 0};
    for (size_t k = 0; k < count - i; k++) ((double *)halves_of)[k] = x[i + k];
    store_few(type, y + i * bytes, rounded_once(type, halves_of[0], halves_of[1]), count - i);
  }
}

static void PASTE(narrow, ISA)(norm_type to, const double *x, void *y, size_t count) {
#define CASE(type) narrow_of(type, x, y, count)
  WITH_TYPE(CASE, to)
#undef CASE
}

// MARK: - Other places

/// y[i] = x[sources[i]], 0 for a negative source.
#define GATHER(name, value)                                                                                            \
  static void gather_##name(const value *x, const int32_t *sources, value *y, size_t count) {                          \
    for (size_t i = 0; i < count; i++) y[i] = sources[i] < 0 ? 0 : x[sources[i]];                                      \
  }
GATHER(two, uint16_t)
GATHER(four, uint32_t)
GATHER(eight, uint64_t)
#undef GATHER

static void PASTE(gather, ISA)(size_t bytes, const void *x, const int32_t *sources, void *y, size_t count) {
  switch (bytes) {
  case 2: gather_two(x, sources, y, count); break;
  case 4: gather_four(x, sources, y, count); break;
  default: gather_eight(x, sources, y, count); break;
  }
}

/// Fewer than 64.
INLINE void copy_few_bytes(void *to, const void *from, size_t bytes) {
  copy_few(to, from, bytes);
  if (bytes & 1) ((char *)to)[bytes - 1] = ((const char *)from)[bytes - 1];
}

/// Pixels of so many bytes, from `offsets` bytes on; zeros where that is negative.
static void PASTE(copy_pixels, ISA)(const void *x, const int64_t *offsets, void *y, size_t y_step, size_t pixels,
                                    size_t bytes) {
  for (size_t p = 0; p < pixels; p++) {
    char *to = (char *)y + p * y_step;
    if (offsets[p] < 0)
      __builtin_memset(to, 0, bytes);
    else if (bytes % 64 == 0)
      for (size_t i = 0; i < bytes; i += 64) __builtin_memcpy(to + i, (const char *)x + offsets[p] + i, 64);
    else if (bytes < 64)
      copy_few_bytes(to, (const char *)x + offsets[p], bytes);
    else
      __builtin_memcpy(to, (const char *)x + offsets[p], bytes);
  }
}
