// Products of rows of pixels with weights.
//
// A tile of the result stays in registers for as long as the inner axis is. Rows of pixels are read where they are: with
// the maps of a pixel together, all that a kernel's row reads lies in a row, and neighbouring pixels read the same.

INLINE void product_tile(const int rows, const int vectors, const convolution_product *p, size_t row) {
  floats sums[TILE_ROWS][MOST_VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++)
      sums[i][j] =
          p->start ? load(norm_float32, p->start + (row + (size_t)i) * p->start_row + j * lanes) : (floats)0.0f;
  }
  const size_t a_row = p->a_row, b_step = p->b_step, inner = p->inner;
  const float *b = p->b;
  for (size_t s = 0; s < p->segments; s++) {
    const float *a = p->a[s] + row * a_row;
    for (size_t k = 0; k < inner; k++) {
      floats right[MOST_VECTORS];
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) right[j] = load(norm_float32, b + j * lanes);
#pragma clang loop unroll(full)
      for (int i = 0; i < rows; i++) {
        floats left = (floats)a[(size_t)i * a_row];
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++) sums[i][j] = multiply_add(left, right[j], sums[i][j]);
      }
      a++;
      b += b_step;
    }
  }
  float *c = p->c + row * p->c_row;
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      floats y = sums[i][j];
      if (p->rectifies) y = rectified(y, p->slope);
      store(norm_float32, c + (size_t)i * p->c_row + j * lanes, y);
    }
  }
}

INLINE void correlation_tile(const int rows, const int vectors, const convolution_correlation *p, size_t row) {
  floats sums[TILE_ROWS][MOST_VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) sums[i][j] = (floats)0.0f;
  }
  const size_t a_step = p->a_step, b_step = p->b_step, inner = p->inner;
  for (size_t s = 0; s < p->segments; s++) {
    const float *a = p->a[s] + row, *b = p->b[s];
    for (size_t k = 0; k < inner; k++) {
      floats right[MOST_VECTORS];
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) right[j] = load(norm_float32, b + j * lanes);
#pragma clang loop unroll(full)
      for (int i = 0; i < rows; i++) {
        floats left = (floats)a[i];
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++) sums[i][j] = multiply_add(left, right[j], sums[i][j]);
      }
      a += a_step;
      b += b_step;
    }
  }
  if (p->values) {
    float *to = p->values + row * p->sums_row;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) store(norm_float32, to + (size_t)i * p->sums_row + j * lanes, sums[i][j]);
    }
    return;
  }
  double *to = p->sums + row * p->sums_row;
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      double *at = to + (size_t)i * p->sums_row + j * lanes;
      doubles old[2];
      __builtin_memcpy(old, at, sizeof old);
      old[0] += low(sums[i][j]);
      old[1] += high(sums[i][j]);
      __builtin_memcpy(at, old, sizeof old);
    }
  }
}

// A function for each number of rows and vectors, so that each has the registers to itself.
#define TILE(kind, rows, vectors)                                                                                      \
  static __attribute__((noinline)) void kind##_##rows##_##vectors(const convolution_##kind *p, size_t row) {           \
    kind##_tile(rows, vectors, p, row);                                                                                \
  }
#define TILES_OF_6(kind, v) TILE(kind, 1, v) TILE(kind, 2, v) TILE(kind, 3, v) TILE(kind, 4, v) TILE(kind, 5, v) TILE(kind, 6, v)
#define TILES_OF_12(kind, v) TILES_OF_6(kind, v) TILE(kind, 7, v) TILE(kind, 8, v) TILE(kind, 9, v) TILE(kind, 10, v) TILE(kind, 11, v) TILE(kind, 12, v)
#define NAMES_OF_2(kind, v) kind##_1_##v, kind##_2_##v
#define NAMES_OF_6(kind, v) NAMES_OF_2(kind, v), kind##_3_##v, kind##_4_##v, kind##_5_##v, kind##_6_##v
#define NAMES_OF_12(kind, v)                                                                                           \
  NAMES_OF_6(kind, v), kind##_7_##v, kind##_8_##v, kind##_9_##v, kind##_10_##v, kind##_11_##v, kind##_12_##v
/// Goes over the rows in the largest tiles there are.
#define RUN(kind, p, most, ...)                                                                                        \
  {                                                                                                                    \
    static void (*const tiles[])(const convolution_##kind *, size_t) = {__VA_ARGS__};                                  \
    for (size_t row = 0; row < p->rows;) {                                                                             \
      const size_t count = least(p->rows - row, most);                                                                 \
      tiles[count - 1](p, row);                                                                                        \
      row += count;                                                                                                    \
    }                                                                                                                  \
  }

#if MOST_VECTORS == 4
#define DEFINE(kind)                                                                                                   \
  TILES_OF_12(kind, 1)                                                                                                 \
  TILES_OF_12(kind, 2)                                                                                                 \
  TILES_OF_6(kind, 4)                                                                                                  \
  INLINE void run_##kind(const convolution_##kind *p) {                                                                \
    switch (p->vectors) {                                                                                              \
    case 1: RUN(kind, p, 12, NAMES_OF_12(kind, 1)) break;                                                              \
    case 2: RUN(kind, p, 12, NAMES_OF_12(kind, 2)) break;                                                              \
    default: RUN(kind, p, 6, NAMES_OF_6(kind, 4)) break;                                                               \
    }                                                                                                                  \
  }
#elif TILE_ROWS == 6
#define DEFINE(kind)                                                                                                   \
  TILES_OF_6(kind, 1)                                                                                                  \
  INLINE void run_##kind(const convolution_##kind *p) RUN(kind, p, 6, NAMES_OF_6(kind, 1))
#else
#define DEFINE(kind)                                                                                                   \
  TILE(kind, 1, 1) TILE(kind, 2, 1) INLINE void run_##kind(const convolution_##kind *p)                                \
      RUN(kind, p, 2, NAMES_OF_2(kind, 1))
#endif
DEFINE(product)
DEFINE(correlation)

static void PASTE(multiply, ISA)(const convolution_product *p) { run_product(p); }
static void PASTE(correlate, ISA)(const convolution_correlation *p) { run_correlation(p); }

/// Those that leave the fewest lanes empty, and of such the most.
static size_t PASTE(panel_vectors, ISA)(size_t maps) {
  size_t best = 1;
  for (size_t vectors = 2; vectors <= MOST_VECTORS; vectors *= 2) {
    const size_t width = vectors * lanes, narrow = best * lanes;
    if ((maps + width - 1) / width * width <= (maps + narrow - 1) / narrow * narrow) best = vectors;
  }
  return best;
}
