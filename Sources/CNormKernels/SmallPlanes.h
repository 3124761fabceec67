// Loops over many small planes that lie one after the other: whatever one plane costs beside its values has to be little.
// Sixteen at a time get their parameters. Of fewer than 16 values, the sixteen are worked on together, a plane in each
// lane; else a plane's last values are part of a vector that reaches back, which is computed before any is written, so
// that results can take the place of what is read.
//
// Moments are in float64 throughout, which is right for all values of float32. Included by Kernels.h.

typedef long long wide_ints __attribute__((ext_vector_type(8)));

/// Lanes before `skip` become zero.
INLINE floats from_lane(floats a, size_t skip) {
  const ints index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return index >= (int)skip ? a : (floats)0.0f;
}

INLINE void from_lane_wide(lane_sums *a, size_t skip) {
  const wide_ints index = {0, 1, 2, 3, 4, 5, 6, 7};
  a->low = index >= (long long)skip ? a->low : (doubles)0.0;
  a->high = index + 8 >= (long long)skip ? a->high : (doubles)0.0;
}

INLINE void add_product(lane_sums *sums, doubles low_a, doubles high_a, doubles low_b, doubles high_b) {
  sums->low += low_a * low_b;
  sums->high += high_a * high_b;
}

INLINE float largest_of(floats a) {
  typedef float eight __attribute__((ext_vector_type(8)));
  typedef float four __attribute__((ext_vector_type(4)));
  typedef float two __attribute__((ext_vector_type(2)));
  eight b = a.lo > a.hi ? a.lo : a.hi;
  four c = b.lo > b.hi ? b.lo : b.hi;
  two d = c.lo > c.hi ? c.lo : c.hi;
  return d.x > d.y ? d.x : d.y;
}

// MARK: - Sixteen planes of fewer than 16 values

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

// MARK: - Moments

/// Sums of x - shift and their squares of one plane of at least 16 values.
INLINE void add_deviations(norm_type type, const char *x, size_t size, double shift, lane_sums *sum,
                           lane_sums *square) {
  const size_t bytes = width(type), rest = size % lanes;
  for (size_t i = 0; i + lanes <= size; i += lanes) {
    const floats v = load(type, x + i * bytes);
    const doubles l = low(v) - shift, h = high(v) - shift;
    sum->low += l;
    sum->high += h;
    add_product(square, l, h, l, h);
  }
  if (rest) {
    const floats v = load(type, x + (size - lanes) * bytes);
    lane_sums d = {low(v) - shift, high(v) - shift};
    from_lane_wide(&d, lanes - rest);
    sum->low += d.low;
    sum->high += d.high;
    add_product(square, d.low, d.high, d.low, d.high);
  }
}

INLINE double values_total(norm_type type, const char *x, size_t size) {
  const size_t bytes = width(type), rest = size % lanes;
  lane_sums sum = {0};
  for (size_t i = 0; i + lanes <= size; i += lanes) fold(&sum, load(type, x + i * bytes));
  if (rest) fold(&sum, from_lane(load(type, x + (size - lanes) * bytes), lanes - rest));
  return lane_total(&sum);
}

INLINE void planes_statistics_of(norm_type type, const char *x, size_t size, size_t count, double epsilon,
                                 double *mean, double *inv_std) {
  const size_t bytes = width(type);
  for (size_t start = 0; start < count; start += lanes, x += lanes * size * bytes) {
    const size_t some = least(count - start, lanes);
    lane_sums means = {0}, squares = {0};
    if (size < lanes) {
      floats rows[few_values];
      read_rows(type, x, size, some, rows);
      for (size_t j = 0; j < size; j++) fold(&means, rows[j]);
      means.low /= (double)size;
      means.high /= (double)size;
      for (size_t j = 0; j < size; j++) {
        const doubles l = low(rows[j]) - means.low, h = high(rows[j]) - means.high;
        add_product(&squares, l, h, l, h);
      }
    } else {
      // Equal values have exactly their value as mean: float64 holds their sum.
      double values[lanes] = {0};
      for (size_t p = 0; p < some; p++) values[p] = values_total(type, x + p * size * bytes, size) / (double)size;
      __builtin_memcpy(&means, values, sizeof means);
      for (size_t p = 0; p < some; p++) {
        lane_sums sum = {0}, square = {0};
        add_deviations(type, x + p * size * bytes, size, values[p], &sum, &square);
        values[p] = lane_total(&square);
      }
      __builtin_memcpy(&squares, values, sizeof squares);
    }
    const doubles l = squares.low / (double)size + epsilon, h = squares.high / (double)size + epsilon;
    const lane_sums inverses = {l == 0 ? (doubles)0.0 : 1 / __builtin_elementwise_sqrt(l),
                                h == 0 ? (doubles)0.0 : 1 / __builtin_elementwise_sqrt(h)};
    __builtin_memcpy(mean + start, &means, some * sizeof(double));
    __builtin_memcpy(inv_std + start, &inverses, some * sizeof(double));
  }
}

static void PASTE(planes_statistics, ISA)(norm_type type, const void *x, size_t size, size_t count, double epsilon,
                                          double *mean, double *inv_std) {
  switch (type) {
  case norm_float32: planes_statistics_of(norm_float32, x, size, count, epsilon, mean, inv_std); break;
  case norm_float16: planes_statistics_of(norm_float16, x, size, count, epsilon, mean, inv_std); break;
  case norm_bfloat16: planes_statistics_of(norm_bfloat16, x, size, count, epsilon, mean, inv_std); break;
  }
}

/// The arrays are as long as whole vectors.
INLINE void planes_moments_of(norm_type type, const char *x, size_t size, size_t count, const float *shift, double *sum,
                              double *square) {
  const size_t bytes = width(type);
  for (size_t start = 0; start < count; start += lanes, x += lanes * size * bytes) {
    const size_t some = least(count - start, lanes);
    if (size < lanes) {
      floats rows[few_values];
      read_rows(type, x, size, some, rows);
      const floats shifts = load(norm_float32, shift + start);
      lane_sums s, q;
      __builtin_memcpy(&s, sum + start, sizeof s);
      __builtin_memcpy(&q, square + start, sizeof q);
      for (size_t j = 0; j < size; j++) {
        const doubles l = low(rows[j]) - low(shifts), h = high(rows[j]) - high(shifts);
        s.low += l;
        s.high += h;
        add_product(&q, l, h, l, h);
      }
      __builtin_memcpy(sum + start, &s, sizeof s);
      __builtin_memcpy(square + start, &q, sizeof q);
    } else {
      for (size_t p = 0; p < some; p++) {
        lane_sums s = {0}, q = {0};
        add_deviations(type, x + p * size * bytes, size, shift[start + p], &s, &q);
        sum[start + p] += lane_total(&s);
        square[start + p] += lane_total(&q);
      }
    }
  }
}

static void PASTE(planes_moments, ISA)(norm_type type, const void *x, size_t size, size_t count, const float *shift,
                                       double *sum, double *square) {
  switch (type) {
  case norm_float32: planes_moments_of(norm_float32, x, size, count, shift, sum, square); break;
  case norm_float16: planes_moments_of(norm_float16, x, size, count, shift, sum, square); break;
  case norm_bfloat16: planes_moments_of(norm_bfloat16, x, size, count, shift, sum, square); break;
  }
}

// MARK: - Normalise

/// The parameters of sixteen planes.
typedef struct small_parameters {
  float shift[lanes], gain[lanes], offset[lanes];
  float inv_std[lanes], centre[lanes];
  float mean[lanes], slope[lanes], slope_offset[lanes];
} small_parameters;

INLINE affine_values affine_of(const small_parameters *p, size_t plane) {
  return (affine_values){p->shift[plane], p->gain[plane], p->offset[plane]};
}

INLINE affine_values affine_of_all(const small_parameters *p) {
  return (affine_values){load(norm_float32, p->shift), load(norm_float32, p->gain), load(norm_float32, p->offset)};
}

INLINE slope_values slope_of(const small_parameters *p, size_t plane) {
  return (slope_values){p->inv_std[plane], p->centre[plane], p->mean[plane], p->slope[plane], p->slope_offset[plane]};
}

INLINE slope_values slope_of_all(const small_parameters *p) {
  return (slope_values){load(norm_float32, p->inv_std), load(norm_float32, p->centre), load(norm_float32, p->mean),
                        load(norm_float32, p->slope), load(norm_float32, p->slope_offset)};
}

INLINE size_t normalize_planes_of(norm_type type, norm_activation activation, norm_residual residual,
                                  const norm_form *form, const char *x, const char *r, char *y, size_t size,
                                  size_t count, const norm_parameters *parameters) {
  const size_t bytes = width(type), last = (size - lanes) * bytes;
  const float leak = form->slope;
  for (size_t start = 0; start < count; start += lanes) {
    const size_t some = least(count - start, lanes);
    small_parameters p = {0};
    if (affines_of(parameters, start, some, p.shift, p.gain, p.offset)) return start;
    if (size < lanes) {
      floats rows[few_values], added[few_values];
      const size_t at = start * size * bytes;
      const affine_values a = affine_of_all(&p);
      read_rows(type, x + at, size, some, rows);
      if (residual != norm_residual_none) read_rows(type, r + at, size, some, added);
      for (size_t j = 0; j < size; j++)
        rows[j] = finished(activation, residual, leak, normal(a, rows[j]),
                           residual != norm_residual_none ? added[j] : (floats)0.0f);
      write_rows(type, y + at, size, some, rows);
      continue;
    }
    for (size_t plane = 0; plane < some; plane++) {
      const size_t at = (start + plane) * size * bytes;
      const affine_values a = affine_of(&p, plane);
#define RESULT(i)                                                                                                      \
  finished(activation, residual, leak, normal(a, load(type, x + at + (i))),                                            \
           residual != norm_residual_none ? load(type, r + at + (i)) : (floats)0.0f)
      const floats end = size % lanes ? RESULT(last) : (floats)0.0f;
      for (size_t i = 0; i + lanes <= size; i += lanes) store(type, y + at + i * bytes, RESULT(i * bytes));
      if (size % lanes) store(type, y + at + last, end);
#undef RESULT
    }
  }
  return count;
}

static size_t PASTE(normalize_planes, ISA)(const norm_form *form, const void *x, const void *residual, void *y,
                                           size_t size, size_t count, const norm_parameters *parameters) {
  size_t done = 0;
#define CASE(type) WITH_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  done = normalize_planes_of(type, activation, place, form, x, residual, y, size, count, parameters)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
  return done;
}

// MARK: - Gradients

INLINE size_t planes_gradient_sums_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                      const char *dy, const char *x, const char *r, size_t size, size_t count,
                                      const norm_parameters *parameters, double *sum, double *product, float *largest) {
  const size_t bytes = width(type), rest = size % lanes;
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  for (size_t start = 0; start < count; start += lanes) {
    const size_t some = least(count - start, lanes);
    small_parameters p = {0};
    if (affines_of(parameters, start, some, p.shift, p.gain, p.offset)) return start;
    slopes_of(parameters, start, some, p.shift, p.inv_std, p.centre);
    if (size < lanes) {
      const size_t at = start * size * bytes;
      const affine_values a = affine_of_all(&p);
      const slope_values s = slope_of_all(&p);
      floats dys[few_values], xs[few_values], rs[few_values], most = 0;
      lane_sums sums = {0}, products = {0};
      read_rows(type, dy + at, size, some, dys);
      read_rows(type, x + at, size, some, xs);
      if (reads_residual) read_rows(type, r + at, size, some, rs);
      for (size_t j = 0; j < size; j++) {
        pair v = gradient_pair(activation, residual, leak, a, s, dys[j], xs[j], reads_residual ? rs[j] : (floats)0.0f);
        fold(&sums, v.dn);
        add_product(&products, low(v.dn), high(v.dn), low(v.xhat), high(v.xhat));
        most = larger(magnitude(v.dn), most);
      }
      for (size_t plane = 0; plane < some; plane++) {
        sum[start + plane] += plane < 8 ? sums.low[plane] : sums.high[plane - 8];
        product[start + plane] += plane < 8 ? products.low[plane] : products.high[plane - 8];
        if (most[plane] > largest[start + plane]) largest[start + plane] = most[plane];
      }
      continue;
    }
    for (size_t plane = 0; plane < some; plane++) {
      const size_t at = (start + plane) * size * bytes;
      const affine_values a = affine_of(&p, plane);
      const slope_values s = slope_of(&p, plane);
      block_sums b = {0};
#define PAIR(i)                                                                                                        \
  gradient_pair(activation, residual, leak, a, s, load(type, dy + at + (i) * bytes), load(type, x + at + (i) * bytes), \
                reads_residual ? load(type, r + at + (i) * bytes) : (floats)0.0f)
      size_t i = 0;
      for (; i + 2 * lanes <= size; i += 2 * lanes) {
        add_pair(&b, false, PAIR(i));
        add_pair(&b, true, PAIR(i + lanes));
      }
      if (i + lanes <= size) add_pair(&b, false, PAIR(i));
      if (rest) {
        pair end = PAIR(size - lanes);
        end.dn = from_lane(end.dn, lanes - rest);
        add_pair(&b, true, end);
      }
#undef PAIR
      lane_sums sums = {0}, products = {0};
      fold(&sums, b.sum);
      fold(&products, b.product0 + b.product1);
      sum[start + plane] += lane_total(&sums);
      product[start + plane] += lane_total(&products);
      const float most = largest_of(b.largest);
      if (most > largest[start + plane]) largest[start + plane] = most;
    }
  }
  return count;
}

static size_t PASTE(planes_gradient_sums, ISA)(const norm_form *form, const void *dy, const void *x,
                                               const void *residual, size_t size, size_t count,
                                               const norm_parameters *parameters, double *sum, double *product,
                                               float *largest) {
  size_t done = 0;
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  done = planes_gradient_sums_of(type, activation, place, form->slope, dy, x, residual, size, count, parameters, sum,  \
                                 product, largest)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
  return done;
}

INLINE floats input_gradient(affine_values a, slope_values s, pair p) {
  return multiply_add(p.dn - s.mean, a.gain, multiply_add(p.xhat, s.slope, s.offset));
}

INLINE size_t planes_gradient_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                 const char *dy, const char *x, const char *r, char *dx, char *dr, size_t size,
                                 size_t count, const norm_parameters *parameters, const norm_means *means) {
  const size_t bytes = width(type), last = size - lanes;
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  for (size_t start = 0; start < count; start += lanes) {
    const size_t some = least(count - start, lanes);
    small_parameters p = {0};
    if (affines_of(parameters, start, some, p.shift, p.gain, p.offset)) return start;
    slopes_of(parameters, start, some, p.shift, p.inv_std, p.centre);
    if (finish_slopes(parameters, means, start, some, p.gain, p.mean, p.slope, p.slope_offset)) return start;
    if (!dx) continue;
    if (size < lanes) {
      const size_t at = start * size * bytes;
      const affine_values a = affine_of_all(&p);
      const slope_values s = slope_of_all(&p);
      floats dys[few_values], xs[few_values], rs[few_values];
      read_rows(type, dy + at, size, some, dys);
      read_rows(type, x + at, size, some, xs);
      if (reads_residual) read_rows(type, r + at, size, some, rs);
      for (size_t j = 0; j < size; j++) {
        pair v = gradient_pair(activation, residual, leak, a, s, dys[j], xs[j], reads_residual ? rs[j] : (floats)0.0f);
        dys[j] = v.dn;
        xs[j] = input_gradient(a, s, v);
      }
      if (dr) write_rows(type, dr + at, size, some, dys);
      write_rows(type, dx + at, size, some, xs);
      continue;
    }
    for (size_t plane = 0; plane < some; plane++) {
      const size_t at = (start + plane) * size * bytes;
      const affine_values a = affine_of(&p, plane);
      const slope_values s = slope_of(&p, plane);
#define PAIR(i)                                                                                                        \
  gradient_pair(activation, residual, leak, a, s, load(type, dy + at + (i) * bytes), load(type, x + at + (i) * bytes), \
                reads_residual ? load(type, r + at + (i) * bytes) : (floats)0.0f)
      pair end = {0, 0};
      if (size % lanes) end = PAIR(last);
      for (size_t i = 0; i + lanes <= size; i += lanes) {
        const pair v = PAIR(i);
        if (dr) store(type, dr + at + i * bytes, v.dn);
        store(type, dx + at + i * bytes, input_gradient(a, s, v));
      }
      if (size % lanes) {
        if (dr) store(type, dr + at + last * bytes, end.dn);
        store(type, dx + at + last * bytes, input_gradient(a, s, end));
      }
#undef PAIR
    }
  }
  return count;
}

static size_t PASTE(planes_gradient, ISA)(const norm_form *form, const void *dy, const void *x, const void *residual,
                                          void *dx, void *dr, size_t size, size_t count,
                                          const norm_parameters *parameters, const norm_means *means) {
  size_t done = 0;
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  done = planes_gradient_of(type, activation, place, form->slope, dy, x, residual, dx, dr, size, count, parameters,    \
                            means)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
  return done;
}
