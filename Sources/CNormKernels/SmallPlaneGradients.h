// Gradients of many small planes, as SmallPlanes.h has them. Included by Kernels.h.

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

INLINE slope_values either_slope(size_t count, slope_values a, slope_values b) {
  return (slope_values){either(count, a.inv_std, b.inv_std), either(count, a.centre, b.centre),
                        either(count, a.mean, b.mean), either(count, a.slope, b.slope),
                        either(count, a.offset, b.offset)};
}

INLINE size_t planes_gradient_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                 const char *dy, const char *x, const char *r, char *dx, char *dr, size_t size,
                                 size_t count, const norm_parameters *parameters, const norm_means *means) {
  const size_t bytes = width(type);
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
    const size_t at = start * size * bytes;
#define STEP(a, s, read, write, ...)                                                                                   \
  {                                                                                                                    \
    const pair v = gradient_pair(activation, residual, leak, a, s, read(type, dy + at + i * bytes __VA_ARGS__),        \
                                 read(type, x + at + i * bytes __VA_ARGS__),                                           \
                                 reads_residual ? read(type, r + at + i * bytes __VA_ARGS__) : (floats)0.0f);          \
    const floats result = input_gradient(a, s, v);                                                                     \
    if (dr) write(type, dr + at + i * bytes, v.dn __VA_ARGS__);                                                        \
    write(type, dx + at + i * bytes, result __VA_ARGS__);                                                              \
  }
    size_t i = 0;
    for (size_t plane = 0, end = size; plane < some; plane++, end += size) {
      const affine_values a = affine_of(&p, plane);
      const slope_values s = slope_of(&p, plane);
      for (; i + lanes <= end; i += lanes) STEP(a, s, load, store)
      if (i == end) continue;
      if (plane + 1 < some) {
        const affine_values both = either_affine(end - i, a, affine_of(&p, plane + 1));
        const slope_values slopes = either_slope(end - i, s, slope_of(&p, plane + 1));
        STEP(both, slopes, load, store)
        i += lanes;
      } else {
        STEP(a, s, load_few, store_few, , end - i)
      }
    }
#undef STEP
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
