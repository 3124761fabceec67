// The loops of gradients: sums first, then dx. Included by Kernels.h.

typedef struct block_sums {
  floats sum, product0, product1, largest;
} block_sums;

INLINE void add_pair(block_sums *b, bool odd, pair p) {
  b->sum += p.dn;
  if (odd)
    b->product1 = multiply_add(p.dn, p.xhat, b->product1);
  else
    b->product0 = multiply_add(p.dn, p.xhat, b->product0);
  b->largest = larger(magnitude(p.dn), b->largest);
}

INLINE norm_gradient_sums plane_gradient_sums_of(norm_type type, norm_activation activation, norm_residual residual,
                                                 float leak, const char *dy, const char *x, const char *r, size_t count,
                                                 const norm_affine *affine, const norm_slope *slope) {
  const size_t bytes = width(type);
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  const affine_values a = affine_of_one(affine);
  const slope_values s = slope_of_one(slope);
  lane_sums sum = {0}, product = {0};
  floats most = 0;
  while (count > 0) {
    size_t block = least(count, norm_plane_block / 2);
    block_sums b = {0, 0, 0, most};
    size_t i = 0;
#define PAIR(read, ...)                                                                                                \
  gradient_pair(activation, residual, leak, a, s, read(type, dy + i * bytes __VA_ARGS__),                              \
                read(type, x + i * bytes __VA_ARGS__),                                                                 \
                reads_residual ? read(type, r + i * bytes __VA_ARGS__) : (floats)0.0f)
    while (i + 2 * lanes <= block) {
      pair even = PAIR(load);
      i += lanes;
      pair odd = PAIR(load);
      i += lanes;
      b.sum += even.dn + odd.dn;
      b.product0 = multiply_add(even.dn, even.xhat, b.product0);
      b.product1 = multiply_add(odd.dn, odd.xhat, b.product1);
      b.largest = larger(magnitude(even.dn), b.largest);
      b.largest = larger(magnitude(odd.dn), b.largest);
    }
    if (i + lanes <= block) {
      add_pair(&b, false, PAIR(load));
      i += lanes;
    }
    if (i < block) add_pair(&b, true, PAIR(load_few, , block - i));
#undef PAIR
    fold(&sum, b.sum);
    fold(&product, b.product0 + b.product1);
    most = b.largest;
    dy += block * bytes;
    x += block * bytes;
    if (reads_residual) r += block * bytes;
    count -= block;
  }
  norm_gradient_sums result = {lane_total(&sum), lane_total(&product), 0};
  for (int lane = 0; lane < lanes; lane++)
    if (most[lane] > result.largest) result.largest = most[lane];
  return result;
}

static norm_gradient_sums PASTE(plane_gradient_sums, ISA)(const norm_form *form, const void *dy, const void *x,
                                                          const void *residual, size_t count, const norm_affine *affine,
                                                          const norm_slope *slope) {
  norm_gradient_sums result = {0, 0, 0};
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  result = plane_gradient_sums_of(type, activation, place, form->slope, dy, x, residual, count, affine, slope)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
  return result;
}

/// `columns` times 16 maps of a block of pixels, each column in the order that it would be taken in alone. Of pixels from
/// `whole` on only `few` maps may be read, in one column.
INLINE void column_gradient_sums(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                 int columns, const char *dy, const char *x, const char *r, size_t pixels, size_t whole,
                                 size_t few, size_t stride, const norm_affine *affine, const norm_slope *slope,
                                 size_t map, double *sum, double *product, float *largest) {
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  affine_values a[4];
  slope_values s[4];
  block_sums b[4];
#pragma clang loop unroll(full)
  for (int c = 0; c < columns; c++) {
    a[c] = affine_from(affine, map + (size_t)c * lanes);
    s[c] = slope_from(slope, map + (size_t)c * lanes);
    b[c] = (block_sums){0, 0, 0, load(norm_float32, largest + map + (size_t)c * lanes)};
  }
#define READ(from, p, c)                                                                                               \
  (few && (p) >= whole ? load_few(type, (from) + (p) * stride, few)                                                    \
                       : load(type, (from) + (p) * stride + (size_t)(c) * lanes * width(type)))
#define PAIR(p, c)                                                                                                     \
  gradient_pair(activation, residual, leak, a[c], s[c], READ(dy, p, c), READ(x, p, c),                                 \
                reads_residual ? READ(r, p, c) : (floats)0.0f)
  size_t p = 0;
  for (; p + 2 <= pixels; p += 2) {
#pragma clang loop unroll(full)
    for (int c = 0; c < columns; c++) {
      pair even = PAIR(p, c), odd = PAIR(p + 1, c);
      b[c].sum += even.dn + odd.dn;
      b[c].product0 = multiply_add(even.dn, even.xhat, b[c].product0);
      b[c].product1 = multiply_add(odd.dn, odd.xhat, b[c].product1);
      b[c].largest = larger(magnitude(even.dn), b[c].largest);
      b[c].largest = larger(magnitude(odd.dn), b[c].largest);
    }
  }
#pragma clang loop unroll(full)
  for (int c = 0; c < columns; c++) {
    if (p < pixels) add_pair(&b[c], false, PAIR(p, c));
    fold_into(sum + map + (size_t)c * lanes, b[c].sum);
    fold_into(product + map + (size_t)c * lanes, b[c].product0 + b[c].product1);
    store(norm_float32, largest + map + (size_t)c * lanes, b[c].largest);
  }
#undef PAIR
#undef READ
}

INLINE void pixel_gradient_sums_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                   const char *dy, const char *x, const char *r, size_t pixels, size_t maps,
                                   size_t readable, const norm_affine *affine, const norm_slope *slope, double *sum,
                                   double *product, float *largest) {
  const size_t bytes = width(type);
  enum { pixels_at_once = norm_pixel_block / 2 };
  for (size_t start = 0; start < pixels; start += pixels_at_once) {
    size_t block = least(pixels - start, pixels_at_once), map = 0;
#define SOME(columns, whole, few)                                                                                      \
  column_gradient_sums(type, activation, residual, leak, columns, dy + (start * maps + map) * bytes,                   \
                       x + (start * maps + map) * bytes,                                                               \
                       NEEDS_RESIDUAL(activation, residual) ? r + (start * maps + map) * bytes : r, block, whole, few, \
                       maps * bytes, affine, slope, map, sum, product, largest)
    for (; map + COLUMNS * lanes <= maps; map += COLUMNS * lanes) SOME(COLUMNS, block, 0);
    for (; map < maps; map += lanes) {
      size_t whole = whole_pixels(block, start * maps + map, maps, readable);
      if (whole == block)
        SOME(1, block, 0);
      else
        SOME(1, whole, maps - map);
    }
#undef SOME
  }
}

static void PASTE(pixel_gradient_sums, ISA)(const norm_form *form, const void *dy, const void *x, const void *residual,
                                            size_t pixels, size_t maps, size_t readable, const norm_affine *affine,
                                            const norm_slope *slope, double *sum, double *product, float *largest) {
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  pixel_gradient_sums_of(type, activation, place, form->slope, dy, x, residual, pixels, maps, readable, affine, slope, \
                         sum, product, largest)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}

INLINE void gradient_of(norm_type type, norm_activation activation, norm_residual residual, bool many, bool past_caches,
                        float leak, const char *dy, const char *x, const char *r, char *dx, char *dr, size_t count,
                        size_t maps, size_t first_map, const norm_affine *affine, const norm_slope *slope) {
  const size_t bytes = width(type);
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  const bool writes_residual = dr != 0;
  walk w = walk_from(first_map, maps);
  const norm_affine affines = *affine;
  const norm_slope slopes = *slope;
  const affine_values one_affine = affine_of_one(affine);
  const slope_values one_slope = slope_of_one(slope);
  size_t i = 0;
#define STEP(read, write, write_residual, ...)                                                                         \
  {                                                                                                                    \
    affine_values a = many ? affine_from(&affines, w.map) : one_affine;                                                \
    slope_values s = many ? slope_from(&slopes, w.map) : one_slope;                                                    \
    pair p = gradient_pair(activation, residual, leak, a, s, read(type, dy + i * bytes __VA_ARGS__),                   \
                           read(type, x + i * bytes __VA_ARGS__),                                                      \
                           reads_residual ? read(type, r + i * bytes __VA_ARGS__) : (floats)0.0f);                     \
    floats result = multiply_add(p.dn - s.mean, a.gain, multiply_add(p.xhat, s.slope, s.offset));                      \
    if (writes_residual) write_residual;                                                                               \
    write;                                                                                                             \
  }
#define FEW(n)                                                                                                         \
  STEP(load_few, store_few(type, dx + i * bytes, result, n), store_few(type, dr + i * bytes, p.dn, n), , n)
  if (past_caches) {
    size_t before = least(values_before_alignment(dx, bytes), count);
    if (before > 0) {
      FEW(before)
      if (many) w.map = (w.map + before) % maps;
      i = before;
    }
    past_caches = ((size_t)(dx + i * bytes) & (lanes * bytes - 1)) == 0;
  }
  if (past_caches) {
    for (; i + lanes <= count; i += lanes) {
      STEP(load, stream(type, dx + i * bytes, result), store(type, dr + i * bytes, p.dn))
      if (many) advance(&w);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  } else {
    for (; i + lanes <= count; i += lanes) {
      STEP(load, store(type, dx + i * bytes, result), store(type, dr + i * bytes, p.dn))
      if (many) advance(&w);
    }
  }
  if (i < count) FEW(count - i)
#undef FEW
#undef STEP
}

static void PASTE(gradient, ISA)(const norm_form *form, const void *dy, const void *x, const void *residual, void *dx,
                                 void *dr, size_t count, size_t maps, size_t first_map, const norm_affine *affine,
                                 const norm_slope *slope) {
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  if (maps == 1)                                                                                                       \
    gradient_of(type, activation, place, false, form->stream, form->slope, dy, x, residual, dx, dr, count, 1, 0,       \
                affine, slope);                                                                                        \
  else                                                                                                                 \
    gradient_of(type, activation, place, true, form->stream, form->slope, dy, x, residual, dx, dr, count, maps,        \
                first_map, affine, slope)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}
