// Loops over many small planes that lie one after the other: whatever one plane costs beside its values has to be little.
// Sixteen at a time get their parameters. Of fewer than 16 values, the sixteen are worked on together, a plane in each
// lane; else vectors follow each other from plane to plane, and one may have the end of a plane and the beginning of the
// next. For sums, a plane's last values are part of a vector that reaches back.
//
// Moments are in float64 throughout, which is right for all values of float32. Included by Kernels.h.

/// Lanes before `skip` become zero.
INLINE floats from_lane(floats a, size_t skip) {
  const ints index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return index >= (int)skip ? a : (floats)0.0f;
}

INLINE void from_lane_wide(lane_sums *a, size_t skip) {
  const wide_ints index = {0, 1, 2, 3, 4, 5, 6, 7};
  a->low = index >= (long)skip ? a->low : (doubles)0.0;
  a->high = index + 8 >= (long)skip ? a->high : (doubles)0.0;
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

/// Lanes before `count` of a, then those of b.
INLINE floats either(size_t count, floats a, floats b) {
  const ints index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return index < (int)count ? a : b;
}

INLINE affine_values either_affine(size_t count, affine_values a, affine_values b) {
  return (affine_values){either(count, a.shift, b.shift), either(count, a.gain, b.gain),
                         either(count, a.offset, b.offset)};
}

INLINE size_t normalize_planes_of(norm_type type, norm_activation activation, norm_residual residual,
                                  const norm_form *form, const char *x, const char *r, char *y, size_t size,
                                  size_t count, const norm_parameters *parameters) {
  const size_t bytes = width(type);
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
    const size_t at = start * size * bytes;
#define RESULT(a, read, ...)                                                                                           \
  finished(activation, residual, leak, normal(a, read(type, x + at + i * bytes __VA_ARGS__)),                          \
           residual != norm_residual_none ? read(type, r + at + i * bytes __VA_ARGS__) : (floats)0.0f)
    size_t i = 0;
    for (size_t plane = 0, end = size; plane < some; plane++, end += size) {
      const affine_values a = affine_of(&p, plane);
      for (; i + lanes <= end; i += lanes) store(type, y + at + i * bytes, RESULT(a, load));
      if (i == end) continue;
      if (plane + 1 < some) {
        const affine_values both = either_affine(end - i, a, affine_of(&p, plane + 1));
        store(type, y + at + i * bytes, RESULT(both, load));
        i += lanes;
      } else {
        store_few(type, y + at + i * bytes, RESULT(a, load_few, , end - i), end - i);
      }
    }
#undef RESULT
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
