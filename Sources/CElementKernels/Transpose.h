// Rows that become columns.

typedef unsigned short eight_halves __attribute__((ext_vector_type(8)));

INLINE void transpose_eight_words(eight_words r[8]) {
  eight_words s[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 4) {
#pragma clang loop unroll(full)
    for (int k = 0; k < 2; k++) {
      r[i + 2 * k] = __builtin_shufflevector(s[i + k], s[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + 2 * k + 1] = __builtin_shufflevector(s[i + k], s[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    s[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    s[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) r[i] = s[i];
}

INLINE void transpose_eight_halves(eight_halves r[8]) {
  eight_halves s[8];
  // Three perfect shuffles of all values are the transposition.
#pragma clang loop unroll(full)
  for (int step = 0; step < 3; step++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      s[2 * i] = __builtin_shufflevector(r[i], r[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
      s[2 * i + 1] = __builtin_shufflevector(r[i], r[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) r[i] = s[i];
  }
}

/// Eight rows of a tile, as eight columns.
INLINE void transpose_eight(size_t bytes, const char *x, size_t x_step, eight_words columns[8]) {
  if (bytes == 4) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) __builtin_memcpy(&columns[i], x + (size_t)i * x_step, 32);
    transpose_eight_words(columns);
  } else {
    eight_halves r[8];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) __builtin_memcpy(&r[i], x + (size_t)i * x_step, 16);
    transpose_eight_halves(r);
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) __builtin_memcpy(&columns[i], &r[i], 16);
  }
}

/// 16 values.
INLINE void put_line(size_t bytes, bool stream_output, eight_words low, eight_words high, char *to) {
  if (bytes == 4 && stream_output) {
    words line = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __builtin_nontemporal_store(line, (words *)to);
  } else {
    __builtin_memcpy(to, &low, 8 * bytes);
    __builtin_memcpy(to + 8 * bytes, &high, 8 * bytes);
  }
}

/// 16 rows by 8 columns: whole lines of the cache are written, past it if `stream_output`.
INLINE void transpose_tall(size_t bytes, bool stream_output, const char *x, size_t x_step, char *y, size_t y_step) {
  eight_words r[2][8];
  transpose_eight(bytes, x, x_step, r[0]);
  transpose_eight(bytes, x + 8 * x_step, x_step, r[1]);
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 8; i++) put_line(bytes, stream_output, r[0][i], r[1][i], y + i * y_step);
}

/// 16 rows by 16 columns: whole lines of the cache are read, and written.
INLINE void transpose_square(size_t bytes, bool stream_output, const char *x, size_t x_step, char *y, size_t y_step) {
  eight_words r[2][2][8];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 2; i++) {
    // Far rows are more than the processor foresees.
    for (size_t k = 0; k < 8; k++) __builtin_prefetch(x + (i * 8 + k) * x_step + 256, 0, 3);
    transpose_eight(bytes, x + i * 8 * x_step, x_step, r[0][i]);
    transpose_eight(bytes, x + i * 8 * x_step + 8 * bytes, x_step, r[1][i]);
  }
#pragma clang loop unroll(full)
  for (size_t half = 0; half < 2; half++) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 8; i++)
      put_line(bytes, stream_output, r[half][0][i], r[half][1][i], y + (half * 8 + i) * y_step);
  }
}

/// Those of an edge.
INLINE void transpose_plainly(size_t bytes, const char *x, size_t x_step, char *y, size_t y_step, size_t rows,
                              size_t columns) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      __builtin_memcpy(y + c * y_step + r * bytes, x + r * x_step + c * bytes, bytes);
}

/// Two to four rows or columns that lie together, as the colours of a picture do.
#define TRANSPOSE_FEW(name, value)                                                                                     \
  INLINE void part_##name(const value *restrict x, char *restrict y, size_t y_step, size_t count, size_t few) {        \
    for (size_t i = 0; i < count; i++)                                                                                 \
      for (size_t k = 0; k < few; k++) ((value *)(y + k * y_step))[i] = x[i * few + k];                                \
  }                                                                                                                    \
  INLINE void join_##name(const char *restrict x, size_t x_step, value *restrict y, size_t count, size_t few) {        \
    for (size_t i = 0; i < count; i++)                                                                                 \
      for (size_t k = 0; k < few; k++) y[i * few + k] = ((const value *)(x + k * x_step))[i];                          \
  }                                                                                                                    \
  INLINE bool transpose_few_##name(const char *x, size_t x_step, char *y, size_t y_step, size_t rows,                  \
                                   size_t columns) {                                                                   \
    const size_t size = sizeof(value);                                                                                 \
    if (((size_t)x | (size_t)y) % size) return false;                                                                  \
    if (x_step == columns * size) switch (columns) {                                                                   \
      case 2: part_##name((const value *)x, y, y_step, rows, 2); return true;                                          \
      case 3: part_##name((const value *)x, y, y_step, rows, 3); return true;                                          \
      case 4: part_##name((const value *)x, y, y_step, rows, 4); return true;                                          \
      }                                                                                                                \
    if (y_step == rows * size) switch (rows) {                                                                         \
      case 2: join_##name(x, x_step, (value *)y, columns, 2); return true;                                             \
      case 3: join_##name(x, x_step, (value *)y, columns, 3); return true;                                             \
      case 4: join_##name(x, x_step, (value *)y, columns, 4); return true;                                             \
      }                                                                                                                \
    return false;                                                                                                      \
  }
TRANSPOSE_FEW(two, uint16_t)
TRANSPOSE_FEW(four, uint32_t)
#undef TRANSPOSE_FEW

/// Steps are in bytes.
INLINE void transpose_of(size_t bytes, bool stream_output, const char *x, size_t x_step, char *y, size_t y_step,
                         size_t rows, size_t columns) {
  enum { near_block = 32, far_block = 64 };
  const size_t width = y_step < x_step ? 16 : 8;
  const size_t whole_rows = rows / 16 * 16, whole_columns = columns / width * width;
  const bool streams = stream_output && ((size_t)y | y_step) % 64 == 0;
  // The side whose rows are far apart has whole lines moved, a block of rows at a time, so that their pages and lines
  // stay at hand.
  if (y_step < x_step) {
    for (size_t start = 0; start < whole_rows; start += near_block)
      for (size_t c = 0; c < whole_columns; c += 16)
        for (size_t r = start; r < least(start + near_block, whole_rows); r += 16)
          transpose_square(bytes, streams, x + r * x_step + c * bytes, x_step, y + c * y_step + r * bytes, y_step);
  } else {
    for (size_t start = 0; start < whole_columns; start += far_block)
      for (size_t r = 0; r < whole_rows; r += 16)
        for (size_t c = start; c < least(start + far_block, whole_columns); c += 8)
          transpose_tall(bytes, streams, x + r * x_step + c * bytes, x_step, y + c * y_step + r * bytes, y_step);
  }
  if (streams) __atomic_thread_fence(__ATOMIC_SEQ_CST);
  transpose_plainly(bytes, x + whole_columns * bytes, x_step, y + whole_columns * y_step, y_step, whole_rows,
                    columns - whole_columns);
  transpose_plainly(bytes, x + whole_rows * x_step, x_step, y + whole_rows * bytes, y_step, rows - whole_rows, columns);
}

static void PASTE(transpose, ISA)(size_t bytes, const void *x, size_t x_step, void *y, size_t y_step, size_t rows,
                                  size_t columns, bool stream) {
  switch (bytes) {
  case 2:
    if (!transpose_few_two(x, x_step * 2, y, y_step * 2, rows, columns))
      transpose_of(2, false, x, x_step * 2, y, y_step * 2, rows, columns);
    break;
  case 4:
    if (transpose_few_four(x, x_step * 4, y, y_step * 4, rows, columns)) break;
    if (stream)
      transpose_of(4, true, x, x_step * 4, y, y_step * 4, rows, columns);
    else
      transpose_of(4, false, x, x_step * 4, y, y_step * 4, rows, columns);
    break;
  default: transpose_plainly(8, x, x_step * 8, y, y_step * 8, rows, columns); break;
  }
}
