// Small pictures whose maps alternate: each from its statistics to its last value before the next, while it is in the
// nearest cache. Planes share moments within the picture, if they do: so many maps that follow each other. Included by
// Kernels.h.

INLINE void fill(double *values, double value, size_t count) {
  size_t i = 0;
  for (; i + eight <= count; i += eight) {
    const doubles a = value;
    __builtin_memcpy(values + i, &a, sizeof a);
  }
  for (; i < count; i++) values[i] = value;
}

/// The first 15 values of each array once more behind the last, going round where they are fewer; not where all vectors
/// begin with whole vectors of maps.
INLINE void wrap_around(const norm_form *form, size_t maps, float *const *arrays, size_t count) {
  if (maps % lanes == 0 && !form->stream) return;
  for (size_t k = 0; k < count; k++)
    for (size_t i = 0; i < lanes - 1; i++) arrays[k][maps + i] = arrays[k][i];
}

INLINE void few_pixel_moments_of(norm_type type, const char *x, size_t pixels, size_t maps, double *mean,
                              double *variance) {
  const size_t stride = maps * width(type);
  const double inverse = 1 / (double)pixels;
  // Then the product with it is the quotient, of which equal values need every bit.
  const bool is_exact = (pixels & (pixels - 1)) == 0;
  for (size_t map = 0; map < maps; map += lanes, x += lanes * width(type)) {
    floats values[norm_few_pixels];
    lane_sums sum = {0}, square = {0};
    for (size_t p = 0; p < pixels; p++) {
      values[p] = map + lanes <= maps ? load(type, x + p * stride) : load_few(type, x + p * stride, maps - map);
      fold(&sum, values[p]);
    }
    sum.low = is_exact ? sum.low * inverse : sum.low / (double)pixels;
    sum.high = is_exact ? sum.high * inverse : sum.high / (double)pixels;
    for (size_t p = 0; p < pixels; p++) {
      const doubles l = low(values[p]) - sum.low, h = high(values[p]) - sum.high;
      add_product(&square, l, h, l, h);
    }
    square.low *= inverse;
    square.high *= inverse;
    if (map + lanes <= maps) {
      __builtin_memcpy(mean + map, &sum, sizeof sum);
      __builtin_memcpy(variance + map, &square, sizeof square);
    } else {
      __builtin_memcpy(mean + map, &sum, (maps - map) * sizeof(double));
      __builtin_memcpy(variance + map, &square, (maps - map) * sizeof(double));
    }
  }
}

static void PASTE(few_pixel_moments, ISA)(norm_type type, const void *x, size_t pixels, size_t maps, double *mean,
                                          double *variance) {
  switch (type) {
  case norm_float32: few_pixel_moments_of(norm_float32, x, pixels, maps, mean, variance); break;
  case norm_float16: few_pixel_moments_of(norm_float16, x, pixels, maps, mean, variance); break;
  case norm_bfloat16: few_pixel_moments_of(norm_bfloat16, x, pixels, maps, mean, variance); break;
  }
}

/// Shifts that were far off the mean become the mean that was found with them.
INLINE void correct_shifts(size_t count, double size, const double *sum, const double *square, float *shift) {
  const double inverse = 1 / size;
  for (size_t i = 0; i < count; i++) {
    const double distance = sum[i] * inverse;
    if (distance * distance * 25 > square[i] * inverse * 9) shift[i] = (float)((double)shift[i] + distance);
  }
}

/// The same of sets of maps, whole vectors each.
INLINE void few_pixel_set_moments(norm_type type, const char *x, size_t pixels, size_t maps, size_t width_of_set,
                                  double *mean, double *variance) {
  const size_t stride = maps * width(type), count = pixels * width_of_set;
  for (size_t first = 0; first < maps; first += width_of_set, mean++, variance++) {
    const char *from = x + first * width(type);
    lane_sums sum = {0}, square = {0};
    for (size_t p = 0; p < pixels; p++)
      for (size_t i = 0; i < width_of_set; i += lanes) fold(&sum, load(type, from + p * stride + i * width(type)));
    *mean = lane_total(&sum) / (double)count;
    for (size_t p = 0; p < pixels; p++)
      for (size_t i = 0; i < width_of_set; i += lanes) {
        const floats a = load(type, from + p * stride + i * width(type));
        const doubles l = low(a) - *mean, h = high(a) - *mean;
        add_product(&square, l, h, l, h);
      }
    *variance = lane_total(&square) / (double)count;
  }
}

/// Means and variances of sets by those of their maps.
INLINE void merge_sets(size_t maps, size_t width, const double *means, const double *variances, double *mean,
                       double *variance) {
  const double inverse = 1 / (double)width;
  for (size_t first = 0; first < maps; first += width, means += width, variances += width, mean++, variance++) {
    const double near = means[0];
    doubles sums = 0;
    double rest = 0;
    size_t i = 0;
    for (; i + eight <= width; i += eight) sums += load_doubles(means + i, eight) - near;
    for (; i < width; i++) rest += means[i] - near;
    const double merged = near + (total(sums) + rest) * inverse;
    sums = rest = i = 0;
    for (; i + eight <= width; i += eight) {
      const doubles distance = load_doubles(means + i, eight) - merged;
      sums += load_doubles(variances + i, eight) + distance * distance;
    }
    for (; i < width; i++) rest += variances[i] + (means[i] - merged) * (means[i] - merged);
    *mean = merged;
    *variance = (total(sums) + rest) * inverse;
  }
}

/// Means and variances of a picture's maps.
INLINE void picture_moments(norm_type type, const norm_pictures *pictures, const char *x, double *mean,
                            double *variance) {
  const norm_picture_room *room = pictures->room;
  const size_t pixels = pictures->pixels, maps = pictures->maps;
  if (pixels <= norm_few_pixels) {
    PASTE(few_pixel_moments, ISA)(type, x, pixels, maps, mean, variance);
    return;
  }
  const size_t bytes = (maps + lanes - 1) / lanes * lanes * sizeof(double);
  PASTE(pixel_shifts, ISA)(type, x, pixels, maps, pictures->samples, room->shift);
  // Once more where shifts were far off the mean.
  for (int i = 0; i < 2; i++) {
    __builtin_memset(room->sum, 0, bytes);
    __builtin_memset(room->product, 0, bytes);
    PASTE(pixel_moments, ISA)(type, x, pixels, maps, maps, pixels * maps, room->shift, room->sum, room->product);
    if (!PASTE(moments, ISA)(maps, (double)pixels, room->shift, room->sum, room->product, mean, variance)) break;
    correct_shifts(maps, (double)pixels, room->sum, room->product, room->shift);
  }
}

/// Mean and 1 / sqrt(variance + epsilon) of a picture's maps, or of the sets that these are of.
INLINE void picture_statistics(norm_type type, const norm_pictures *pictures, const char *x, double epsilon,
                               double *mean, double *inv_std) {
  const size_t pixels = pictures->pixels, maps = pictures->maps, set = pictures->width, sets = maps / set;
  if (set == 1) {
    picture_moments(type, pictures, x, mean, inv_std);
    PASTE(inverses, ISA)(maps, epsilon, inv_std, inv_std);
    return;
  }
  double *means = pictures->room->sum, *inverses = pictures->room->product;
  if (pixels <= norm_few_pixels && set % lanes == 0) {
    switch (type) {
    case norm_float32: few_pixel_set_moments(norm_float32, x, pixels, maps, set, means, inverses); break;
    case norm_float16: few_pixel_set_moments(norm_float16, x, pixels, maps, set, means, inverses); break;
    case norm_bfloat16: few_pixel_set_moments(norm_bfloat16, x, pixels, maps, set, means, inverses); break;
    }
  } else {
    picture_moments(type, pictures, x, mean, inv_std);
    merge_sets(maps, set, mean, inv_std, means, inverses);
  }
  PASTE(inverses, ISA)(sets, epsilon, inverses, inverses);
  for (size_t i = 0; i < sets; i++) {
    fill(mean + i * set, means[i], set);
    fill(inv_std + i * set, inverses[i], set);
  }
}

/// As affines_of has them; in sets that are worth it, what is the same for all planes once.
INLINE size_t picture_affines(const norm_pictures *pictures, const norm_parameters *p) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, set = pictures->width;
  if (set < eight) return affines_of(p, 0, maps, room->centre, room->gain, room->offset);
  size_t missing = 0;
  for (size_t first = 0; first < maps; first += set) {
    const doubles mean = p->mean[first], inv_std = p->inv_std[first];
    for (size_t map = first; map < first + set; map += eight) {
      const size_t some = least(first + set - map, eight);
      missing += store_affines(mean, inv_std, load_by_map(p->scale, 1, map, maps, some),
                               load_by_map(p->bias, 0, map, maps, some), some, room->centre + map, room->gain + map,
                               room->offset + map);
    }
  }
  return missing;
}

/// The slopes by sums over planes that are in the room, in place of slopes_of and finish_slopes.
INLINE size_t picture_slopes(const norm_pictures *pictures, const norm_parameters *p) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, set = pictures->width, pixels = pictures->pixels;
  if (set == 1) {
    const norm_means sums = {room->sum, room->product, room->largest, (double)pixels};
    return finish_slopes(p, &sums, 0, maps, room->gain, room->slope_mean, room->slope, room->slope_offset);
  }
  const double inverse = 1 / (double)(set * pixels);
  size_t missing = 0;
  for (size_t first = 0; first < maps; first += set) {
    // Means over the set of (scale dn) and of (scale dn) xhat.
    doubles gradients = 0, products = 0;
    for (size_t i = 0; i < set; i += eight) {
      const size_t some = least(set - i, eight), map = first + i;
      const doubles factor = load_by_map(p->scale, 1, map, maps, some);
      gradients += load_doubles(room->sum + map, some) * factor;
      products += load_doubles(room->product + map, some) * factor;
    }
    const doubles gradient = total(gradients) * inverse, product = total(products) * inverse;
    const doubles inv_std = p->inv_std[first];
    for (size_t i = 0; i < set; i += eight) {
      const size_t some = least(set - i, eight), map = first + i;
      missing += store_rest_of_slopes(inv_std, gradient, product, 0, load_eight(room->gain + map, some),
                                      load_eight(room->largest + map, some), some, room->slope_mean + map,
                                      room->slope + map, room->slope_offset + map);
    }
  }
  return missing;
}

INLINE norm_parameters picture_parameters(const norm_pictures *p, size_t image, const double *mean,
                                          const double *inv_std) {
  const size_t first = image * p->step;
  return (norm_parameters){mean, inv_std, p->scale ? p->scale + first : 0, p->bias ? p->bias + first : 0, 0, p->maps};
}

/// Normalises a picture by its planes' statistics, unless some plane would not come out exactly.
INLINE bool normalize_picture(const norm_form *form, const norm_pictures *pictures, const norm_parameters *parameters,
                              const char *x, const char *residual, char *y) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps;
  if (picture_affines(pictures, parameters)) return false;
  if (!y) return true;
  float *const arrays[] = {room->centre, room->gain, room->offset};
  wrap_around(form, maps, arrays, sizeof arrays / sizeof *arrays);
  const norm_affine affine = {room->centre, room->gain, room->offset};
  PASTE(normalize, ISA)(form, x, residual, y, pictures->pixels * maps, maps, 0, &affine, 0);
  return true;
}

/// What is true of all scales and biases.
typedef struct parameter_range {
  /// The least magnitude of a scale but 0, and the largest; the largest of a bias.
  double least, most, bias;
} parameter_range;

INLINE parameter_range range_of(const norm_pictures *pictures) {
  parameter_range range = {__builtin_inf(), 0, 0};
  for (size_t i = 0; i < pictures->maps; i++) {
    const double scale = pictures->scale ? __builtin_fabs((double)pictures->scale[i]) : 1;
    const double bias = pictures->bias ? __builtin_fabs((double)pictures->bias[i]) : 0;
    // Written so that NaN stays.
    if (scale != 0 && !(scale >= range.least)) range.least = scale;
    if (!(scale <= range.most)) range.most = scale;
    if (!(bias <= range.bias)) range.bias = bias;
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

static size_t PASTE(normalize_pictures, ISA)(const norm_form *form, const norm_pictures *pictures, const void *x,
                                             const void *residual, void *y, size_t count, double epsilon, double *mean,
                                             double *inv_std) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, values = pictures->pixels * maps;
  if (pictures->pixels <= norm_few_pixels && pictures->width % lanes == 0 && pictures->step == 0 && !form->stream) {
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

/// The gradient of a picture, unless some plane would not come out exactly.
INLINE bool picture_gradient(const norm_form *form, const norm_pictures *pictures, const norm_parameters *parameters,
                             const char *dy, const char *x, const char *residual, char *dx, char *dr, double *sum,
                             double *product) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, values = pictures->pixels * maps;
  const size_t padded = (maps + lanes - 1) / lanes * lanes;
  float *const arrays[] = {room->centre,       room->gain,       room->offset, room->slope_inv_std,
                           room->slope_centre, room->slope_mean, room->slope,  room->slope_offset};
  const norm_affine affine = {room->centre, room->gain, room->offset};
  const norm_slope slope = {room->slope_inv_std, room->slope_centre, room->slope_mean, room->slope, room->slope_offset};
  if (picture_affines(pictures, parameters)) return false;
  slopes_of(parameters, 0, maps, room->centre, room->slope_inv_std, room->slope_centre);

  __builtin_memset(room->sum, 0, padded * sizeof(double));
  __builtin_memset(room->product, 0, padded * sizeof(double));
  __builtin_memset(room->largest, 0, padded * sizeof(float));
  PASTE(pixel_gradient_sums, ISA)(form, dy, x, residual, pictures->pixels, maps, values, &affine, &slope, room->sum,
                                  room->product, room->largest);
  if (picture_slopes(pictures, parameters)) return false;
  __builtin_memcpy(sum, room->sum, maps * sizeof(double));
  __builtin_memcpy(product, room->product, maps * sizeof(double));
  if (!dx) return true;
  wrap_around(form, maps, arrays, sizeof arrays / sizeof *arrays);
  PASTE(gradient, ISA)(form, dy, x, residual, dx, dr, values, maps, 0, &affine, &slope);
  return true;
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

static size_t PASTE(pictures_gradient, ISA)(const norm_form *form, const norm_pictures *pictures, const void *dy,
                                            const void *x, const void *residual, void *dx, void *dr, size_t count,
                                            const double *mean, const double *inv_std, double *sum, double *product) {
  const size_t maps = pictures->maps, bytes = pictures->pixels * maps * width(form->type);
  const bool are_few =
      pictures->pixels <= norm_few_pixels && pictures->width % lanes == 0 && pictures->step == 0 && !form->stream;
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
