// The product of matrices, of packed panels (Goto and van de Geijn, 2008).
//
// A panel is a tile's rows of the first matrix, or its columns of the second, value by value along the inner axis, so
// that the innermost loop reads both in the order of memory. A tile of the result stays in registers for as long as the
// panels are, in float32; what it comes to is added up in float64.

/// Up to eight values of each of up to eight rows, transposed: to[k pitch + i]. `room` of the eight places i are
/// written.
INLINE void pack_eight(norm_type type, const char *x, size_t step, size_t rows, size_t values, float *to, size_t pitch,
                       size_t room) {
  float square[8][8] = {0};
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < values; k++) square[k][i] = load_one(type, x + i * step + k * width(type))[0];
  for (size_t k = 0; k < values; k++) __builtin_memcpy(to + k * pitch, square[k], room * sizeof(float));
}

/// The same of 16 values each, which are there.
INLINE void pack_whole(norm_type type, const char *x, size_t step, size_t rows, float *to, size_t pitch, size_t room) {
  eight_words r[2][8];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < 8; i++) {
    floats a = 0;
    if (i < rows) {
      // The rows may be far apart, and are then more than the processor foresees.
      __builtin_prefetch(x + i * step + 256, 0, 3);
      a = load(type, x + i * step);
    }
    r[0][i] = (eight_words)a.lo;
    r[1][i] = (eight_words)a.hi;
  }
#pragma clang loop unroll(full)
  for (size_t half = 0; half < 2; half++) {
    transpose_eight_words(r[half]);
#pragma clang loop unroll(full)
    for (size_t k = 0; k < 8; k++) __builtin_memcpy(to + (half * 8 + k) * pitch, &r[half][k], room * sizeof(float));
  }
}

/// Eight rows of a panel, or `room` of them.
INLINE void pack_rows(norm_type type, const char *x, size_t step, size_t rows, size_t inner, float *to, size_t pitch,
                      size_t room) {
  const size_t bytes = width(type);
  size_t k = 0;
  if (rows >= room)
    for (; k + lanes <= inner; k += lanes) pack_whole(type, x + k * bytes, step, room, to + k * pitch, pitch, room);
  for (; k < inner; k += 8)
    pack_eight(type, x + k * bytes, step, least(rows, room), least(inner - k, 8), to + k * pitch, pitch, room);
}

/// One panel: `extent` of its tile's places are there.
INLINE void pack_panel(norm_type type, const char *x, size_t step, size_t inner_step, size_t extent, size_t readable,
                       size_t inner, size_t tile, float *to) {
  const size_t bytes = width(type);
  if (step == 1) {
    for (size_t k = 0; k < inner; k++) {
      const char *from = x + k * inner_step * bytes;
      for (size_t i = 0; i < tile; i += lanes) {
        floats a = 0;
        if (i + lanes <= readable)
          a = load(type, from + i * bytes);
        else if (i < extent)
          a = load_few(type, from + i * bytes, extent - i);
        if (i + lanes > extent) a = first(a, i < extent ? extent - i : 0);
        __builtin_memcpy(to + k * tile + i, &a, least(tile - i, lanes) * sizeof(float));
      }
    }
  } else if (inner_step == 1) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < tile; i += 8)
      pack_rows(type, x + i * step * bytes, step * bytes, i < extent ? extent - i : 0, inner, to + i, tile,
                least(tile - i, 8));
  } else {
    for (size_t k = 0; k < inner; k++)
      for (size_t i = 0; i < tile; i++) {
        float a = 0;
        if (i < extent) a = load_one(type, x + (i * step + k * inner_step) * bytes)[0];
        to[k * tile + i] = a;
      }
  }
}

INLINE void pack_of(norm_type type, const char *x, size_t step, size_t inner_step, size_t extent, size_t inner,
                    size_t tile, float *panels) {
  for (size_t start = 0; start < extent; start += tile) {
    const size_t readable = extent - start;
    pack_panel(type, x + start * step * width(type), step, inner_step, least(readable, tile), readable, inner, tile,
               panels + start * inner);
  }
}

static void PASTE(pack, ISA)(norm_type type, const void *x, size_t step, size_t inner_step, size_t extent, size_t inner,
                             size_t tile, float *panels) {
#define CASE(type)                                                                                                     \
  if (tile == TILE_ROWS)                                                                                               \
    pack_of(type, x, step, inner_step, extent, inner, TILE_ROWS, panels);                                              \
  else                                                                                                                 \
    pack_of(type, x, step, inner_step, extent, inner, TILE_VECTORS * lanes, panels)
  WITH_TYPE(CASE, type)
#undef CASE
}

INLINE void multiply_tile(const float *a, const float *b, size_t inner, double *sums, size_t step, bool adds) {
  floats c[TILE_ROWS][TILE_VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE_VECTORS; j++) c[i][j] = 0;
  }
  for (size_t k = 0; k < inner; k++) {
    floats right[TILE_VECTORS];
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE_VECTORS; j++) right[j] = load(norm_float32, b + j * lanes);
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_ROWS; i++) {
      floats left = (floats)a[i];
#pragma clang loop unroll(full)
      for (int j = 0; j < TILE_VECTORS; j++) c[i][j] = multiply_add(left, right[j], c[i][j]);
    }
    a += TILE_ROWS;
    b += TILE_VECTORS * lanes;
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE_VECTORS; j++) {
      double *to = sums + (size_t)i * step + j * lanes;
      doubles result[2] = {low(c[i][j]), high(c[i][j])};
      if (adds) {
        doubles old[2];
        __builtin_memcpy(old, to, sizeof old);
        result[0] += old[0];
        result[1] += old[1];
      }
      __builtin_memcpy(to, result, sizeof result);
    }
  }
}

static void PASTE(multiply_panels, ISA)(const float *a, const float *b, size_t inner, size_t row_tiles,
                                        size_t column_tiles, double *sums, size_t step, bool adds) {
  for (size_t i = 0; i < row_tiles; i++)
    for (size_t j = 0; j < column_tiles; j++)
      multiply_tile(a + i * inner * TILE_ROWS, b + j * inner * TILE_VECTORS * lanes, inner,
                    sums + i * TILE_ROWS * step + j * TILE_VECTORS * lanes, step, adds);
}
