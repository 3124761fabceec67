// The kernels, written once over vectors of 16 values. Each instruction set's file defines ISA, HAS_FMA, HAS_HALF and
// COLUMNS, how many vectors of maps it has registers for, and includes this between its `#pragma clang attribute`s.
//
// Vectors are clang's: wider than the machine's registers, they become several. Functions take types and forms as
// constants and are inlined, so that the branches on them are gone from each loop.

#include "include/CNormKernels.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi"

#include "Vectors.h"

// MARK: - Pieces of the formulas

INLINE floats activated(norm_activation activation, float slope, floats n) {
  if (activation == norm_activation_none) return n;
  return rectified(n, activation == norm_activation_relu ? 0 : slope);
}

/// dy times the activation's slope at n.
INLINE floats deactivated(norm_activation activation, float slope, floats n, floats dy) {
  if (activation == norm_activation_none) return dy;
  return rectified_gradient(dy, n, activation == norm_activation_relu ? 0 : slope);
}

/// float32 sums of one block in lanes, and what they have come to in float64.
typedef struct lane_sums {
  doubles low, high;
} lane_sums;

INLINE void fold(lane_sums *sums, floats block) {
  sums->low += low(block);
  sums->high += high(block);
}

/// The same where the sums are 16 float64 values in memory.
INLINE void fold_into(double *sums, floats block) {
  lane_sums lanes_sums;
  __builtin_memcpy(&lanes_sums, sums, sizeof lanes_sums);
  fold(&lanes_sums, block);
  __builtin_memcpy(sums, &lanes_sums, sizeof lanes_sums);
}

INLINE double lane_total(const lane_sums *sums) { return total(sums->low + sums->high); }

// MARK: - Moments

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

INLINE void pixel_moments_of(norm_type type, const char *x, size_t pixels, size_t maps, size_t readable,
                             const float *shift, double *sum, double *square) {
  const size_t bytes = width(type), stride = maps * bytes;
  for (size_t start = 0; start < pixels; start += norm_pixel_block) {
    size_t block = least(pixels - start, norm_pixel_block);
    size_t map = 0;
    for (; map + COLUMNS * lanes <= maps; map += COLUMNS * lanes)
      column_moments(type, COLUMNS, x + (start * maps + map) * bytes, block, block, 0, stride, shift + map, sum + map,
                     square + map);
    for (; map < maps; map += lanes) {
      size_t at = start * maps + map, whole = whole_pixels(block, at, maps, readable);
      if (whole == block)
        column_moments(type, 1, x + at * bytes, block, block, 0, stride, shift + map, sum + map, square + map);
      else
        column_moments(type, 1, x + at * bytes, block, whole, maps - map, stride, shift + map, sum + map, square + map);
    }
  }
}

static void PASTE(pixel_moments, ISA)(norm_type type, const void *x, size_t pixels, size_t maps, size_t readable,
                                      const float *shift, double *sum, double *square) {
  switch (type) {
  case norm_float32: pixel_moments_of(norm_float32, x, pixels, maps, readable, shift, sum, square); break;
  case norm_float16: pixel_moments_of(norm_float16, x, pixels, maps, readable, shift, sum, square); break;
  case norm_bfloat16: pixel_moments_of(norm_bfloat16, x, pixels, maps, readable, shift, sum, square); break;
  }
}

// MARK: - Walking over values and their maps

/// The parameters of 16 values.
typedef struct affine_values {
  floats shift, gain, offset;
} affine_values;
typedef struct slope_values {
  floats inv_std, centre, mean, slope, offset;
} slope_values;

INLINE affine_values affine_of_one(const norm_affine *a) {
  return (affine_values){a->shift[0], a->gain[0], a->offset[0]};
}

INLINE slope_values slope_of_one(const norm_slope *s) {
  return (slope_values){s->inv_std[0], s->centre[0], s->mean[0], s->slope[0], s->offset[0]};
}

INLINE affine_values affine_from(const norm_affine *a, size_t map) {
  return (affine_values){load(norm_float32, a->shift + map), load(norm_float32, a->gain + map),
                         load(norm_float32, a->offset + map)};
}

INLINE slope_values slope_from(const norm_slope *s, size_t map) {
  return (slope_values){load(norm_float32, s->inv_std + map), load(norm_float32, s->centre + map),
                        load(norm_float32, s->mean + map), load(norm_float32, s->slope + map),
                        load(norm_float32, s->offset + map)};
}

// MARK: - Normalise

INLINE floats normal(affine_values a, floats x) { return multiply_add(x - a.shift, a.gain, a.offset); }

INLINE floats finished(norm_activation activation, norm_residual residual, float slope, floats n, floats r) {
  if (residual == norm_residual_before) return activated(activation, slope, n + r);
  if (residual == norm_residual_after) return activated(activation, slope, n) + r;
  return activated(activation, slope, n);
}

/// Everything that a loop over values is specialised for, and what it needs beside them.
typedef struct normalizer {
  norm_type type;
  norm_activation activation;
  norm_residual residual;
  /// Whether parameters differ from value to value.
  bool many;
  float slope;
  norm_affine affine;
  affine_values one;
  walk walk;
} normalizer;

INLINE floats normalized(const normalizer *z, floats x, floats r) {
  affine_values a = z->many ? affine_from(&z->affine, z->walk.map) : z->one;
  return finished(z->activation, z->residual, z->slope, normal(a, x), r);
}

INLINE void normalize_few(normalizer *z, const char *x, const char *r, char *y, size_t count) {
  floats added = z->residual != norm_residual_none ? load_few(z->type, r, count) : (floats)0.0f;
  store_few(z->type, y, normalized(z, load_few(z->type, x, count), added), count);
  if (z->many) z->walk.map = (z->walk.map + count) % z->walk.maps;
}

/// Whole vectors; `past_caches` only where y is aligned. Memory at `ahead`, if not null, is fetched meanwhile.
INLINE void normalize_vectors(normalizer *z, bool past_caches, const char *x, const char *r, char *y, size_t count,
                              const char *ahead) {
  const size_t bytes = width(z->type);
  for (size_t i = 0; i + lanes <= count; i += lanes) {
    if (ahead) __builtin_prefetch(ahead + i * bytes, 0, 2);
    floats added = z->residual != norm_residual_none ? load(z->type, r + i * bytes) : (floats)0.0f;
    floats result = normalized(z, load(z->type, x + i * bytes), added);
    if (past_caches)
      stream(z->type, y + i * bytes, result);
    else
      store(z->type, y + i * bytes, result);
    if (z->many) advance(&z->walk);
  }
}

INLINE void normalize_of(norm_type type, norm_activation activation, norm_residual residual, bool many,
                         const norm_form *form, const char *x, const char *r, char *y, size_t count, size_t maps,
                         size_t first_map, const norm_affine *affine, const char *ahead) {
  const size_t bytes = width(type);
  // Copies, which no store to y can change.
  normalizer z = {type, activation, residual, many, form->slope, *affine, affine_of_one(affine),
                  walk_from(first_map, maps)};
  bool past_caches = form->stream;
  size_t i = 0;
  if (past_caches) {
    i = least(values_before_alignment(y, bytes), count);
    if (i > 0) normalize_few(&z, x, r, y, i);
    past_caches = ((size_t)(y + i * bytes) & (lanes * bytes - 1)) == 0;
  }
  const size_t whole = (count - i) / lanes * lanes;
#define AT(p) ((p) ? (p) + i * bytes : (p))
  if (past_caches) {
    if (ahead)
      normalize_vectors(&z, true, x + i * bytes, AT(r), y + i * bytes, whole, ahead);
    else
      normalize_vectors(&z, true, x + i * bytes, AT(r), y + i * bytes, whole, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  } else {
    normalize_vectors(&z, false, x + i * bytes, AT(r), y + i * bytes, whole, 0);
  }
  i += whole;
  if (i < count) normalize_few(&z, x + i * bytes, AT(r), y + i * bytes, count - i);
#undef AT
}

// Call `f` with the form's members as constants. Where two forms come to the same, one is taken for both.
#define WITH_TYPE(f, form)                                                                                             \
  switch ((form)->type) {                                                                                              \
  case norm_float32: f(norm_float32); break;                                                                           \
  case norm_float16: f(norm_float16); break;                                                                           \
  case norm_bfloat16: f(norm_bfloat16); break;                                                                         \
  }
#define WITH_FORM(f, form, type)                                                                                       \
  switch ((form)->residual) {                                                                                          \
  case norm_residual_none: WITH_ACTIVATION(f, form, type, norm_residual_none) break;                                   \
  case norm_residual_before:                                                                                           \
    if ((form)->activation != norm_activation_none) {                                                                  \
      WITH_ACTIVATION(f, form, type, norm_residual_before)                                                             \
      break;                                                                                                           \
    }                                                                                                                  \
    __attribute__((fallthrough));                                                                                      \
  case norm_residual_after: WITH_ACTIVATION(f, form, type, norm_residual_after) break;                                 \
  }
#define WITH_GRADIENT_FORM(f, form, type)                                                                              \
  if ((form)->residual == norm_residual_before && (form)->activation != norm_activation_none) {                        \
    WITH_ACTIVATION(f, form, type, norm_residual_before)                                                               \
  } else {                                                                                                             \
    WITH_ACTIVATION(f, form, type, norm_residual_none)                                                                 \
  }
#define WITH_ACTIVATION(f, form, type, residual)                                                                       \
  switch ((form)->activation) {                                                                                        \
  case norm_activation_none: f(type, norm_activation_none, residual); break;                                           \
  case norm_activation_relu: f(type, norm_activation_relu, residual); break;                                           \
  case norm_activation_leaky: f(type, norm_activation_leaky, residual); break;                                         \
  }

static void PASTE(normalize, ISA)(const norm_form *form, const void *x, const void *residual, void *y, size_t count,
                                  size_t maps, size_t first_map, const norm_affine *affine, const void *ahead) {
#define CASE(type) WITH_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  if (maps == 1)                                                                                                       \
    normalize_of(type, activation, place, false, form, x, residual, y, count, 1, 0, affine, ahead);                    \
  else                                                                                                                 \
    normalize_of(type, activation, place, true, form, x, residual, y, count, maps, first_map, affine, 0)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}

// MARK: - Gradients

/// dn and xhat of some values.
typedef struct pair {
  floats dn, xhat;
} pair;

/// `r` is only looked at where the activation comes after the residual.
INLINE pair gradient_pair(norm_activation activation, norm_residual residual, float leak, affine_values a,
                          slope_values s, floats dy, floats x, floats r) {
  floats d = x - a.shift;
  pair result = {dy, multiply_add(d, s.inv_std, s.centre)};
  if (activation != norm_activation_none) {
    floats n = multiply_add(d, a.gain, a.offset);
    if (residual == norm_residual_before) n = n + r;
    result.dn = deactivated(activation, leak, n, dy);
  }
  return result;
}

/// Whether the residual decides the activation's slope.
#define NEEDS_RESIDUAL(activation, residual)                                                                           \
  ((activation) != norm_activation_none && (residual) == norm_residual_before)

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

INLINE void column_gradient_sums(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                 const char *dy, const char *x, const char *r, size_t pixels, size_t whole, size_t few,
                                 size_t stride, affine_values a, slope_values s, double *sum, double *product,
                                 float *largest) {
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  block_sums b = {0, 0, 0, load(norm_float32, largest)};
  size_t p = 0;
#define READ(from) (few && p >= whole ? load_few(type, (from) + p * stride, few) : load(type, (from) + p * stride))
#define PAIR                                                                                                           \
  gradient_pair(activation, residual, leak, a, s, READ(dy), READ(x), reads_residual ? READ(r) : (floats)0.0f)
  while (p + 2 <= pixels) {
    pair even = PAIR;
    p++;
    pair odd = PAIR;
    p++;
    b.sum += even.dn + odd.dn;
    b.product0 = multiply_add(even.dn, even.xhat, b.product0);
    b.product1 = multiply_add(odd.dn, odd.xhat, b.product1);
    b.largest = larger(magnitude(even.dn), b.largest);
    b.largest = larger(magnitude(odd.dn), b.largest);
  }
  if (p < pixels) add_pair(&b, false, PAIR);
#undef PAIR
#undef READ
  fold_into(sum, b.sum);
  fold_into(product, b.product0 + b.product1);
  store(norm_float32, largest, b.largest);
}

INLINE void pixel_gradient_sums_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                   const char *dy, const char *x, const char *r, size_t pixels, size_t maps,
                                   size_t readable, const norm_affine *affine, const norm_slope *slope, double *sum,
                                   double *product, float *largest) {
  const size_t bytes = width(type);
  enum { pixels_at_once = norm_pixel_block / 2 };
  for (size_t start = 0; start < pixels; start += pixels_at_once) {
    size_t block = least(pixels - start, pixels_at_once);
    for (size_t map = 0; map < maps; map += lanes) {
      size_t at = start * maps + map;
      size_t whole = whole_pixels(block, at, maps, readable);
#define COLUMN(few)                                                                                                    \
  column_gradient_sums(type, activation, residual, leak, dy + at * bytes, x + at * bytes,                              \
                       NEEDS_RESIDUAL(activation, residual) ? r + at * bytes : r, block, whole, few, maps * bytes,     \
                       affine_from(affine, map), slope_from(slope, map), sum + map, product + map, largest + map)
      if (whole == block)
        COLUMN(0);
      else
        COLUMN(maps - map);
#undef COLUMN
    }
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

// MARK: - The table

#define STRING_(a) #a
#define STRING(a) STRING_(a)

const norm_kernels PASTE(norm_kernels, ISA) = {
    .name = STRING(ISA),
    .plane_moments = PASTE(plane_moments, ISA),
    .pixel_moments = PASTE(pixel_moments, ISA),
    .normalize = PASTE(normalize, ISA),
    .plane_gradient_sums = PASTE(plane_gradient_sums, ISA),
    .pixel_gradient_sums = PASTE(pixel_gradient_sums, ISA),
    .gradient = PASTE(gradient, ISA),
};
