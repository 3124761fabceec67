// Products of rows with rows, where both are read along the axis of the sum: weights where they lie, and few pixels.

INLINE float sum_of_lanes(floats a) {
  typedef float eight __attribute__((ext_vector_type(8)));
  typedef float four __attribute__((ext_vector_type(4)));
  const eight b = a.lo + a.hi;
  const four c = b.lo + b.hi;
  return (c.x + c.z) + (c.y + c.w);
}

INLINE void dot_tile(const int rows, const int columns, const convolution_dots *d, size_t row, size_t column) {
  floats sums[4][4];
  const float *a[4], *b[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) a[i] = d->a + (row + (size_t)i) * d->a_row;
#pragma clang loop unroll(full)
  for (int j = 0; j < columns; j++) b[j] = d->b + (column + (size_t)j) * d->b_row;
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < columns; j++) sums[i][j] = (floats)0.0f;
  }
  const size_t inner = d->inner;
  for (size_t k = 0; k < inner; k += lanes) {
    floats right[4];
#pragma clang loop unroll(full)
    for (int j = 0; j < columns; j++) right[j] = load(norm_float32, b[j] + k);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      const floats left = load(norm_float32, a[i] + k);
#pragma clang loop unroll(full)
      for (int j = 0; j < columns; j++) sums[i][j] = multiply_add(left, right[j], sums[i][j]);
    }
  }
#pragma clang loop unroll(full)
  for (int j = 0; j < columns; j++) {
    float *c = d->c + (column + (size_t)j) * d->c_row + row;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) c[i] += sum_of_lanes(sums[i][j]);
  }
}

#if MOST_VECTORS == 4
enum { dot_rows = 4, dot_columns = 4 };
#else
enum { dot_rows = 2, dot_columns = 2 };
#endif

#define DOT(rows, columns)                                                                                             \
  static __attribute__((noinline)) void dot_##rows##_##columns(const convolution_dots *d, size_t row, size_t column) { \
    dot_tile(rows, columns, d, row, column);                                                                           \
  }
DOT(1, 1) DOT(1, 2)
#if MOST_VECTORS == 4
DOT(1, 3) DOT(1, 4) DOT(4, 1) DOT(4, 2) DOT(4, 3) DOT(4, 4)
static void (*const dots_of_one[])(const convolution_dots *, size_t, size_t) = {dot_1_1, dot_1_2, dot_1_3, dot_1_4};
static void (*const dots_of_many[])(const convolution_dots *, size_t, size_t) = {dot_4_1, dot_4_2, dot_4_3, dot_4_4};
#else
DOT(2, 1) DOT(2, 2)
static void (*const dots_of_one[])(const convolution_dots *, size_t, size_t) = {dot_1_1, dot_1_2};
static void (*const dots_of_many[])(const convolution_dots *, size_t, size_t) = {dot_2_1, dot_2_2};
#endif

static void PASTE(dot, ISA)(const convolution_dots *d) {
  for (size_t row = 0; row < d->rows;) {
    const bool many = d->rows - row >= dot_rows;
    for (size_t column = 0; column < d->columns; column += dot_columns) {
      const size_t count = least(d->columns - column, dot_columns);
      (many ? dots_of_many : dots_of_one)[count - 1](d, row, column);
    }
    row += many ? dot_rows : 1;
  }
}
