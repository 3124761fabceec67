// Sixteen planes of fewer than 16 values as rows, a plane in each lane. Included by Kernels.h.

enum { few_values = lanes - 1 };

#define EVERY_FOURTH(a, b, j)                                                                                          \
  __builtin_shufflevector(a, b, j, j + 4, j + 8, j + 12, j + 16, j + 20, j + 24, j + 28, -1, -1, -1, -1, -1, -1, -1, -1)
#define HALVES(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)

/// Sixteen planes of four values, which are four vectors: value j of each becomes vector j.
INLINE void read_fours(norm_type type, const char *x, floats *rows) {
  const size_t step = lanes * width(type);
  const floats a = load(type, x), b = load(type, x + step), c = load(type, x + 2 * step), d = load(type, x + 3 * step);
  rows[0] = HALVES(EVERY_FOURTH(a, b, 0), EVERY_FOURTH(c, d, 0));
  rows[1] = HALVES(EVERY_FOURTH(a, b, 1), EVERY_FOURTH(c, d, 1));
  rows[2] = HALVES(EVERY_FOURTH(a, b, 2), EVERY_FOURTH(c, d, 2));
  rows[3] = HALVES(EVERY_FOURTH(a, b, 3), EVERY_FOURTH(c, d, 3));
}
#undef EVERY_FOURTH
#undef HALVES

/// The way back.
INLINE void write_fours(norm_type type, char *y, const floats *rows) {
  const size_t step = lanes * width(type);
#define PAIRS(a, b, i)                                                                                                 \
  __builtin_shufflevector(a, b, i, i + 16, i + 1, i + 17, i + 2, i + 18, i + 3, i + 19, -1, -1, -1, -1, -1, -1, -1, -1)
#define FOURS(i)                                                                                                       \
  __builtin_shufflevector(PAIRS(rows[0], rows[1], i), PAIRS(rows[2], rows[3], i), 0, 1, 16, 17, 2, 3, 18, 19, 4, 5,    \
                          20, 21, 6, 7, 22, 23)
  store(type, y, FOURS(0));
  store(type, y + step, FOURS(4));
  store(type, y + 2 * step, FOURS(8));
  store(type, y + 3 * step, FOURS(12));
#undef FOURS
#undef PAIRS
}

/// Lane p of row j becomes value j of plane p; lanes from `count` on become zero.
INLINE void read_rows(norm_type type, const char *x, size_t size, size_t count, floats *rows) {
  if (size == 4 && count == lanes) {
    read_fours(type, x, rows);
    return;
  }
  float line[(few_values + 1) * lanes];
  const char *from = x;
  if (type != norm_float32) {
    const size_t values = size * count;
    size_t i = 0;
    for (; i + lanes <= values; i += lanes) store(norm_float32, line + i, load(type, x + i * width(type)));
    if (i < values) store(norm_float32, line + i, load_few(type, x + i * width(type), values - i));
    from = (const char *)line;
  }
  for (size_t j = 0; j < size; j++) {
    float row[lanes] = {0};
#pragma clang loop vectorize(disable)
    for (size_t p = 0; p < count; p++) __builtin_memcpy(row + p, from + (p * size + j) * 4, 4);
    rows[j] = load(norm_float32, row);
  }
}

/// The way back.
INLINE void write_rows(norm_type type, char *y, size_t size, size_t count, const floats *rows) {
  if (size == 4 && count == lanes) {
    write_fours(type, y, rows);
    return;
  }
  float line[(few_values + 1) * lanes];
  char *to = type == norm_float32 ? y : (char *)line;
  for (size_t j = 0; j < size; j++) {
    float row[lanes];
    store(norm_float32, row, rows[j]);
#pragma clang loop vectorize(disable)
    for (size_t p = 0; p < count; p++) __builtin_memcpy(to + (p * size + j) * 4, row + p, 4);
  }
  if (type == norm_float32) return;
  const size_t values = size * count;
  size_t i = 0;
  for (; i + lanes <= values; i += lanes) store(type, y + i * width(type), load(norm_float32, line + i));
  if (i < values) store_few(type, y + i * width(type), load(norm_float32, line + i), values - i);
}
