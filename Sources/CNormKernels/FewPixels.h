// Pictures of few pixels whose sets are whole vectors of maps, sixteen maps of all pixels at a time: what these are
// normalised with stays in registers, once it is certain that every plane comes out exactly. Others go the way of
// Pictures.h, to the same bits; and the two entries to both. Included by Kernels.h.

/// What is true of all scales and biases.
typedef struct parameter_range {
  /// The least magnitude of a scale but 0, and the largest; the largest of a bias.
  double least, most, bias;
} parameter_range;

INLINE parameter_range range_of(const norm_pictures *pictures) {
  parameter_range range = {__builtin_inf(), 0, 0};
  for (size_t i = 0; i < pictures->maps; i++) {
    double scale = pictures->scale ? __builtin_fabs((double)pictures->scale[i]) : 1;
    double bias = pictures->bias ? __builtin_fabs((double)pictures->bias[i]) : 0;
    // What is no number is beyond every bound, and stays so whatever follows.
    if (scale != scale) scale = __builtin_inf();
    if (bias != bias) bias = __builtin_inf();
    if (scale != 0 && scale < range.least) range.least = scale;
    if (scale > range.most) range.most = scale;
    if (bias > range.bias) range.bias = bias;
  }
  return range;
}

/// Whether all affines of these statistics are exact.
INLINE bool is_safe(parameter_range range, double mean, double inv_std) {
  const double lost = __builtin_fabs(mean - (double)(float)mean), most = range.most * inv_std;
  return inv_std >= 1e-15 && inv_std <= 1e15 && range.least * inv_std >= 1e-15 && most <= 1e15 &&
         range.bias + lost * most < (double)__FLT_MAX__;
}

/// The affines of sixteen maps of a set, as store_affines makes them.
INLINE affine_values affine_of_set(const norm_pictures *pictures, size_t map, double mean, double inv_std) {
  const double lost = mean - (double)(float)mean;
  affine_values a = {(float)mean, 0, 0};
#define HALF(half, from)                                                                                               \
  {                                                                                                                    \
    const doubles exact = load_by_map(pictures->scale, 1, from, pictures->maps, eight) * inv_std;                      \
    a.gain.half = narrowed(exact);                                                                                     \
    a.offset.half = narrowed(load_by_map(pictures->bias, 0, from, pictures->maps, eight) - lost * exact);              \
  }
  HALF(lo, map)
  HALF(hi, map + eight)
#undef HALF
  return a;
}

/// A picture of few pixels by its sets' statistics, sixteen maps of all pixels at a time: what these are normalised with
/// need not go through memory.
INLINE void normalize_few_pixels(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                 const norm_pictures *pictures, const double *mean, const double *inv_std,
                                 const char *x, const char *r, char *y) {
  const size_t maps = pictures->maps, set = pictures->width, bytes = width(type);
  for (size_t first = 0; first < maps; first += set, mean++, inv_std++) {
    for (size_t map = first; map < first + set; map += lanes) {
      const affine_values a = affine_of_set(pictures, map, *mean, *inv_std);
      for (size_t p = 0; p < pictures->pixels; p++) {
        const size_t at = (p * maps + map) * bytes;
        store(type, y + at,
              finished(activation, residual, leak, normal(a, load(type, x + at)),
                       residual != norm_residual_none ? load(type, r + at) : (floats)0.0f));
      }
    }
  }
}

/// Pictures of few pixels whose sets are whole vectors of maps; some at a time, so that one root is not waited for after
/// the other.
INLINE size_t normalize_few_pixel_pictures(norm_type type, const norm_form *form, const norm_pictures *pictures,
                                           const char *x, const char *residual, char *y, size_t count, double epsilon,
                                           double *mean, double *inv_std) {
  enum { most_at_once = 8 };
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, set = pictures->width, sets = maps / set;
  const size_t bytes = pictures->pixels * maps * width(type);
  const parameter_range range = range_of(pictures);
  for (size_t start = 0, some; start < count; start += some) {
    some = least(count - start, least(set, most_at_once));
    for (size_t i = 0; i < some; i++)
      few_pixel_set_moments(type, x + (start + i) * bytes, pictures->pixels, maps, set, room->sum + i * sets,
                            room->product + i * sets);
    PASTE(inverses, ISA)(some * sets, epsilon, room->product, room->product);
    for (size_t i = 0; i < some; i++) {
      const size_t image = start + i, at = image * bytes;
      const double *means = room->sum + i * sets, *inverses = room->product + i * sets;
      bool all = true;
      for (size_t k = 0; k < sets; k++) {
        if (mean) fill(mean + image * maps + k * set, means[k], set);
        if (inv_std) fill(inv_std + image * maps + k * set, inverses[k], set);
        all &= is_safe(range, means[k], inverses[k]);
      }
      const char *r = residual ? residual + at : 0;
      if (all && y) {
#define CALL(type, activation, place)                                                                                  \
  normalize_few_pixels(type, activation, place, form->slope, pictures, means, inverses, x + at, r, y + at)
        WITH_FORM(CALL, form, type)
#undef CALL
      } else if (!all) {
        for (size_t k = 0; k < sets; k++) {
          fill(room->mean + k * set, means[k], set);
          fill(room->inv_std + k * set, inverses[k], set);
        }
        const norm_parameters parameters = picture_parameters(pictures, image, room->mean, room->inv_std);
        if (!normalize_picture(form, pictures, &parameters, x + at, r, y ? y + at : 0)) return image;
      }
    }
  }
  return count;
}

/// The gradient of a picture of few pixels whose sets are whole vectors of maps, as normalize_few_pixels goes over it;
/// false, and dx is as it was, where some plane might not come out exactly.
INLINE bool few_pixels_gradient(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                const norm_pictures *pictures, parameter_range range, const double *mean,
                                const double *inv_std, const char *dy, const char *x, const char *r, char *dx, char *dr,
                                double *sum, double *product) {
  const size_t maps = pictures->maps, set = pictures->width, pixels = pictures->pixels, bytes = width(type);
  const bool reads_residual = NEEDS_RESIDUAL(activation, residual);
  const double inverse = 1 / (double)(set * pixels);
  float *slopes = pictures->room->slope, *offsets = pictures->room->slope_offset;
#define PAIR(p)                                                                                                        \
  gradient_pair(activation, residual, leak, a, s, load(type, dy + ((p) * maps + map) * bytes),                         \
                load(type, x + ((p) * maps + map) * bytes),                                                            \
                reads_residual ? load(type, r + ((p) * maps + map) * bytes) : (floats)0.0f)
  for (size_t first = 0, k = 0; first < maps; first += set, k++) {
    const double m = mean[first], i = inv_std[first];
    if (!is_safe(range, m, i)) return false;
    slope_values s = {(float)i, (float)(((double)(float)m - m) * i), 0, 0, 0};
    floats largest = 0, least_of = __builtin_inff();
    doubles gradients = 0, products = 0;
    for (size_t map = first; map < first + set; map += lanes) {
      const affine_values a = affine_of_set(pictures, map, m, i);
      // In the order of column_gradient_sums.
      block_sums b = {0};
      size_t p = 0;
      for (; p + 2 <= pixels; p += 2) {
        const pair even = PAIR(p), odd = PAIR(p + 1);
        b.sum += even.dn + odd.dn;
        b.product0 = multiply_add(even.dn, even.xhat, b.product0);
        b.product1 = multiply_add(odd.dn, odd.xhat, b.product1);
        b.largest = larger(magnitude(even.dn), b.largest);
        b.largest = larger(magnitude(odd.dn), b.largest);
      }
      if (p < pixels) add_pair(&b, false, PAIR(p));
      const floats of_products = b.product0 + b.product1;
      largest = larger(b.largest, largest);
      const floats some = b.largest > 0.0f ? b.largest : (floats)__builtin_inff();
      least_of = some < least_of ? some : least_of;
      const doubles low_factor = load_by_map(pictures->scale, 1, map, maps, eight);
      const doubles high_factor = load_by_map(pictures->scale, 1, map + eight, maps, eight);
      const lane_sums both = {low(b.sum), high(b.sum)}, in_products = {low(of_products), high(of_products)};
      __builtin_memcpy(sum + map, &both, sizeof both);
      __builtin_memcpy(product + map, &in_products, sizeof in_products);
      gradients += both.low * low_factor;
      gradients += both.high * high_factor;
      products += in_products.low * low_factor;
      products += in_products.high * high_factor;
    }
    const double gradient = total(gradients) * inverse, of_product = total(products) * inverse;
    slopes[k] = (float)(-i * of_product);
    offsets[k] = (float)(-i * gradient);
    // As store_rest_of_slopes asks of each map, of all.
    const double most = (double)largest_of(largest), fewest = -(double)largest_of(-least_of);
    const double slope = __builtin_fabs((double)slopes[k]), offset = __builtin_fabs((double)offsets[k]);
    const bool fits = most <= 1e15 && fewest >= 1e-15 && range.most * i * most <= 0.99e30 &&
                      range.least * i * fewest >= 1.01e-30 && (slope == 0 || (slope >= 1.01e-30 && slope <= 0.99e30)) &&
                      (offset == 0 || (offset >= 1.01e-30 && offset <= 0.99e30));
    if (!fits) return false;
  }
  if (!dx) return true;
  for (size_t first = 0, k = 0; first < maps; first += set, k++) {
    const double m = mean[first], i = inv_std[first];
    const slope_values s = {(float)i, (float)(((double)(float)m - m) * i), 0, slopes[k], offsets[k]};
    for (size_t map = first; map < first + set; map += lanes) {
      const affine_values a = affine_of_set(pictures, map, m, i);
      for (size_t p = 0; p < pixels; p++) {
        const size_t at = (p * maps + map) * bytes;
        const pair v = PAIR(p);
        if (dr) store(type, dr + at, v.dn);
        store(type, dx + at, input_gradient(a, s, v));
      }
    }
  }
#undef PAIR
  return true;
}

// MARK: - Pictures of any kind

/// Whether the ways of this file are open to pictures.
INLINE bool have_few_pixels(const norm_form *form, const norm_pictures *pictures) {
  return pictures->pixels <= norm_few_pixels && pictures->width % lanes == 0 && pictures->step == 0 && !form->stream;
}

static size_t PASTE(normalize_pictures, ISA)(const norm_form *form, const norm_pictures *pictures, const void *x,
                                             const void *residual, void *y, size_t count, double epsilon, double *mean,
                                             double *inv_std) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, values = pictures->pixels * maps;
  if (have_few_pixels(form, pictures)) {
    size_t done = 0;
#define CALL(type)                                                                                                     \
  done = normalize_few_pixel_pictures(type, form, pictures, x, residual, y, count, epsilon, mean, inv_std)
    WITH_TYPE(CALL, form)
#undef CALL
    return done;
  }
  for (size_t image = 0; image < count; image++) {
    const size_t at = image * values * width(form->type), first = image * maps;
    double *means = mean ? mean + first : room->mean, *inverses = inv_std ? inv_std + first : room->inv_std;
    picture_statistics(form->type, pictures, (const char *)x + at, epsilon, means, inverses);
    const norm_parameters parameters = picture_parameters(pictures, image, means, inverses);
    if (!normalize_picture(form, pictures, &parameters, (const char *)x + at, residual ? (const char *)residual + at : 0,
                           y ? (char *)y + at : 0))
      return image;
  }
  return count;
}

static size_t PASTE(pictures_gradient, ISA)(const norm_form *form, const norm_pictures *pictures, const void *dy,
                                            const void *x, const void *residual, void *dx, void *dr, size_t count,
                                            const double *mean, const double *inv_std, double *sum, double *product) {
  const size_t maps = pictures->maps, bytes = pictures->pixels * maps * width(form->type);
  const bool are_few = have_few_pixels(form, pictures);
  parameter_range range = {0};
  if (are_few) range = range_of(pictures);
  for (size_t image = 0; image < count; image++) {
    const size_t at = image * bytes, first = image * maps;
    const char *dys = (const char *)dy + at, *xs = (const char *)x + at, *r = residual ? (const char *)residual + at : 0;
    char *dxs = dx ? (char *)dx + at : 0, *drs = dr ? (char *)dr + at : 0;
    if (are_few) {
      bool done = false;
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  done = few_pixels_gradient(type, activation, place, form->slope, pictures, range, mean + first, inv_std + first, dys, \
                             xs, r, dxs, drs, sum + first, product + first)
      WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
      if (done) continue;
    }
    const norm_parameters parameters = picture_parameters(pictures, image, mean + first, inv_std + first);
    if (!picture_gradient(form, pictures, &parameters, dys, xs, r, dxs, drs, sum + first, product + first)) return image;
  }
  return count;
}
