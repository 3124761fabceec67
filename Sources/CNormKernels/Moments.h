// Sums of deviations, of planes that lie together and of all maps of some pixels. Included by Kernels.h.

typedef struct lane_moments {
  lane_sums sum, square;
} lane_moments;

/// Adds a block of at most norm_plane_block values.
INLINE void add_moments(norm_type type, const char *x, size_t count, float shift, lane_moments *moments) {
  const size_t bytes = width(type);
  floats s = 0, q0 = 0, q1 = 0, q2 = 0, q3 = 0;
  size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const char *at = x + i * bytes;
    floats d0 = load(type, at) - shift;
    floats d1 = load(type, at + lanes * bytes) - shift;
    floats d2 = load(type, at + 2 * lanes * bytes) - shift;
    floats d3 = load(type, at + 3 * lanes * bytes) - shift;
    s += (d0 + d1) + (d2 + d3);
    q0 = multiply_add(d0, d0, q0);
    q1 = multiply_add(d1, d1, q1);
    q2 = multiply_add(d2, d2, q2);
    q3 = multiply_add(d3, d3, q3);
  }
  for (; i + lanes <= count; i += lanes) {
    floats d = load(type, x + i * bytes) - shift;
    s += d;
    q0 = multiply_add(d, d, q0);
  }
  if (i < count) {
    floats d = first(load_few(type, x + i * bytes, count - i) - shift, count - i);
    s += d;
    q1 = multiply_add(d, d, q1);
  }
  fold(&moments->sum, s);
  fold(&moments->square, (q0 + q1) + (q2 + q3));
}

INLINE norm_moments plane_moments_of(norm_type type, const char *x, size_t count, float shift) {
  lane_moments moments = {0};
  for (size_t i = 0; i < count; i += norm_plane_block)
    add_moments(type, x + i * width(type), least(count - i, norm_plane_block), shift, &moments);
  return (norm_moments){lane_total(&moments.sum), lane_total(&moments.square)};
}

static norm_moments PASTE(plane_moments, ISA)(norm_type type, const void *x, size_t count, float shift) {
  switch (type) {
  case norm_float16: return plane_moments_of(norm_float16, x, count, shift);
  case norm_bfloat16: return plane_moments_of(norm_bfloat16, x, count, shift);
  default: return plane_moments_of(norm_float32, x, count, shift);
  }
}

/// A column's last vector may have fewer than 16 maps and then goes on into the next pixel. Of how many pixels, the
/// first beginning at value `at`, it may be read whole.
INLINE size_t whole_pixels(size_t pixels, size_t at, size_t maps, size_t readable) {
  return at + lanes > readable ? 0 : least(pixels, (readable - lanes - at) / maps + 1);
}

/// `columns` times 16 maps of a block of pixels. Of pixels from `whole` on only `few` maps may be read, in one column.
INLINE void column_moments(norm_type type, int columns, const char *x, size_t pixels, size_t whole, size_t few,
                           size_t stride, const float *shift, double *sum, double *square) {
  floats shifts[4], s[4], q0[4], q1[4], q2[4], q3[4];
#pragma clang loop unroll(full)
  for (int c = 0; c < columns; c++) {
    shifts[c] = load(norm_float32, shift + c * lanes);
    s[c] = q0[c] = q1[c] = q2[c] = q3[c] = 0;
  }
#define PIXEL(p, c)                                                                                                    \
  ((few && (p) >= whole ? load_few(type, x + (p) * stride, few)                                                        \
                        : load(type, x + (p) * stride + (size_t)(c) * lanes * width(type))) -                          \
   shifts[c])
  size_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
#pragma clang loop unroll(full)
    for (int c = 0; c < columns; c++) {
      floats d0 = PIXEL(p, c), d1 = PIXEL(p + 1, c), d2 = PIXEL(p + 2, c), d3 = PIXEL(p + 3, c);
      s[c] += (d0 + d1) + (d2 + d3);
      q0[c] = multiply_add(d0, d0, q0[c]);
      q1[c] = multiply_add(d1, d1, q1[c]);
      q2[c] = multiply_add(d2, d2, q2[c]);
      q3[c] = multiply_add(d3, d3, q3[c]);
    }
  }
  for (; p < pixels; p++) {
#pragma clang loop unroll(full)
    for (int c = 0; c < columns; c++) {
      floats d0 = PIXEL(p, c);
      s[c] += d0;
      q0[c] = multiply_add(d0, d0, q0[c]);
    }
  }
#undef PIXEL
#pragma clang loop unroll(full)
  for (int c = 0; c < columns; c++) {
    fold_into(sum + c * lanes, s[c]);
    fold_into(square + c * lanes, (q0[c] + q1[c]) + (q2[c] + q3[c]));
  }
}

INLINE void pixel_moments_of(norm_type type, const char *x, size_t pixels, size_t maps, size_t all_maps,
                             size_t readable, const float *shift, double *sum, double *square) {
  const size_t bytes = width(type), stride = all_maps * bytes;
  for (size_t start = 0; start < pixels; start += norm_pixel_block) {
    size_t block = least(pixels - start, norm_pixel_block);
    size_t map = 0;
    for (; map + COLUMNS * lanes <= maps; map += COLUMNS * lanes)
      column_moments(type, COLUMNS, x + (start * all_maps + map) * bytes, block, block, 0, stride, shift + map, sum + map,
                     square + map);
    for (; map < maps; map += lanes) {
      size_t at = start * all_maps + map, whole = whole_pixels(block, at, all_maps, readable);
      if (whole == block)
        column_moments(type, 1, x + at * bytes, block, block, 0, stride, shift + map, sum + map, square + map);
      else
        column_moments(type, 1, x + at * bytes, block, whole, maps - map, stride, shift + map, sum + map, square + map);
    }
  }
}

static void PASTE(pixel_moments, ISA)(norm_type type, const void *x, size_t pixels, size_t maps, size_t all_maps,
                                      size_t readable, const float *shift, double *sum, double *square) {
  switch (type) {
  case norm_float32: pixel_moments_of(norm_float32, x, pixels, maps, all_maps, readable, shift, sum, square); break;
  case norm_float16: pixel_moments_of(norm_float16, x, pixels, maps, all_maps, readable, shift, sum, square); break;
  case norm_bfloat16: pixel_moments_of(norm_bfloat16, x, pixels, maps, all_maps, readable, shift, sum, square); break;
  }
}

/// At most 32 samples.
INLINE void pixel_shifts_of(norm_type type, const char *x, size_t pixels, size_t maps, size_t samples, float *shift) {
  const double inverse = 1 / (double)samples;
  size_t places[32];
  for (size_t i = 0; i < samples; i++) places[i] = pixels * i / samples * maps;
  for (size_t map = 0; map < maps; map += lanes) {
    lane_sums sum = {0};
    for (size_t i = 0; i < samples; i++) {
      const size_t at = places[i] + map;
      const bool is_whole = at + lanes <= pixels * maps;
      fold(&sum, is_whole ? load(type, x + at * width(type)) : load_few(type, x + at * width(type), maps - map));
    }
    // Of equal values exactly theirs, since float64 holds their sum nearly and float32 is what remains.
    sum.low *= inverse;
    sum.high *= inverse;
    floats shifts;
    shifts.lo = __builtin_convertvector(sum.low, __typeof__(shifts.lo));
    shifts.hi = __builtin_convertvector(sum.high, __typeof__(shifts.hi));
    store(norm_float32, shift + map, shifts);
  }
}

static void PASTE(pixel_shifts, ISA)(norm_type type, const void *x, size_t pixels, size_t maps, size_t samples,
                                     float *shift) {
  switch (type) {
  case norm_float32: pixel_shifts_of(norm_float32, x, pixels, maps, samples, shift); break;
  case norm_float16: pixel_shifts_of(norm_float16, x, pixels, maps, samples, shift); break;
  case norm_bfloat16: pixel_shifts_of(norm_bfloat16, x, pixels, maps, samples, shift); break;
  }
}
