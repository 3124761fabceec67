// What planes are normalised with, of many planes at once. Each formula is that of one plane in Swift, FloatAffine and
// FloatSlope, and gives the same bits. Included by Kernels.h.

// Vectors of eight planes. At the end there may be fewer planes than lanes: results in the lanes left over are never stored.
typedef float eight_floats __attribute__((ext_vector_type(8)));
typedef int eight_ints __attribute__((ext_vector_type(8)));
typedef long wide_ints __attribute__((ext_vector_type(8)));
enum { eight = 8 };

INLINE doubles load_doubles(const double *from, size_t count) {
  doubles a = 0;
  if (count >= eight)
    __builtin_memcpy(&a, from, sizeof a);
  else
    for (size_t i = 0; i < count; i++) a[i] = from[i];
  return a;
}

INLINE eight_floats load_eight(const float *from, size_t count) {
  eight_floats a = 0;
  if (count >= eight)
    __builtin_memcpy(&a, from, sizeof a);
  else
    for (size_t i = 0; i < count; i++) a[i] = from[i];
  return a;
}

INLINE void store_eight(float *to, eight_floats a, size_t count) {
  if (count >= eight)
    __builtin_memcpy(to, &a, sizeof a);
  else
    for (size_t i = 0; i < count; i++) to[i] = a[i];
}

/// The values of maps from `map` on, going round; `absent` where there are none. Lanes from
/// `count` on become zero where there are values.
INLINE doubles load_by_map(const float *values, double absent, size_t map, size_t maps, size_t count) {
  if (!values) return absent;
  eight_floats a = 0;
  if (count >= eight && map + eight <= maps)
    __builtin_memcpy(&a, values + map, sizeof a);
  else
    for (size_t i = 0; i < count; i++) {
      a[i] = values[map];
      map = map + 1 == maps ? 0 : map + 1;
    }
  return __builtin_convertvector(a, doubles);
}

INLINE eight_floats narrowed(doubles a) { return __builtin_convertvector(a, eight_floats); }
INLINE doubles widened(eight_floats a) { return __builtin_convertvector(a, doubles); }
INLINE doubles magnitudes(doubles a) { return __builtin_elementwise_abs(a); }

/// Whether magnitudes are far enough from the ends of float32's range for products of two.
INLINE wide_ints are_ordinary(doubles a) { return (a >= 1e-15) & (a <= 1e15); }
/// Whether a product is; the bounds are float32's.
INLINE wide_ints are_products(doubles a) { return (a >= (double)1e-30f) & (a <= (double)1e30f); }

/// How many of the first lanes are not set.
INLINE size_t count_unset(wide_ints mask, size_t count) {
  const wide_ints index = {0, 1, 2, 3, 4, 5, 6, 7};
  return (size_t)__builtin_reduce_add(~mask & (index < (long)count) & 1);
}

// Those that only the plain way does exactly get an offset of NaN; those whose statistics are NaN, as all their results
// are, a gain of NaN, too. Functions return how many the former are. What is said of planes may be the same for all of a
// set, which a loop over them then computes once.

INLINE size_t store_affines(doubles mean, doubles inv_std, doubles scale, doubles bias, size_t count, float *shift,
                            float *gain, float *offset) {
  const eight_floats nan = __builtin_nanf("");
  const doubles exact = scale * inv_std;
  const eight_floats s = narrowed(mean), o = narrowed(bias - (mean - widened(s)) * exact);
  const wide_ints fits = are_ordinary(inv_std) & ((scale == 0) | are_ordinary(magnitudes(exact))) &
                         (magnitudes(widened(o)) <= (double)__FLT_MAX__);
  const wide_ints is_nan = (mean != mean) | (inv_std != inv_std);
  const eight_ints float_fits = __builtin_convertvector(fits, eight_ints);
  const eight_ints float_is_nan = __builtin_convertvector(is_nan, eight_ints);
  store_eight(shift, float_fits ? s : 0, count);
  store_eight(gain, float_fits ? narrowed(exact) : float_is_nan ? nan : 0, count);
  store_eight(offset, float_fits ? o : nan, count);
  return count_unset(fits | is_nan, count);
}

INLINE size_t affines_of(const norm_parameters *p, size_t at, size_t count, float *shift, float *gain, float *offset) {
  size_t missing = 0, map = (p->first + at) % p->maps;
  for (size_t i = 0; i < count; i += eight) {
    const size_t some = least(count - i, eight);
    missing += store_affines(load_doubles(p->mean + at + i, some), load_doubles(p->inv_std + at + i, some),
                             load_by_map(p->scale, 1, map, p->maps, some), load_by_map(p->bias, 0, map, p->maps, some),
                             some, shift + i, gain + i, offset + i);
    map += some;
    if (map >= p->maps) map %= p->maps;
  }
  return missing;
}

/// The parts of slopes that are known before the sums are, of planes with affines.
INLINE void store_slopes(doubles mean, doubles inverse, eight_floats shift, size_t count, float *inv_std,
                         float *centre) {
  store_eight(inv_std, narrowed(inverse), count);
  store_eight(centre, narrowed((widened(shift) - mean) * inverse), count);
}

INLINE void slopes_of(const norm_parameters *p, size_t at, size_t count, const float *shift, float *inv_std,
                      float *centre) {
  for (size_t i = 0; i < count; i += eight) {
    const size_t some = least(count - i, eight);
    store_slopes(load_doubles(p->mean + at + i, some), load_doubles(p->inv_std + at + i, some),
                 load_eight(shift + i, some), some, inv_std + i, centre + i);
  }
}

/// The rest of them, by means over sets; or, where `inverse_size` is not 0 but one divided by how many values a plane has,
/// by sums over each.
INLINE size_t store_rest_of_slopes(doubles inverse, doubles gradient, doubles product, double inverse_size,
                                   eight_floats gain, eight_floats largest, size_t count, float *mean, float *slope,
                                   float *offset) {
  const eight_floats nan = __builtin_nanf("");
  const doubles most = widened(largest), change = widened(__builtin_elementwise_abs(gain) * largest);
  wide_ints fits = (most == 0) | (are_ordinary(most) & ((widened(gain) == 0) | are_products(change)));
  eight_floats m = 0, s, o = 0;
  if (inverse_size > 0) {
    m = narrowed(gradient * inverse_size);
    s = narrowed(-widened(gain) * (product * inverse_size));
    fits &= (magnitudes(gradient) <= __DBL_MAX__) & (magnitudes(product) <= __DBL_MAX__);
  } else {
    s = narrowed(-inverse * product);
    o = narrowed(-inverse * gradient);
    fits &= ((widened(o) == 0) | are_products(magnitudes(widened(o)))) &
            ((widened(s) == 0) | are_products(magnitudes(widened(s))));
  }
  // All is NaN then, whatever the sums are.
  const eight_ints is_nan = gain != gain;
  fits |= __builtin_convertvector(is_nan, wide_ints);
  store_eight(mean, is_nan ? 0 : m, count);
  store_eight(slope, is_nan ? 0 : s, count);
  store_eight(offset, is_nan ? 0 : __builtin_convertvector(fits, eight_ints) ? o : nan, count);
  return count_unset(fits, count);
}

INLINE size_t finish_slopes(const norm_parameters *p, const norm_means *means, size_t at, size_t count,
                            const float *gain, float *mean, float *slope, float *offset) {
  const double inverse_size = means->size > 0 ? 1 / means->size : 0;
  size_t missing = 0;
  for (size_t i = 0; i < count; i += eight) {
    const size_t some = least(count - i, eight);
    missing += store_rest_of_slopes(
        load_doubles(p->inv_std + at + i, some), load_doubles(means->gradient + at + i, some),
        load_doubles(means->product + at + i, some), inverse_size, load_eight(gain + i, some),
        load_eight(means->largest + at + i, some), some, mean + i, slope + i, offset + i);
  }
  return missing;
}

// MARK: - For pictures, whose maps alternate

static size_t PASTE(affines, ISA)(const norm_parameters *parameters, size_t count, float *shift, float *gain,
                                  float *offset) {
  return affines_of(parameters, 0, count, shift, gain, offset);
}

static void PASTE(slopes, ISA)(const norm_parameters *parameters, size_t count, const float *shift, float *inv_std,
                               float *centre) {
  slopes_of(parameters, 0, count, shift, inv_std, centre);
}

static size_t PASTE(finish_slopes, ISA)(const norm_parameters *parameters, const norm_means *means, size_t count,
                                        const float *gain, float *mean, float *slope, float *offset) {
  return finish_slopes(parameters, means, 0, count, gain, mean, slope, offset);
}

static bool PASTE(moments, ISA)(size_t count, double size, const float *shift, const double *sum, const double *square,
                                double *mean, double *variance) {
  const double inverse = 1 / size;
  int far_off = 0;
  for (size_t i = 0; i < count; i++) {
    const double distance = sum[i] * inverse, spread = square[i] * inverse, v = spread - distance * distance;
    far_off |= distance * distance * 25 > spread * 9;
    // NaN although the shift is a number: sums may have left float32's range, which infinity says.
    const int is_lost = (v != v) & (__builtin_fabsf(shift[i]) <= __FLT_MAX__);
    mean[i] = is_lost ? 0 : (double)shift[i] + distance;
    // Rounding may leave a hair below zero. Written so that NaN passes.
    variance[i] = is_lost ? __builtin_inf() : v < 0 ? 0 : v;
  }
  return far_off;
}

static void PASTE(inverses, ISA)(size_t count, double epsilon, const double *variance, double *inv_std) {
  enum { some = lanes / 2 };
  for (size_t i = 0; i < count; i += some) {
    const size_t bytes = least(count - i, some) * sizeof(double);
    doubles v = 0;
    if (count - i >= some)
      __builtin_memcpy(&v, variance + i, sizeof v);
    else
      __builtin_memcpy(&v, variance + i, bytes);
    const doubles spread = v + epsilon;
    const doubles inverse = spread == 0 ? (doubles)0.0 : 1 / __builtin_elementwise_sqrt(spread);
    if (count - i >= some)
      __builtin_memcpy(inv_std + i, &inverse, sizeof inverse);
    else
      __builtin_memcpy(inv_std + i, &inverse, bytes);
  }
}
