// Sums in float64 and maxima, of values that lie together and of columns.

INLINE double sum_of(norm_type type, const char *x, size_t count) {
  const size_t bytes = width(type);
  doubles s[8] = {0};
  size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
#pragma clang loop unroll(full)
    for (int k = 0; k < 4; k++) {
      floats a = load(type, x + (i + (size_t)k * lanes) * bytes);
      s[2 * k] += low(a);
      s[2 * k + 1] += high(a);
    }
  }
  for (; i < count; i += lanes) {
    floats a = i + lanes <= count ? load(type, x + i * bytes) : load_few(type, x + i * bytes, count - i);
    s[0] += low(a);
    s[1] += high(a);
  }
  return total(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
}

static double PASTE(sum, ISA)(norm_type type, const void *x, size_t count) {
  double result = 0;
#define CASE(type) result = sum_of(type, x, count)
  WITH_TYPE(CASE, type)
#undef CASE
  return result;
}

/// NaN where one of the two is.
INLINE floats greater(floats a, floats b) { return a > b ? a : a != a ? a : b; }

/// Lanes from `count` on do not count.
INLINE floats load_few_or_least(norm_type type, const void *from, size_t count) {
  const ints index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return index < (int)count ? load_few(type, from, count) : (floats)-__builtin_inff();
}

INLINE float maximum_of(norm_type type, const char *x, size_t count) {
  const size_t bytes = width(type);
  floats m[4];
  for (int k = 0; k < 4; k++) m[k] = (floats)-__builtin_inff();
  size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
#pragma clang loop unroll(full)
    for (int k = 0; k < 4; k++) m[k] = greater(load(type, x + (i + (size_t)k * lanes) * bytes), m[k]);
  }
  for (; i + lanes <= count; i += lanes) m[0] = greater(load(type, x + i * bytes), m[0]);
  if (i < count) m[0] = greater(load_few_or_least(type, x + i * bytes, count - i), m[0]);
  floats all = greater(greater(m[0], m[1]), greater(m[2], m[3]));
  float result = -__builtin_inff();
  for (int lane = 0; lane < lanes; lane++) result = all[lane] > result || all[lane] != all[lane] ? all[lane] : result;
  return result;
}

static float PASTE(maximum, ISA)(norm_type type, const void *x, size_t count) {
  float result = 0;
#define CASE(type) result = maximum_of(type, x, count)
  WITH_TYPE(CASE, type)
#undef CASE
  return result;
}

/// How many of the rows may be read 16 values wide from a column on: all but the last, whose next values may not be
/// there.
INLINE size_t rows_with_room(size_t rows, size_t step, size_t columns, size_t column) {
  if (column + lanes <= columns) return rows;
  const size_t end = (rows - 1) * step + columns;
  if (column + lanes > end) return 0;
  return step == 0 ? rows : least(rows, (end - lanes - column) / step + 1);
}

INLINE void sum_rows_of(norm_type type, const char *x, size_t step, size_t rows, size_t columns, double *sums) {
  const size_t bytes = width(type);
  size_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) {
    doubles s[8];
    __builtin_memcpy(s, sums + c, sizeof s);
    for (size_t r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
      for (int k = 0; k < 4; k++) {
        floats a = load(type, x + (r * step + c + (size_t)k * lanes) * bytes);
        s[2 * k] += low(a);
        s[2 * k + 1] += high(a);
      }
    }
    __builtin_memcpy(sums + c, s, sizeof s);
  }
  for (; c < columns; c += lanes) {
    const size_t few = least(columns - c, lanes), whole = rows_with_room(rows, step, columns, c);
    doubles s[2] = {0};
    __builtin_memcpy(s, sums + c, few * sizeof(double));
    for (size_t r = 0; r < rows; r++) {
      const char *from = x + (r * step + c) * bytes;
      floats a = r < whole ? load(type, from) : load_few(type, from, few);
      s[0] += low(a);
      s[1] += high(a);
    }
    __builtin_memcpy(sums + c, s, few * sizeof(double));
  }
}

static void PASTE(sum_rows, ISA)(norm_type type, const void *x, size_t step, size_t rows, size_t columns,
                                 double *sums) {
  if (rows == 0) return;
#define CASE(type) sum_rows_of(type, x, step, rows, columns, sums)
  WITH_TYPE(CASE, type)
#undef CASE
}

INLINE void maximum_rows_of(norm_type type, const char *x, size_t step, size_t rows, size_t columns, float *maxima) {
  const size_t bytes = width(type);
  for (size_t c = 0; c < columns; c += lanes) {
    const size_t few = least(columns - c, lanes), whole = rows_with_room(rows, step, columns, c);
    floats m = 0;
    __builtin_memcpy(&m, maxima + c, few * sizeof(float));
    for (size_t r = 0; r < rows; r++) {
      const char *from = x + (r * step + c) * bytes;
      m = greater(r < whole ? load(type, from) : load_few(type, from, few), m);
    }
    __builtin_memcpy(maxima + c, &m, few * sizeof(float));
  }
}

static void PASTE(maximum_rows, ISA)(norm_type type, const void *x, size_t step, size_t rows, size_t columns,
                                     float *maxima) {
  if (rows == 0) return;
#define CASE(type) maximum_rows_of(type, x, step, rows, columns, maxima)
  WITH_TYPE(CASE, type)
#undef CASE
}
