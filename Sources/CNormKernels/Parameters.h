// What planes are normalised with, of many planes at once. Each formula is that of one plane in Swift, FloatAffine and
// FloatSlope, and gives the same bits. Included by Kernels.h.

/// Whether a magnitude is far enough from the ends of float32's range for products of two.
INLINE int is_ordinary(double a) { return (a >= 1e-15) & (a <= 1e15); }
INLINE int is_product(float a) { return (a >= 1e-30f) & (a <= 1e30f); }

/// Of a map; 1 and 0 where there is none.
INLINE double scale_at(const norm_parameters *p, size_t map) { return p->scale ? p->scale[map] : 1; }
INLINE double bias_at(const norm_parameters *p, size_t map) { return p->bias ? p->bias[map] : 0; }

/// Where the maps of planes from `at` on go round: how many planes there are up to that, at most `count`.
INLINE size_t maps_in_a_row(const norm_parameters *p, size_t at, size_t count, size_t *map) {
  *map = (p->first + at) % p->maps;
  return least(count, p->maps - *map);
}

/// The affines of some planes. Those that only the plain way does exactly get an offset of NaN; those whose statistics are
/// NaN, as all their results are, a gain of NaN, too.
///
/// Returns how many the former are.
INLINE size_t affines_of(const norm_parameters *p, size_t at, size_t count, float *shift, float *gain, float *offset) {
  size_t missing = 0;
  for (size_t done = 0; done < count;) {
    size_t map;
    const size_t row = maps_in_a_row(p, at + done, count - done, &map);
    for (size_t i = 0; i < row; i++) {
      const double mean = p->mean[at + done + i], inv_std = p->inv_std[at + done + i];
      const double scale = scale_at(p, map + i), exact = scale * inv_std;
      const float s = (float)mean, o = (float)(bias_at(p, map + i) - (mean - (double)s) * exact);
      const int fits = is_ordinary(inv_std) & ((scale == 0) | is_ordinary(__builtin_fabs(exact))) &
                       (__builtin_fabsf(o) <= __FLT_MAX__);
      const int is_nan = (mean != mean) | (inv_std != inv_std);
      shift[done + i] = fits ? s : 0;
      gain[done + i] = fits ? (float)exact : is_nan ? __builtin_nanf("") : 0;
      offset[done + i] = fits ? o : __builtin_nanf("");
      missing += !(fits | is_nan);
    }
    done += row;
  }
  return missing;
}

/// The parts of slopes that are known before the sums are, of planes with affines.
INLINE void slopes_of(const norm_parameters *p, size_t at, size_t count, const float *shift, float *inv_std,
                      float *centre) {
  for (size_t i = 0; i < count; i++) {
    inv_std[i] = (float)p->inv_std[at + i];
    centre[i] = (float)(((double)shift[i] - p->mean[at + i]) * p->inv_std[at + i]);
  }
}

/// The rest of them. Those that only the plain way does exactly get an offset of NaN.
///
/// Returns how many these are.
INLINE size_t finish_slopes(const norm_parameters *p, const norm_means *means, size_t at, size_t count,
                            const float *gain, float *mean, float *slope, float *offset) {
  size_t missing = 0;
  for (size_t i = 0; i < count; i++) {
    const double first = means->gradient[at + i], second = means->product[at + i];
    const float largest = means->largest[at + i];
    int fits = (largest == 0) | (is_ordinary(largest) & ((gain[i] == 0) | is_product(__builtin_fabsf(gain[i]) * largest)));
    float m, s, o;
    if (gain[i] != gain[i]) {
      m = s = o = 0;
      fits = 1;
    } else if (means->size > 0) {
      m = (float)(first / means->size);
      s = (float)(-(double)gain[i] * (second / means->size));
      o = 0;
      fits &= (__builtin_fabs(first) <= __DBL_MAX__) & (__builtin_fabs(second) <= __DBL_MAX__);
    } else {
      m = 0;
      s = (float)(-p->inv_std[at + i] * second);
      o = (float)(-p->inv_std[at + i] * first);
      fits &= ((o == 0) | is_product(__builtin_fabsf(o))) & ((s == 0) | is_product(__builtin_fabsf(s)));
    }
    mean[i] = m;
    slope[i] = s;
    offset[i] = fits ? o : __builtin_nanf("");
    missing += !fits;
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
