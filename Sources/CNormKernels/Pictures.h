// Small pictures whose maps alternate: each from its statistics to its last value before the next, while it is in the
// nearest cache. Planes share moments within the picture, if they do: so many maps that follow each other. What is known
// of each map goes through arrays, `norm_picture_room`. Included by Kernels.h.

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

/// Means and variances of maps of at most norm_few_pixels pixels, in float64 throughout.
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
      const bool is_whole = p * maps + map + lanes <= pixels * maps;
      values[p] = is_whole ? load(type, x + p * stride) : load_few(type, x + p * stride, maps - map);
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

/// Those of sets of maps, whole vectors each.
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
