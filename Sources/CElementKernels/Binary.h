// Functions of two values, one of which may be repeated.

INLINE floats result_of(element_operation operation, float slope, floats a, floats b) {
  switch (operation) {
  case element_add: return a + b;
  case element_subtract: return a - b;
  case element_multiply: return a * b;
  case element_divide: return a / b;
  // A NaN compares false: as the second it is taken for that, as the first it has to be asked for.
  case element_maximum: return a > b ? a : a != a ? a : b;
  case element_minimum: return a < b ? a : a != a ? a : b;
  case element_gate: return rectified_gradient(a, b, slope);
  }
}

#define WITH_OPERATION(f, type, operation)                                                                             \
  switch (operation) {                                                                                                 \
  case element_add: f(type, element_add); break;                                                                       \
  case element_subtract: f(type, element_subtract); break;                                                             \
  case element_multiply: f(type, element_multiply); break;                                                             \
  case element_divide: f(type, element_divide); break;                                                                 \
  case element_maximum: f(type, element_maximum); break;                                                               \
  case element_minimum: f(type, element_minimum); break;                                                               \
  case element_gate: f(type, element_gate); break;                                                                     \
  }

/// One value in all lanes.
INLINE floats load_one(norm_type type, const void *from) {
  if (type == norm_float32) {
    float a;
    __builtin_memcpy(&a, from, sizeof a);
    return (floats)a;
  }
  unsigned short raw;
  __builtin_memcpy(&raw, from, sizeof raw);
  return widen(type, (halves)raw);
}

INLINE void binary_row(norm_type type, element_operation operation, bool one_a, bool one_b, bool stream_output,
                       float slope, const char *a, const char *b, char *y, size_t count) {
  const size_t bytes = width(type);
  const floats a_value = one_a ? load_one(type, a) : (floats)0.0f, b_value = one_b ? load_one(type, b) : (floats)0.0f;
  size_t i = 0;
#define RESULT(read, ...)                                                                                              \
  result_of(operation, slope, one_a ? a_value : read(type, a + i * bytes __VA_ARGS__),                                 \
            one_b ? b_value : read(type, b + i * bytes __VA_ARGS__))
  if (stream_output) {
    size_t before = least(values_before_alignment(y, bytes), count);
    if (before > 0) store_few(type, y, RESULT(load_few, , before), before);
    i = before;
    if (((size_t)(y + i * bytes) & (lanes * bytes - 1)) == 0)
      for (; i + lanes <= count; i += lanes) stream(type, y + i * bytes, RESULT(load));
  }
  for (; i + lanes <= count; i += lanes) store(type, y + i * bytes, RESULT(load));
  if (i < count) store_few(type, y + i * bytes, RESULT(load_few, , count - i), count - i);
#undef RESULT
}

INLINE void binary_of(norm_type type, element_operation operation, bool one_a, bool one_b, const element_binary *form,
                      element_rows a, element_rows b, char *y, size_t y_step, size_t rows, size_t count) {
  const size_t bytes = width(type);
  for (size_t row = 0; row < rows; row++)
    binary_row(type, operation, one_a, one_b, form->stream, form->slope, (const char *)a.address + row * a.step * bytes,
               (const char *)b.address + row * b.step * bytes, y + row * y_step * bytes, count);
  if (form->stream) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void PASTE(binary, ISA)(const element_binary *form, element_rows a, element_rows b, void *y, size_t y_step,
                               size_t rows, size_t count) {
#define CASE(type) WITH_OPERATION(CALL, type, form->operation)
#define CALL(type, operation)                                                                                          \
  if (a.is_one && b.is_one)                                                                                            \
    binary_of(type, operation, true, true, form, a, b, y, y_step, rows, count);                                        \
  else if (a.is_one)                                                                                                   \
    binary_of(type, operation, true, false, form, a, b, y, y_step, rows, count);                                       \
  else if (b.is_one)                                                                                                   \
    binary_of(type, operation, false, true, form, a, b, y, y_step, rows, count);                                       \
  else                                                                                                                 \
    binary_of(type, operation, false, false, form, a, b, y, y_step, rows, count)
  WITH_TYPE(CASE, form->type)
#undef CALL
#undef CASE
}

INLINE void binary_periodic_of(norm_type type, element_operation operation, bool is_first, const element_binary *form,
                               const char *x, const float *repeated, char *y, size_t count, size_t period,
                               size_t first) {
  const size_t bytes = width(type);
  walk w = walk_from(first, period);
  size_t i = 0;
#define RESULT(read, ...)                                                                                              \
  is_first ? result_of(operation, form->slope, load(norm_float32, repeated + w.map),                                   \
                       read(type, x + i * bytes __VA_ARGS__))                                                          \
           : result_of(operation, form->slope, read(type, x + i * bytes __VA_ARGS__),                                  \
                       load(norm_float32, repeated + w.map))
  if (form->stream) {
    size_t before = least(values_before_alignment(y, bytes), count);
    if (before > 0) {
      store_few(type, y, RESULT(load_few, , before), before);
      w.map = (w.map + before) % period;
    }
    i = before;
    if (((size_t)(y + i * bytes) & (lanes * bytes - 1)) == 0) {
      for (; i + lanes <= count; i += lanes) {
        stream(type, y + i * bytes, RESULT(load));
        advance(&w);
      }
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
  }
  for (; i + lanes <= count; i += lanes) {
    store(type, y + i * bytes, RESULT(load));
    advance(&w);
  }
  if (i < count) store_few(type, y + i * bytes, RESULT(load_few, , count - i), count - i);
#undef RESULT
}

static void PASTE(binary_periodic, ISA)(const element_binary *form, const void *x, const float *repeated, bool is_first,
                                        void *y, size_t count, size_t period, size_t first) {
#define CASE(type) WITH_OPERATION(CALL, type, form->operation)
#define CALL(type, operation)                                                                                          \
  if (is_first)                                                                                                        \
    binary_periodic_of(type, operation, true, form, x, repeated, y, count, period, first);                             \
  else                                                                                                                 \
    binary_periodic_of(type, operation, false, form, x, repeated, y, count, period, first)
  WITH_TYPE(CASE, form->type)
#undef CALL
#undef CASE
}
