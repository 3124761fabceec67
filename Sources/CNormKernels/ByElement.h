// Loops over values that share their statistics and have a scale and a bias each: xhat = (x - shift) inv_std + centre,
// n = xhat scale + bias. Included by Kernels.h.

/// The parameters of 16 values, or of the `few` that are left.
typedef struct element_values {
  floats scale, bias;
} element_values;

INLINE element_values elements_at(const norm_elements *e, size_t i, size_t few) {
  element_values v = {1, 0};
  if (e->scale) v.scale = few ? load_few(norm_float32, e->scale + i, few) : load(norm_float32, e->scale + i);
  if (e->bias) v.bias = few ? load_few(norm_float32, e->bias + i, few) : load(norm_float32, e->bias + i);
  return v;
}

INLINE floats element_xhat(const norm_elements *e, floats x) {
  return multiply_add(x - e->shift, (floats)e->inv_std, (floats)e->centre);
}

/// `count` values at `from`, 16 of them where `few` is 0.
INLINE floats read_some(norm_type type, const char *from, size_t i, size_t few) {
  const char *at = from + i * width(type);
  return few ? load_few(type, at, few) : load(type, at);
}

INLINE void write_some(norm_type type, char *to, size_t i, size_t few, floats a) {
  char *at = to + i * width(type);
  if (few)
    store_few(type, at, a, few);
  else
    store(type, at, a);
}

// Does `step(i, few)` for all values: whole vectors, then the few that are left.
#define FOR_ELEMENTS(step)                                                                                             \
  size_t i = 0;                                                                                                        \
  for (; i + lanes <= count; i += lanes) step(i, 0);                                                                   \
  if (i < count) step(i, count - i);

INLINE void normalize_elements_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                  const char *x, const char *r, char *y, size_t count, const norm_elements *elements) {
  const norm_elements e = *elements;
#define STEP(i, few)                                                                                                   \
  {                                                                                                                    \
    const element_values v = elements_at(&e, i, few);                                                                  \
    const floats n = multiply_add(element_xhat(&e, read_some(type, x, i, few)), v.scale, v.bias);                      \
    const floats added = residual != norm_residual_none ? read_some(type, r, i, few) : (floats)0.0f;                   \
    write_some(type, y, i, few, finished(activation, residual, leak, n, added));                                       \
  }
  FOR_ELEMENTS(STEP)
#undef STEP
}

static void PASTE(normalize_elements, ISA)(const norm_form *form, const void *x, const void *residual, void *y,
                                           size_t count, const norm_elements *elements) {
#define CASE(type) WITH_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  normalize_elements_of(type, activation, place, form->slope, x, residual, y, count, elements)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}

/// dn and xhat.
INLINE pair element_pair(norm_type type, norm_activation activation, norm_residual residual, float leak,
                         const norm_elements *e, element_values v, const char *dy, const char *x, const char *r,
                         size_t i, size_t few) {
  pair p = {read_some(type, dy, i, few), element_xhat(e, read_some(type, x, i, few))};
  if (activation != norm_activation_none) {
    floats n = multiply_add(p.xhat, v.scale, v.bias);
    if (residual == norm_residual_before) n = n + read_some(type, r, i, few);
    p.dn = deactivated(activation, leak, n, p.dn);
  }
  return p;
}

INLINE norm_gradient_sums element_gradient_sums_of(norm_type type, norm_activation activation, norm_residual residual,
                                                   float leak, const char *dy, const char *x, const char *r,
                                                   size_t values, const norm_elements *elements) {
  const norm_elements e = *elements;
  lane_sums sum = {0}, product = {0};
  floats most = 0;
  for (size_t start = 0; start < values; start += norm_plane_block / 2) {
    const size_t count = least(values, start + norm_plane_block / 2);
    floats s = 0, q = 0;
#define STEP(i, few)                                                                                                   \
  {                                                                                                                    \
    const element_values v = elements_at(&e, i, few);                                                                  \
    const pair p = element_pair(type, activation, residual, leak, &e, v, dy, x, r, i, few);                            \
    /* Where there are few, the scales of the rest are 0, or else dn is. */                                            \
    const floats g = p.dn * v.scale;                                                                                   \
    s += g;                                                                                                            \
    q = multiply_add(g, p.xhat, q);                                                                                    \
    most = larger(magnitude(g), most);                                                                                 \
  }
    size_t i = start;
    for (; i + lanes <= count; i += lanes) STEP(i, 0)
    if (i < count) STEP(i, count - i)
#undef STEP
    fold(&sum, s);
    fold(&product, q);
  }
  return (norm_gradient_sums){lane_total(&sum), lane_total(&product), largest_of(most)};
}

static norm_gradient_sums PASTE(element_gradient_sums, ISA)(const norm_form *form, const void *dy, const void *x,
                                                            const void *residual, size_t count,
                                                            const norm_elements *elements) {
  norm_gradient_sums result = {0, 0, 0};
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  result = element_gradient_sums_of(type, activation, place, form->slope, dy, x, residual, count, elements)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
  return result;
}

INLINE void element_gradient_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                const char *dy, const char *x, const char *r, char *dx, char *dr, size_t count,
                                const norm_elements *elements, float mean, float slope) {
  const norm_elements e = *elements;
#define STEP(i, few)                                                                                                   \
  {                                                                                                                    \
    const element_values v = elements_at(&e, i, few);                                                                  \
    const pair p = element_pair(type, activation, residual, leak, &e, v, dy, x, r, i, few);                            \
    if (dr) write_some(type, dr, i, few, p.dn);                                                                        \
    write_some(type, dx, i, few, multiply_add(p.dn * v.scale - mean, (floats)e.inv_std, p.xhat * slope));              \
  }
  FOR_ELEMENTS(STEP)
#undef STEP
}

static void PASTE(element_gradient, ISA)(const norm_form *form, const void *dy, const void *x, const void *residual,
                                         void *dx, void *dr, size_t count, const norm_elements *elements, float mean,
                                         float slope) {
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  element_gradient_of(type, activation, place, form->slope, dy, x, residual, dx, dr, count, elements, mean, slope)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}

INLINE void add_element_gradients_of(norm_type type, norm_activation activation, norm_residual residual, float leak,
                                     const char *dy, const char *x, const char *r, size_t count,
                                     const norm_elements *elements, double *scale, double *bias) {
  const norm_elements e = *elements;
#define STEP(i, few)                                                                                                   \
  {                                                                                                                    \
    const element_values v = elements_at(&e, i, few);                                                                  \
    const pair p = element_pair(type, activation, residual, leak, &e, v, dy, x, r, i, few);                            \
    fold_into(scale + i, p.dn *p.xhat);                                                                                \
    fold_into(bias + i, p.dn);                                                                                         \
  }
  FOR_ELEMENTS(STEP)
#undef STEP
}

static void PASTE(add_element_gradients, ISA)(const norm_form *form, const void *dy, const void *x,
                                              const void *residual, size_t count, const norm_elements *elements,
                                              double *scale, double *bias) {
#define CASE(type) WITH_GRADIENT_FORM(CALL, form, type)
#define CALL(type, activation, place)                                                                                  \
  add_element_gradients_of(type, activation, place, form->slope, dy, x, residual, count, elements, scale, bias)
  WITH_TYPE(CASE, form)
#undef CALL
#undef CASE
}
#undef FOR_ELEMENTS
