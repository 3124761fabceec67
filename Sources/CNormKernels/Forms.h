// The formulas on 16 values, sums of vectors, and loops picked by form. Included by Kernels.h.

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

// MARK: - Parameters of values

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

// MARK: - Forward

INLINE floats normal(affine_values a, floats x) { return multiply_add(x - a.shift, a.gain, a.offset); }

INLINE floats finished(norm_activation activation, norm_residual residual, float slope, floats n, floats r) {
  if (residual == norm_residual_before) return activated(activation, slope, n + r);
  if (residual == norm_residual_after) return activated(activation, slope, n) + r;
  return activated(activation, slope, n);
}

// MARK: - Backward

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

// MARK: - Loops by form

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
