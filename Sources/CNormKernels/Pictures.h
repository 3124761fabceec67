// Small pictures whose maps alternate: each from its statistics to its last value before the next, while it is in the
// nearest cache. Planes share moments within the picture, if they do: so many maps that follow each other. Included by
// Kernels.h.

/// The sum of some values, eight of which go on at a time.
INLINE double sum_of(const double *values, size_t count) {
  doubles sums = 0;
  size_t i = 0;
  for (; i + eight <= count; i += eight) sums += load_doubles(values + i, eight);
  double sum = total(sums);
  for (; i < count; i++) sum += values[i];
  return sum;
}

INLINE void fill(double *values, double value, size_t count) {
  size_t i = 0;
  for (; i + eight <= count; i += eight) {
    const doubles a = value;
    __builtin_memcpy(values + i, &a, sizeof a);
  }
  for (; i < count; i++) values[i] = value;
}

/// The first 15 values once more behind the last, going round where they are fewer; not where all vectors begin with whole
/// vectors of maps.
INLINE void wrap_around(const norm_form *form, float *values, size_t maps) {
  if (maps % lanes == 0 && !form->stream) return;
  for (size_t i = 0; i < lanes - 1; i++) values[maps + i] = values[i];
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
    const size_t some = least(maps - map, lanes) * sizeof(double);
    __builtin_memcpy(mean + map, &sum, some);
    __builtin_memcpy(variance + map, &square, some);
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

/// Means and variances of maps become mean and 1 / sqrt(variance + epsilon) of the sets that they are of. `room` is for
/// as many values.
INLINE void merge_sets(size_t maps, size_t width, double epsilon, double *mean, double *variance, double *room) {
  const double inverse = 1 / (double)width;
  const size_t sets = maps / width;
  for (size_t set = 0; set < sets; set++) {
    const double *means = mean + set * width, *variances = variance + set * width;
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
    fill(mean + set * width, merged, width);
    room[set] = (total(sums) + rest) * inverse;
  }
  PASTE(inverses, ISA)(sets, epsilon, room, room);
  for (size_t set = 0; set < sets; set++) fill(variance + set * width, room[set], width);
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

/// Mean and 1 / sqrt(variance + epsilon) of the sets that a picture's maps are of.
INLINE void picture_statistics(norm_type type, const norm_pictures *pictures, const char *x, double epsilon,
                               double *mean, double *inv_std) {
  picture_moments(type, pictures, x, mean, inv_std);
  if (pictures->width > 1)
    merge_sets(pictures->maps, pictures->width, epsilon, mean, inv_std, pictures->room->sum);
  else
    PASTE(inverses, ISA)(pictures->maps, epsilon, inv_std, inv_std);
}

INLINE norm_parameters picture_parameters(const norm_pictures *p, size_t image, const double *mean,
                                          const double *inv_std) {
  const size_t first = image * p->step;
  return (norm_parameters){mean, inv_std, p->scale ? p->scale + first : 0, p->bias ? p->bias + first : 0, 0, p->maps};
}

static size_t PASTE(normalize_pictures, ISA)(const norm_form *form, const norm_pictures *pictures, const void *x,
                                             const void *residual, void *y, size_t count, double epsilon, double *mean,
                                             double *inv_std) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, values = pictures->pixels * maps;
  for (size_t image = 0; image < count; image++) {
    const size_t at = image * values * width(form->type), first = image * maps;
    double *means = mean ? mean + first : room->mean, *inverses = inv_std ? inv_std + first : room->inv_std;
    picture_statistics(form->type, pictures, (const char *)x + at, epsilon, means, inverses);
    const norm_parameters parameters = picture_parameters(pictures, image, means, inverses);
    if (affines_of(&parameters, 0, maps, room->centre, room->gain, room->offset)) return image;
    if (!y) continue;
    wrap_around(form, room->centre, maps);
    wrap_around(form, room->gain, maps);
    wrap_around(form, room->offset, maps);
    const norm_affine affine = {room->centre, room->gain, room->offset};
    PASTE(normalize, ISA)(form, (const char *)x + at, residual ? (const char *)residual + at : 0, (char *)y + at, values,
                          maps, 0, &affine, 0);
  }
  return count;
}

/// What is to be taken off, by map: means over each set of (scale dn) and of (scale dn) xhat.
INLINE void set_means(const norm_pictures *pictures, const float *scale, const double *sum, const double *product,
                      double *gradient_mean, double *product_mean) {
  const size_t maps = pictures->maps, set = pictures->width;
  const double inverse = 1 / (double)(set * pictures->pixels);
  for (size_t i = 0; i < maps; i += eight) {
    const size_t some = least(maps - i, eight);
    const doubles factor = load_by_map(scale, 1, i, maps, some);
    const doubles g = load_doubles(sum + i, some) * factor, p = load_doubles(product + i, some) * factor;
    // As long as whole vectors.
    __builtin_memcpy(gradient_mean + i, &g, sizeof g);
    __builtin_memcpy(product_mean + i, &p, sizeof p);
  }
  for (size_t first = 0; first < maps; first += set) {
    fill(gradient_mean + first, sum_of(gradient_mean + first, set) * inverse, set);
    fill(product_mean + first, sum_of(product_mean + first, set) * inverse, set);
  }
}

static size_t PASTE(pictures_gradient, ISA)(const norm_form *form, const norm_pictures *pictures, const void *dy,
                                            const void *x, const void *residual, void *dx, void *dr, size_t count,
                                            const double *mean, const double *inv_std, double *sum, double *product) {
  const norm_picture_room *room = pictures->room;
  const size_t maps = pictures->maps, pixels = pictures->pixels, values = pixels * maps;
  const size_t padded = (maps + lanes - 1) / lanes * lanes;
  const norm_affine affine = {room->centre, room->gain, room->offset};
  const norm_slope slope = {room->slope_inv_std, room->slope_centre, room->slope_mean, room->slope, room->slope_offset};
  for (size_t image = 0; image < count; image++) {
    const size_t at = image * values * width(form->type), first = image * maps;
    const norm_parameters parameters = picture_parameters(pictures, image, mean + first, inv_std + first);
    if (affines_of(&parameters, 0, maps, room->centre, room->gain, room->offset)) return image;
    slopes_of(&parameters, 0, maps, room->centre, room->slope_inv_std, room->slope_centre);

    __builtin_memset(room->sum, 0, padded * sizeof(double));
    __builtin_memset(room->product, 0, padded * sizeof(double));
    __builtin_memset(room->largest, 0, padded * sizeof(float));
    PASTE(pixel_gradient_sums, ISA)(form, (const char *)dy + at, (const char *)x + at,
                                    residual ? (const char *)residual + at : 0, pixels, maps, values, &affine, &slope,
                                    room->sum, room->product, room->largest);
    norm_means means = {room->sum, room->product, room->largest, (double)pixels};
    if (pictures->width > 1) {
      set_means(pictures, parameters.scale, room->sum, room->product, room->mean, room->inv_std);
      means = (norm_means){room->mean, room->inv_std, room->largest, 0};
    }
    if (finish_slopes(&parameters, &means, 0, maps, room->gain, room->slope_mean, room->slope, room->slope_offset))
      return image;
    __builtin_memcpy(sum + first, room->sum, maps * sizeof(double));
    __builtin_memcpy(product + first, room->product, maps * sizeof(double));
    if (!dx) continue;
    float *const arrays[] = {room->centre,       room->gain,       room->offset, room->slope_inv_std,
                             room->slope_centre, room->slope_mean, room->slope,  room->slope_offset};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) wrap_around(form, arrays[i], maps);
    PASTE(gradient, ISA)(form, (const char *)dy + at, (const char *)x + at, residual ? (const char *)residual + at : 0,
                         (char *)dx + at, dr ? (char *)dr + at : 0, values, maps, 0, &affine, &slope);
  }
  return count;
}
